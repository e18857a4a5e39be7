"""What a new answer for a known work changes: memory is replay, and no prefix of its lines tells a lie."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import Described, Event, Failed, Gone, Line, Stored, Voided
from crawler.model import Image
from crawler.rules.replay import State
from crawler.rules.revision import REPLACED, revise, supersede

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
