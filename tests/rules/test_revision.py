"""What a new answer for a known work changes: memory is replay, and no prefix of its lines tells a lie."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import Described, Event, Failed, Gone, Line, Stored, Voided
from crawler.model import Image
from crawler.rules.replay import State
from crawler.rules.revision import RECHECKED, REPLACED, revise, same_image, supersede
from crawler.rules.unfinished import Unfinished

LOG = "aaaaaaaaaaaa"
ID = 5


def url(page: int, version: int) -> str:
    return f"https://i/{version}/{page}"


def described(versions: dict[int, int], date: int) -> Described:
    images = tuple(Image(page, url(page, version), f"{url(page, version)}/s") for page, version in versions.items())
    return Described(ID, images, {"uploadDate": f"20{date:02}-01-01T00:00:00+00:00"})


def stored(page: int, version: int, *, smaller: bool = False) -> Stored:
    return Stored(ID, page, f"images/005/5_p{page}.png", 10 + page, f"{version}{page}", "image/png", 1, 1,
                  "regular" if smaller else "original", url(page, version) + "/s" * smaller)  # fmt: skip


versions = st.dictionaries(st.integers(0, 3), st.integers(0, 1), min_size=1).map(lambda d: dict(sorted(d.items())))
answers = st.one_of(
    st.builds(described, versions, st.sampled_from([10, 11, 12])),
    st.sampled_from(["not_found", "restricted"]).map(lambda reason: Gone(ID, reason)),
    st.booleans().map(lambda permanent: Failed(ID, None, "bad_reply", None, 1, permanent)),
)


@st.composite
def pasts(draw: st.DrawFn) -> list[Event]:
    """All that may stand for a work: a description, some of its images, failures, a `gone`."""
    known = draw(versions)
    events: list[Event] = []
    if draw(st.booleans()):
        events.append(described(known, 11))
        had = draw(st.sets(st.sampled_from(list(known)))) if draw(st.booleans()) else set(known)
        events += [stored(page, known[page], smaller=draw(st.booleans())) for page in known if page in had]
        lost = draw(st.sets(st.sampled_from(list(known))))
        events += [Failed(ID, page, "not_found", 404, 1, draw(st.booleans())) for page in lost]
    if draw(st.booleans()):
        events.append(Gone(ID, draw(st.sampled_from(["not_found", "filtered"]))))
    if draw(st.booleans()):
        events.append(Failed(ID, None, "bad_reply", None, 1, True))
    return events


def put(events: list[Event], start: int = 1) -> list[Line]:
    return [Line(LOG, n, f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z", e) for n, e in enumerate(events, start)]


def fold(lines: list[Line]) -> State:
    state = State({(line.event.log, line.event.seq) for line in lines if isinstance(line.event, Voided)})
    for line in lines:
        state.apply(line)
    return state


def view(state: State) -> dict[str, Any]:
    return {"totals": state.totals(), "todo": state.todo(ID), "known": state.known(), "stale": state.stale}


def standing(lines: list[Line]) -> list[Line]:
    voided = {line.event.seq for line in lines if isinstance(line.event, Voided)}
    return [line for line in lines if line.seq not in voided and not isinstance(line.event, Voided)]


@settings(deadline=None, max_examples=300)
@given(pasts(), answers, answers)
def test_memory_is_replay(past: list[Event], answer: Any, later: Any) -> None:
    """A work taken apart for a new answer, and again for another, is what a fold of all lines makes of it."""
    lines = put(past)
    live = fold(lines)
    for one in (answer, later):
        before = standing(lines)
        new = put(list(revise(before, one).events), len(lines) + 1)
        with live.reopened(ID, before):
            for line in new:
                live.apply(line)
        lines += new
        assert view(live) == view(fold(lines))
        assert not live.stale


@settings(deadline=None, max_examples=300)
@given(pasts(), answers)
def test_what_a_new_answer_means(past: list[Event], answer: Any) -> None:
    """Described: exactly the pages of the same URL and no newer date stay, the others are to be fetched. Gone: a work
    that was whole stays done, any other is gone. Failed: nothing that was done or gone changes."""
    lines = put(past)
    old = fold(lines).totals()
    after = lines + put(list(revise(lines, answer).events), len(lines) + 1)
    totals, todo = fold(after).totals(), fold(after).todo(ID)
    had = {e.page: e for e in past if isinstance(e, Stored)}
    was = next((e for e in past if isinstance(e, Described)), None)
    match answer:
        case Described():
            newer = was is not None and str(answer.work["uploadDate"]) > str(was.work["uploadDate"])
            stay = {i.page for i in answer.images if i.page in had and had[i.page].url in (i.url, i.fallback)}
            left = [i for i in answer.images if newer or i.page not in stay]
            assert (todo is None) == (not left)
            assert todo is None or todo.images == tuple(left)
            same = was is not None and [(i.page, i.url) for i in was.images] == [(i.page, i.url) for i in answer.images]
            assert totals.changed == int(was is not None and (newer or not same))
        case Gone():
            assert (totals.done, totals.gone) == ((1, 0) if old.done else (0, 1))
            assert totals.changed == 0
        case _:
            assert (totals.done, totals.gone, totals.images) == (old.done, old.gone, old.images)


@settings(deadline=None, max_examples=300)
@given(pasts(), answers, st.data())
def test_no_prefix_lies(past: list[Event], answer: Any, data: st.DataObject) -> None:
    """Cut after any of its lines: a work that counts as done has the old answer whole, or the new one whole; and what
    a crash left in between is known, and taken away."""
    lines = put(past)
    new = put(list(revise(lines, answer).events), len(lines) + 1)
    cut = lines + new[: data.draw(st.integers(0, len(new)))]
    state = fold(cut)
    rest = [event for id, entry in state.unfinished() for event in supersede(id, entry)]
    cut += put(list(rest), len(cut) + 1)
    state = fold(cut)
    assert not [event for id, entry in state.unfinished() for event in supersede(id, entry)]
    had = {line.event.page: line.event.url for line in standing(cut) if isinstance(line.event, Stored)}
    answered = [e for e in (*(x.event for x in standing(cut)),) if isinstance(e, Described)]
    whole = [all(had.get(i.page) in (i.url, i.fallback) for i in e.images) for e in answered]
    if state.totals().done:
        assert any(whole)
    assert fold(lines).totals().done <= state.totals().done or answer in [line.event for line in cut]


def test_a_change_of_settings_is_no_loss() -> None:
    """A page had as its smaller rendition stays when the new description does not name that (site.fallback off)."""
    lines = put([described({0: 0}, 11), stored(0, 0, smaller=True)])
    answer = Described(ID, (Image(0, url(0, 0)),), {"uploadDate": "2011-01-01T00:00:00+00:00"})
    assert not revise(lines, answer).replaced
    assert fold(lines + put(list(revise(lines, answer).events), 3)).todo(ID) is None


def test_dates_are_compared_as_times() -> None:
    """The same moment in another zone, or a date that is none, is no newer upload."""
    lines = put([Described(ID, (Image(0, "u"),), {"uploadDate": "2020-01-01T09:00:00+09:00"}), stored(0, 0)])
    for date in ("2020-01-01T00:00:00+00:00", "2019-01-01", "soon", None, 5):
        events = revise(lines, Described(ID, (Image(0, "u"), Image(1, url(0, 0))), {"uploadDate": date})).events
        assert [e.reason for e in events if isinstance(e, Voided)].count(REPLACED) >= 1  # page 1 is new
    same = put([Described(ID, (Image(0, url(0, 0)),), {"uploadDate": "2020-01-01T09:00:00+09:00"}), stored(0, 0)])
    again = Described(ID, (Image(0, url(0, 0)),), {"uploadDate": "2020-01-01T00:00:00+00:00"})
    assert not revise(same, again).replaced


def test_an_unfinished_work_that_now_has_fewer_pages() -> None:
    """One page of two was had; now it has that one alone, another picture: no prefix of the lines calls it done."""
    lines = put([described({0: 1, 1: 0}, 11), stored(0, 1)])
    new = put(list(revise(lines, described({0: 0}, 12)).events), 3)
    for cut in range(len(new) + 1):
        assert not fold(lines + new[:cut]).totals().done


def reasons(events: Any) -> list[tuple[int, str]]:
    """Which lines are voided, and why, in this order."""
    return [(e.seq, e.reason) for e in events if isinstance(e, Voided)]


def test_a_failure_for_now_takes_nothing_back() -> None:
    """For good, it stands in place of the older ones of the whole work; those of its images stay."""
    lines = put([Failed(ID, None, "idle", None, 1, False), Failed(ID, 0, "idle", None, 1, True), Gone(ID, "filtered")])
    for permanent, voided in ((False, []), (True, [(1, RECHECKED)])):
        answer = Failed(ID, None, "bad_reply", None, 1, permanent)
        events = revise(lines, answer).events
        assert events[0] is answer
        assert reasons(events) == voided
    assert reasons(revise(lines, Gone(ID, "restricted")).events) == [(3, RECHECKED), (1, RECHECKED)]


def test_words_of_the_log_are_for_ever() -> None:
    """Logs are read for years: the reasons of `voided` lines that mean something keep their names."""
    assert (RECHECKED, REPLACED) == ("rechecked", "replaced")


def test_a_plain_url_is_its_one_image() -> None:
    """Stored anew it stands for all that was said; what failed of it failed as a whole."""
    lines = put([Failed("k", 0, "idle", None, 1, True), Gone("k", "not_found"), stored(0, 0)._replace(id="k")])
    anew = stored(0, 1)._replace(id="k")
    assert reasons(revise(lines, anew).events) == [(3, RECHECKED), (2, RECHECKED), (1, RECHECKED)]
    assert reasons(revise(lines, Gone("k", "restricted")).events) == [(2, RECHECKED), (1, RECHECKED)]
    event = revise(lines, anew).events[1]
    assert event == Voided(LOG, 3, RECHECKED, "k")
    numbered = put([Failed(ID, 0, "idle", None, 1, True)])
    assert reasons(revise(numbered, Gone(ID, "restricted")).events) == []


def test_the_latest_description_is_the_old_one() -> None:
    """By time, whatever the order of lines; the new answer is held against that."""
    older, newer = put([described({0: 0}, 11), described({0: 1}, 11)])
    for lines in ([older, newer], [newer, older]):
        assert revise(lines, described({0: 1}, 11)).events[0] == described({0: 1}, 11)
        assert {reason for _, reason in reasons(revise(lines, described({0: 1}, 11)).events)} == {RECHECKED}
        assert {reason for _, reason in reasons(revise(lines, described({0: 0}, 11)).events)} == {REPLACED}


def test_the_order_of_lines_is_the_safety() -> None:
    """A whole work: the new answer, images that are others now, failures, the old answer, what was gone, pages that
    are no more. One that is not whole: the images first."""
    past = [described({0: 0, 1: 0, 2: 0}, 11), *(stored(page, 0) for page in range(3))]
    past += [Failed(ID, 1, "idle", None, 1, False), Gone(ID, "filtered")]
    answer = described({0: 0, 1: 1}, 11)
    revision = revise(put(past), answer)
    assert revision.events[0] is answer
    assert reasons(revision.events) == [(3, REPLACED), (5, RECHECKED), (1, REPLACED), (6, RECHECKED), (4, REPLACED)]
    assert [event.page for event in revision.replaced] == [1, 2]
    del past[3]
    partly = revise(put(past), answer).events
    assert [type(event).__name__ for event in partly[:2]] == ["Voided", "Described"]
    assert reasons(partly) == [(3, REPLACED), (4, RECHECKED), (1, REPLACED), (5, RECHECKED)]
    one_more = revise(put([described({0: 0}, 11), stored(0, 0)]), described({0: 0, 1: 0}, 11))
    assert reasons(one_more.events) == [(1, REPLACED)]
    assert not one_more.replaced
    nothing_known = revise(put([stored(0, 0)]), described({0: 0}, 11))
    assert reasons(nothing_known.events) == []
    assert reasons(revise(put([stored(0, 0)]), described({0: 1}, 11)).events) == [(1, REPLACED)]


@pytest.mark.parametrize(
    ("was", "new", "stays"),
    [
        (Image(0, "https://a/x"), Image(0, "https://b/x?y"), True),  # whichever host
        (Image(0, "https://a/x"), Image(0, "https://a/z"), False),
        (Image(0, "https://a/o", "https://a/x"), Image(0, "https://a/o"), True),
        (Image(0, "https://a/o"), Image(0, "https://a/o"), False),  # stored from a place that neither names
        (Image(0, "https://a/o", "https://a/x"), Image(0, "https://a/p"), False),
        (Image(1, "https://a/o", "https://a/x"), Image(0, "https://a/o"), False),
    ],
)
def test_an_image_stays_where_its_place_does(was: Image, new: Image, stays: bool) -> None:
    """Its own, or the smaller one of a description that meant the same file."""
    had = stored(0, 0)._replace(url="https://a/x")
    lines = put([Described(ID, (was,), {}), had])
    assert (not revise(lines, Described(ID, (new,), {})).replaced) is stays


def test_a_url_that_is_none_is_its_own_place() -> None:
    """Brackets that do not close: compared as text."""
    odd = Image(0, "https://[a/x")
    assert same_image(odd, odd)
    assert not same_image(odd, Image(0, "https://[b/x"))
    assert not same_image(odd, Image(1, "https://[a/x"))


@pytest.mark.parametrize(
    ("then", "now", "newer"),
    [
        ("2020-01-01T00:00:00+00:00", "2020-01-01T00:00:01+00:00", True),
        ("2020-01-01T00:00:00", "2020-01-01T00:00:00+00:00", False),
        ("2020-01-01T00:00:00", "2020-01-01T00:00:01+00:00", True),
        ("2020-01-01T09:00:00+09:00", "2020-01-01T00:00:01", True),
        ("2020-01-01T09:00:00+09:00", "2020-01-01T00:00:00", False),
        ("soon", "2020-01-01T00:00:01", False),
        ("2020-01-01", 5, False),
        (None, "2020-01-01", False),
    ],
)
def test_a_newer_upload_renews_every_page(then: Any, now: Any, newer: bool) -> None:
    """Later as a moment; a date without a zone is UTC's, one that is none says nothing."""
    image = Image(0, url(0, 0))
    lines = put([Described(ID, (image,), {"uploadDate": then}), stored(0, 0)])
    revision = revise(lines, Described(ID, (image,), {"uploadDate": now}))
    assert bool(revision.replaced) is newer
    assert reasons(revision.events)[-1] == (1, REPLACED if newer else RECHECKED)


def test_what_a_crash_left_behind_a_new_answer_is_taken_away() -> None:
    """Older descriptions that say the same: they alone. Others: all that is older than the new one."""

    def entry(*events: Event) -> Unfinished:
        ((_, found),) = fold(put(list(events))).unfinished()
        return found

    past = [described({0: 0, 1: 0}, 11), stored(0, 0), Failed(ID, 1, "idle", None, 1, False)]
    assert supersede(ID, entry(*past)) == ()
    same = supersede(ID, entry(*past, described({0: 0, 1: 0}, 12), stored(7, 0)))
    assert same == (Voided(LOG, 1, RECHECKED, ID),)
    edited = supersede(ID, entry(*past, described({0: 0, 1: 1}, 12), stored(7, 0)))
    assert edited == tuple(Voided(LOG, seq, REPLACED, ID) for seq in (1, 2, 3))
    twice = supersede(ID, entry(described({0: 0}, 11), described({0: 1}, 11), described({0: 0}, 11)))
    assert twice == tuple(Voided(LOG, seq, REPLACED, ID) for seq in (1, 2))
