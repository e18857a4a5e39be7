"""Works that are not finished, one fact at a time."""

from crawler.model import Image, bit_of
from crawler.rules.entries import Entries, Lone
from crawler.rules.unfinished import Had, Lost, Moment, Seen, Unfinished

LOG = "aaaaaaaaaaaa"
IMAGES = (Image(0, "u0"), Image(1, "u1"), Image(2, "u2"))


def moment(n: int, log: str = LOG) -> Moment:
    return (f"2026-01-01T00:00:{n:02}.000Z", log, n)


def test_of_a_page_the_strongest_and_latest_counts() -> None:
    """Of descriptions and images the latest; of failures one for good before any for now, then the latest."""
    early, late = Had(moment(1), 0, 5, "original"), Had(moment(2), 0, 7, "regular")
    good, now, later = Lost(True, moment(1), 1, "a"), Lost(False, moment(2), 1, "b"), Lost(False, moment(3), 1, "c")
    one, two = Seen(moment(1, "b"), IMAGES[:1]), Seen(moment(1, "c"), IMAGES)
    for facts in ((early, late, good, now, later, one, two), (two, one, later, now, good, late, early)):
        work = Unfinished(9, {})
        for n, fact in enumerate(facts):
            assert work.add((LOG, n), fact) is True
            assert work.add((LOG, n), fact) is False
        assert (work.seen, work.had, work.lost) == (two, {0: late}, {1: good})
        work.remove((LOG, facts.index(good)))
        assert work.lost == {1: later}
        work.remove((LOG, facts.index(two)))
        assert work.seen == one
        assert len(work.facts) == 5


def test_a_work_is_whole_when_each_of_its_pages_is_had() -> None:
    """Pages that it does not have count for nothing; a text is its one image; no description, nothing known."""
    work = Unfinished(9, {})
    assert (work.expected, work.pages(9), work.pages("k"), work.whole(9)) == (0, None, (0,), None)
    assert (work.losses(None), work.losses((0,))) == (([], True), ([], True))
    work.add((LOG, 1), Seen(moment(1), IMAGES[:2]))
    assert (work.expected, work.pages(9), work.whole(9)) == (2, (0, 1), None)
    work.add((LOG, 2), Had(moment(2), 0, 5, "original"))
    work.add((LOG, 3), Had(moment(3), 7, 5, "original"))
    assert work.whole(9) is None
    work.add((LOG, 4), Lost(False, moment(4), 0, "of a page that is had"))
    lost = Lost(True, moment(5), 1, "x")
    assert work.losses((0, 1)) == ([], True)
    work.add((LOG, 5), lost)
    assert work.losses((0, 1)) == ([lost], False)
    assert work.losses((0, 1, 2)) == ([lost], True)
    assert work.losses(None) == ([], True)
    whole = Lost(False, moment(6), None, "y")
    work.add((LOG, 6), whole)
    assert work.losses(None) == ([whole], False)
    work.add((LOG, 7), Had(moment(7), 1, 5, "original"))
    assert work.whole(9) == (0, 1)
    text = Unfinished(9, {})
    text.add((LOG, 1), Had(moment(1), 0, 5, "original"))
    assert (text.whole("k"), text.whole(9)) == ((0,), None)


def test_one_failure_is_kept_as_that_alone() -> None:
    """Until it is opened to be added to; frozen and restored it is as small; what is asked of it is the same."""
    entries, lost = Entries(), Lost(False, moment(3), None, "idle")
    assert entries.begin("k", 77, lost) is None
    assert (len(entries), entries.get("l"), entries.open("l")) == (1, None, None)
    assert list(entries.kept()) == [("k", Lone(*lost, 77))]
    got = entries.get("k")
    assert got is not None
    assert (got.bit, got.facts, got.lost) == (77, {(LOG, 3): lost}, {None: lost})
    assert [(id, work.facts) for id, work in entries.items()] == [("k", {(LOG, 3): lost})]
    assert isinstance(next(entries.kept())[1], Lone), "to be read only"
    for facts in (lost, {(LOG, 3): lost}):
        other = Entries()
        other.restore("k", facts)
        assert list(other.kept()) == [("k", Lone(*lost, bit_of("k")))]
        assert other.frozen() == entries.frozen() == [("k", lost)]
    seen = Seen(moment(4), IMAGES)
    for facts in ({(LOG, 4): seen}, {(LOG, 3): lost, (LOG, 4): seen}):
        other = Entries()
        other.restore(5, facts)
        assert other.frozen() == [(5, facts)]
        assert isinstance(next(other.kept())[1], Unfinished)
    work = entries.begin(5, 5, seen)
    assert work is not None
    assert work is entries.open(5)
    assert work.facts == {(LOG, 4): seen}
    opened = entries.open("k")
    assert opened is entries.open("k") is entries.get("k")
    assert opened is not None
    assert opened.facts == {(LOG, 3): lost}
    entries.drop("k")
    assert entries.get("k") is None


def test_the_holder_of_a_line_is_found() -> None:
    """By its id or among all; kept alone or with others; of another work, or of nothing, it is none."""
    entries = Entries()
    entries.begin("k", 77, Lost(False, moment(3), None, "idle"))
    entries.begin(5, 5, Seen(moment(4), IMAGES))
    for id, n in (("k", 3), (5, 4)):
        assert entries.holder((LOG, n), id) == entries.holder((LOG, n), None) == id
        assert entries.holder((LOG, n + 2), id) is entries.holder(("bbbbbbbbbbbb", n), None) is None
        assert entries.holder((LOG, n), 99) is None
    assert entries.holder((LOG, 4), "k") is None
