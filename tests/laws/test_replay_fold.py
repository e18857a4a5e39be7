"""The fold over a log: one answer for a set of lines, whatever their order, and the answer that the words promise."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from crawler.events import (
    Closed,
    Described,
    Event,
    Failed,
    Gone,
    Line,
    Listed,
    Opened,
    Spent,
    Stored,
    Throttled,
    Voided,
)
from crawler.model import Image, Page, WorkId, bit_of
from crawler.numbers import digest_of
from crawler.rules import listed as listing
from crawler.rules.gone import GONE_STRENGTH
from crawler.rules.listed import listed_events
from crawler.rules.naming import image_path
from crawler.rules.replay import State, Todo, Totals

IDS: tuple[WorkId, ...] = (1, 2, 3, 4, 2**40, "aa", "bb")
PAGES: dict[WorkId, tuple[Page, ...]] = {
    1: (0,),
    2: (0, 1),
    3: (0, 1, 2),
    4: ("zip",),
    2**40: (),
    "aa": (0,),
    "bb": (0,),
}
LOGS = ("aaaaaaaaaaaa", "bbbbbbbbbbbb")


def images_of(id: WorkId) -> tuple[Image, ...]:
    return tuple(Image(page, f"https://i/{id}/{page}") for page in PAGES[id])


def stored(id: WorkId, page: Page) -> Stored:
    size = digest_of(f"{id} {page}") % 1000
    return Stored(
        id,
        page,
        image_path(id, page, "zip" if page == "zip" else "png"),
        size,
        "0" * 64,
        "image/png",
        1,
        1,
        ("original", "regular")[size % 2],
        "u",
    )


ids = st.sampled_from(IDS)
numbers = st.sampled_from([id for id in IDS if isinstance(id, int)])
a_stored = ids.flatmap(
    lambda id: st.sampled_from([*PAGES[id], 7] if isinstance(id, int) else [0]).map(lambda page: stored(id, page))
)
a_failed = ids.flatmap(
    lambda id: st.builds(
        Failed,
        st.just(id),
        st.sampled_from([None, *PAGES[id]]),
        st.sampled_from(["idle", "not_found"]),
        st.none(),
        st.just(1),
        st.booleans(),
    )
)
digests = st.sampled_from(["d1", "d2"])
an_event: st.SearchStrategy[Event] = st.one_of(
    a_stored,
    a_stored,
    numbers.map(lambda id: Described(id, images_of(id), {})),
    st.builds(Gone, ids, st.sampled_from([*GONE_STRENGTH, "news"])),
    a_failed,
    a_failed,
    st.builds(Throttled, st.sampled_from(["h1", "h2"]), st.sampled_from([0.5, 1.0]), st.none(), st.just("slow")),
    st.builds(
        Spent,
        st.sampled_from(["h1", "h2"]),
        st.integers(0, 700).map(lambda n: f"2026-01-{1 + n // 288:02}T{n % 288 // 12:02}:{n % 12 * 5:02}:00Z"),
        st.integers(0, 9),
        st.integers(0, 99),
        st.sampled_from([0, 5]),
        st.just(0),
    ),
    st.builds(Closed, st.sampled_from(["finished", "drained"]), st.just({})),
    digests.map(lambda digest: Opened("x", 1, "0", {"path": "p", "digest": digest, "ids": int(digest[1])}, "s")),
    digests.map(lambda digest: next(listed_events(digest, BitMap64(range(1, 1 + int(digest[1])))))),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Some lines of two logs, some of them voided by later ones."""
    lines: list[Line] = []
    next_seq = dict.fromkeys(LOGS, 1)

    def put(event: Event | None) -> None:
        log = draw(st.sampled_from(LOGS))
        minute = draw(st.integers(0, 3))
        lines.append(Line(log, next_seq[log], f"2026-01-01T00:{minute:02}:00.000Z", event))
        next_seq[log] += 1

    for event in draw(st.lists(st.one_of(an_event, st.none()), max_size=25)):
        put(event)
    if lines:
        for line in draw(st.lists(st.sampled_from(lines), max_size=4, unique_by=id)):
            put(Voided(line.log, line.seq, "repair", getattr(line.event, "id", None) if draw(st.booleans()) else None))
    return lines


def voids(lines: Iterable[Line]) -> set[tuple[str, int]]:
    return {(line.event.log, line.event.seq) for line in lines if isinstance(line.event, Voided)}


def fold(lines: Sequence[Line], voided: Iterable[tuple[str, int]] | None = None) -> State:
    state = State(voids(lines) if voided is None else set(voided))
    for line in lines:
        state.apply(line)
    return state


SOME = BitMap64([1, 3, bit_of("aa"), 99])


def view(state: State) -> dict[str, Any]:
    """Everything that can be asked of a state."""
    return {
        "totals": state.totals(),
        "some": state.totals(SOME),
        "todo": [state.todo(id) for id in (*IDS, 99)],
        "known": state.known(),
        "listed": state.listed(),
        "source": state.source,
        "closed": state.closed,
        "throttled": state.throttled,
        "spent": (sorted(state.spending.rows()), state.spending.last),
        "failures": state.failures,
        "t": (state.first_t, state.last_t),
    }


@settings(deadline=None, max_examples=300)
@given(logs(), st.randoms(use_true_random=False), st.data())
def test_order_and_repetition_do_not_matter(lines: list[Line], dice: random.Random, data: st.DataObject) -> None:
    """The same lines in any order and any number of times give the same state."""
    again = lines + (data.draw(st.lists(st.sampled_from(lines), max_size=10)) if lines else [])
    dice.shuffle(again)
    assert view(fold(again)) == view(fold(lines))


def losses(id: WorkId, mine: Sequence[Event | None]) -> dict[Page | None, Failed]:
    """The failure that counts, by page; `mine` in order of time."""
    lost: dict[Page | None, Failed] = {}
    for e in mine:
        if isinstance(e, Failed):
            page = 0 if isinstance(id, str) else e.page
            if page not in lost or e.permanent >= lost[page].permanent:
                lost[page] = e
    return lost


def plainly(lines: Sequence[Line], within: set[int]) -> tuple[Totals, dict[WorkId, Todo | None]]:
    """What the words say, worked out slowly and from all lines at once."""
    voided = voids(lines)
    standing = [line for line in lines if (line.log, line.seq) not in voided]
    standing.sort(key=lambda line: (line.t, line.log, line.seq))
    counts: Counter[str] = Counter(listed=len(within))
    reasons: Counter[str] = Counter()
    qualities: Counter[str] = Counter()
    todo: dict[WorkId, Todo | None] = {}
    for id in IDS:
        mine = [line.event for line in standing if getattr(line.event, "id", None) == id]
        described = isinstance(id, str) or any(isinstance(e, Described) for e in mine)
        had = {e.page: e for e in mine if isinstance(e, Stored)}
        done = described and all(page in had for page in PAGES[id])
        gone = {e.reason for e in mine if isinstance(e, Gone)}
        counts["expected"] += len(PAGES[id]) if described and (done or not isinstance(id, str)) else 0
        for page, e in had.items():
            if not done or page in PAGES[id]:
                counts["images"] += 1
                counts["bytes"] += e.bytes
                qualities[e.quality] += 1
        lost = losses(id, mine)
        missing: list[Page | None] = [p for p in PAGES[id] if p not in had] if described else [None]
        left = [p for p in missing if p not in lost]
        final = [p for p in missing if p in lost and lost[p].permanent]
        if done or gone or final == missing:
            todo[id] = None
        elif described and isinstance(id, int):
            todo[id] = Todo(tuple(i for i in images_of(id) if i.page in missing and i.page not in final))
        else:
            todo[id] = Todo(None)
        if bit_of(id) not in within:
            continue
        if done:
            counts["done"] += 1
        elif gone:
            counts["gone"] += 1
            reasons[next(r for r in (*GONE_STRENGTH, "news") if r in gone)] += 1
        else:
            counts["failed" if not left else "pending"] += 1
            for p in missing:
                if p in lost:
                    reasons[lost[p].reason] += 1
                    counts[f"{'works' if p is None else 'images'} {lost[p].permanent}"] += 1
    counts["pending"] = counts["listed"] - counts["done"] - counts["gone"] - counts["failed"]
    totals = Totals(
        counts["listed"],
        counts["done"],
        counts["gone"],
        counts["failed"],
        counts["pending"],
        counts["images"],
        counts["bytes"],
        counts["expected"],
        counts["images True"],
        counts["images False"],
        counts["works True"],
        counts["works False"],
        dict(reasons),
        dict(qualities),
    )
    return totals, todo


@settings(deadline=None, max_examples=300)
@given(logs(), st.sets(st.sampled_from(IDS)))
def test_the_fold_says_what_the_words_say(lines: list[Line], chosen: set[WorkId]) -> None:
    """done > gone > described or failed; stored > failed for good > failed for now; counts are over the list."""
    state = fold(lines)
    within = {bit_of(id) for id in chosen} | {99}
    totals, todo = plainly(lines, within)
    assert state.totals(BitMap64(within)) == totals
    assert {id: state.todo(id) for id in IDS} == todo


@settings(deadline=None, max_examples=300)
@given(logs())
def test_a_voided_line_is_taken_back_while_the_run_is_on(lines: list[Line]) -> None:
    """Memory is replay: a line voided later gives the state of a fold that knew it before, or the state says stale."""
    live = fold(lines, voided=())
    assert live.stale or view(live) == view(fold(lines))


@settings(deadline=None, max_examples=200)
@given(logs())
def test_listed_is_the_sum_of_what_became_of_it(lines: list[Line]) -> None:
    """listed = done + gone + failed + pending, none negative, for any list and for none."""
    state = fold(lines)
    for totals in (state.totals(), state.totals(SOME), state.totals(BitMap64())):
        assert totals.listed == totals.done + totals.gone + totals.failed + totals.pending
        assert min(totals.done, totals.gone, totals.failed, totals.pending) >= 0


def put(*events: Event | None) -> list[Line]:
    return [Line(LOGS[0], seq, f"2026-01-01T00:00:{seq % 60:02}.000Z", event) for seq, event in enumerate(events, 1)]


def opened(digest: str, count: int) -> Opened:
    return Opened(LOGS[0], 1, "0", {"path": "p", "digest": digest, "ids": count}, "s")


def test_one_list_counts_its_ids() -> None:
    """With one list, what no line speaks of is pending."""
    state = fold(put(opened("d", 10), Gone(1, "not_found"), opened("d", 10)))
    assert (state.totals().listed, state.totals().gone, state.totals().pending) == (10, 1, 9)
    assert state.listed() is None


def test_the_newest_of_several_lists_counts() -> None:
    """A log that knows several lists counts the newest, by its `listed` lines; the other works are kept."""
    ids = BitMap64([2, 3])
    lines = put(opened("d", 10), Gone(1, "not_found"), Gone(2, "not_found"), *listed_events("e", ids), opened("e", 2))
    state = fold(lines)
    assert state.listed() == ids
    assert (state.totals().listed, state.totals().gone, state.totals().pending) == (2, 1, 1)
    assert set(state.known()) == {1, 2}


def test_a_list_that_is_not_whole_is_not_used() -> None:
    """A run that died while it wrote its `listed` lines leaves counts that still add up."""
    ids = BitMap64([2, 3])
    lines = put(opened("d", 10), Gone(7, "not_found"), *listed_events("e", ids), opened("e", 3))
    assert fold(lines).listed() is None
    assert fold(put(opened("d", 1), Listed("e", "no base64!"), opened("e", 1))).listed() is None


@pytest.mark.parametrize("count", [0, 1, 10, 11, 20, 25])
def test_a_list_survives_its_lines(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `listed` lines of any list, in any order, give the list back; no line holds too many."""
    monkeypatch.setattr(listing, "LISTED_CHUNK", 10)
    ids = BitMap64(bit_of(str(n)) for n in range(count))
    parts = list(listed_events("e", ids))
    assert len(parts) == max(1, -(-count // 10))
    assert fold(put(opened("d", 1), *reversed(parts), opened("e", count))).listed() == ids


def test_only_the_last_failures_are_kept() -> None:
    """However many lines, the state holds a screenful of failures, the same in any order."""
    lines = [
        Line(LOGS[0], seq, f"2026-01-{1 + seq // 1440:02}T{seq // 60 % 24:02}:{seq % 60:02}:00.000Z", event)
        for seq in range(1, 3000)
        for event in [Failed(seq % 50, None, "idle", None, 1, False) if seq % 2 else stored(seq, 0)]
    ]
    ahead, back = fold(lines), fold(lines[::-1])
    assert ahead.failures == back.failures
    assert [t for t, _ in ahead.failures] == [line.t for line in lines[-40:] if isinstance(line.event, Failed)]


def test_a_finished_work_costs_a_bit() -> None:
    """When every image is stored, nothing of the work is held but its bit."""
    lines = put(
        Described(3, images_of(3), {}), stored(3, 0), stored(3, 1), stored(3, 2), Failed(3, 1, "idle", None, 1, True)
    )
    state = fold(lines)
    assert not state._entries
    assert state.todo(3) is None
    assert state.totals().images == 3
