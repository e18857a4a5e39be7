"""What a state says when it is asked: works by their outcome, counted; what was taken back; what is kept of it."""

from typing import Any

import pytest
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
from crawler.rules import totals as counting
from crawler.rules.frozen import pack, unpack
from crawler.rules.gone import GONE_STRENGTH
from crawler.rules.listed import listed_events
from crawler.rules.replay import State, Todo
from crawler.rules.revision import REPLACED
from crawler.rules.totals import Totals
from crawler.rules.unfinished import Moment

LOG = "aaaaaaaaaaaa"
IMAGES = (Image(0, "u0"), Image(1, "u1"), Image(2, "u2"))


def moment(n: int, log: str = LOG) -> Moment:
    return (f"2026-01-01T00:00:{n:02}.000Z", log, n)


def put(*events: Event | None) -> list[Line]:
    return [Line(LOG, n, moment(n)[0], event) for n, event in enumerate(events, 1)]


def fold(*events: Event | None) -> State:
    state = State()
    for line in put(*events):
        state.apply(line)
    return state


def described(id: int, pages: int) -> Described:
    return Described(id, IMAGES[:pages], {})


def stored(id: WorkId, page: Page, size: int = 10, quality: str = "original") -> Stored:
    return Stored(id, page, "p", size, "0" * 64, "image/png", 1, 1, quality, "u")  # type: ignore[arg-type]


def failed(id: WorkId, page: Page | None, reason: str = "idle", *, permanent: bool = False) -> Failed:
    return Failed(id, page, reason, None, 1, permanent)


def test_a_work_ends_with_its_last_fact_whichever_that_is() -> None:
    """The description last, an image last, a description of no image at all; then it is a bit, and its counts."""
    for events in ((stored(5, 0), described(5, 1)), (described(5, 1), stored(5, 0)), (described(5, 0),)):
        state = fold(*events)
        assert list(state.unfinished()) == []
        assert state.todo(5) is None
        assert state.totals().done == 1
        assert state.totals().images == len(events) - 1
        assert state.known() == BitMap64([5])


def test_what_is_left_of_a_work() -> None:
    """Pages neither had nor lost for good; none of them left and some failed for now: those again."""
    state = fold(described(5, 3), stored(5, 0), failed(5, 1, permanent=True), failed(5, 2))
    assert state.todo(5) == Todo((IMAGES[2],))
    assert fold(described(5, 2), failed(5, 0, permanent=True), failed(5, 1)).todo(5) == Todo((IMAGES[1],))
    assert fold(described(5, 2), failed(5, 0, permanent=True), failed(5, 1, permanent=True)).todo(5) is None
    assert fold(described(5, 2), failed(5, 0, permanent=True)).todo(5) == Todo((IMAGES[1],))
    assert fold(failed(5, None)).todo(5) == Todo(None)
    assert fold(failed(5, None, permanent=True)).todo(5) is None
    assert fold(failed(5, 1)).todo(5) == Todo(None)
    assert fold(failed("k", None)).todo("k") == Todo(None)
    assert fold(failed("k", 0, permanent=True)).todo("k") is None
    assert fold(failed("k", 3, permanent=True)).todo("k") == Todo(None), "no page of its list"
    assert fold().todo(5) == Todo(None)


def test_totals_by_numbers() -> None:
    """Each outcome once: done, gone, failed as a whole and in part, begun, failed for now; and a text of each."""
    state = fold(
        described(1, 1), stored(1, 0, 3, "regular"),
        Gone(2, "filtered"),
        failed(3, None, "bad_reply", permanent=True),
        described(4, 2), stored(4, 0, 5), failed(4, 1, "not_found", permanent=True),
        described(5, 3), stored(5, 0, 7), failed(5, 1, "idle"),
        failed(6, None, "idle"), failed(6, None, "idle"),
        failed(7, 3, "idle"),
        stored("done", 0, 11),
        failed("lost", 0, "not_found", permanent=True),
        failed("odd", None, "idle"),
    )  # fmt: skip
    everything = Totals(
        listed=10, done=2, gone=1, failed=5, pending=2, images=4, bytes=26, expected_images=7,
        failed_images_permanent=2, failed_images_temporary=2, failed_works_permanent=1, failed_works_temporary=1,
        reasons={"bad_reply": 1, "filtered": 1, "idle": 3, "not_found": 2},
        qualities={"original": 3, "regular": 1}, changed=0,
    )  # fmt: skip
    assert state.totals() == everything
    few = state.totals(BitMap64([1, 2, 4, 6, 99]))
    assert (few.listed, few.done, few.gone, few.failed, few.pending) == (5, 1, 1, 2, 1)
    assert (few.images, few.bytes, few.expected_images) == (4, 26, 7), "of the whole log"
    assert few.reasons == {"filtered": 1, "idle": 1, "not_found": 1}
    for outcome in (Gone(5, "filtered"), described(5, 0)):
        assert fold(failed(5, None, permanent=True), outcome).totals().failed == 0
    assert State().totals() == Totals()
    assert Totals() == Totals(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {}, {}, 0)


def test_works_gone_count_under_their_strongest_reason() -> None:
    """In this order; reasons of a later version come last, by name; what is done is not gone."""
    order = (*GONE_STRENGTH, "a_new_one", "b_new_one")
    assert GONE_STRENGTH == ("purged", "restricted", "filtered", "unsupported", "not_found")
    for n, reason in enumerate(order):
        state = fold(*(Gone(5, weaker) for weaker in reversed(order[n:])))
        assert state.totals().reasons == {reason: 1}
        assert state.totals().gone == 1
    assert fold(Gone(5, "purged"), described(5, 0)).totals().gone == 0


def test_works_to_be_asked_again_by_what_became_of_them() -> None:
    """`gone` but not purged and not done; `restricted` only; `failed` for good, in part too; or `all`."""
    state = fold(
        *(Gone(n, reason) for n, reason in enumerate((*GONE_STRENGTH, "a_new_one"), 10)),
        Gone(20, "restricted"), described(20, 0),
        Gone(21, "restricted"), Gone(21, "purged"),
        failed(30, None, permanent=True), failed(31, None),
        described(32, 2), failed(32, 1, permanent=True),
        described(33, 2), failed(33, 1),
        failed(34, None, permanent=True), Gone(34, "not_found"),
        failed(35, None, permanent=True), Gone(35, "purged"),
        described(36, 2), failed(36, 0), failed(36, 1, permanent=True),
    )  # fmt: skip
    assert set(state.settled("gone")) == {11, 12, 13, 14, 34}
    assert set(state.settled("restricted")) == {11}
    assert set(state.settled("failed")) == {30, 32, 36}
    assert set(state.settled("all")) == {11, 12, 13, 14, 15, 20, 30, 31, 32, 33, 34, 36}
    assert set(State().settled("all")) == set(State().settled("gone")) == set(State().settled("failed")) == set()


def test_a_line_taken_back_is_as_if_it_had_not_been() -> None:
    """While the work is not finished; else the state says that it is stale. Twice is once."""
    state = fold(described(5, 2), stored(5, 0), Voided(LOG, 2, "repair", 5), Voided(LOG, 2, "repair", 5))
    assert state.todo(5) == Todo(IMAGES[:2])
    assert not state.stale
    state.apply(Line(LOG, 9, moment(9)[0], Voided(LOG, 1, "repair", None)))
    assert state.entry(5) is None
    assert state.known() == BitMap64()
    for line, answer in zip(put(described(5, 2), stored(5, 0)), (False, False), strict=True):
        assert state.stands(line) is answer
    assert state.stands(Line(LOG, 3, "t", None))
    assert state.stands(Line("bbbbbbbbbbbb", 1, "t", None))
    late = fold(described(5, 1), stored(5, 0), Voided(LOG, 2, "repair", 5))
    assert late.stale
    assert late.freeze() is None
    known = State([(LOG, 2), ("b", 1)])
    for line in put(described(5, 1), stored(5, 0), stored("k", 0), Gone(6, "filtered"), Voided(LOG, 2, "repair", 5)):
        known.apply(line)
    assert (known.totals().done, known.totals().gone, known.stale) == (1, 1, False)
    assert known.todo(5) == Todo(IMAGES[:1])
    gone = State([(LOG, 1), (LOG, 2)])
    for line in put(Gone(6, "filtered"), stored("k", 0)):
        gone.apply(line)
    assert gone.known() == BitMap64()


def test_a_plain_link_stored_twice_is_one_image() -> None:
    """Whatever failed before or after; another page of it is no image of its list."""
    state = fold(failed("k", 0), stored("k", 0, 5), stored("k", 0, 5), failed("k", 0))
    assert (state.totals().images, state.totals().bytes, state.totals().done) == (1, 5, 1)
    assert state.totals().failed == 0
    assert list(state.unfinished()) == []
    assert (state.first_t, state.last_t) == (moment(1)[0], moment(4)[0])
    for page in (1, 3):
        odd = fold(stored("k", page, 5))
        assert (odd.totals().done, odd.totals().images) == (0, 1)
    for events, done in (((), 1), ((Voided(LOG, 1, REPLACED, "k"),), 0)):
        apart = fold(stored("k", 0, 5))
        with apart.reopened("k", put(stored("k", 0, 5))):
            for n, event in enumerate(events, 2):
                apart.apply(Line(LOG, n, moment(n)[0], event))
        assert (apart.totals().done, apart.totals().images, apart.stale) == (done, done, False)


def test_a_state_is_what_its_bytes_say() -> None:
    """All of it, texts too; bytes that end in the midst of a part are none."""
    state = fold(
        opened("d", 9), described(5, 3), stored(5, 0), failed(5, 1, permanent=True), failed("k", 0), stored("l", 0),
        Gone(6, "filtered"), Throttled("h", 1.0, None, "slow"), Closed("drained", {"a": 1}),
        Spent("h", "2026-01-01T10:00:00Z", 5, 6, 10, 0), Voided("b", 7, REPLACED, "m"), Voided("b", 8, REPLACED, "n"),
    )  # fmt: skip
    state.stale = False
    frozen = state.freeze()
    assert frozen is not None
    assert State.thaw(unpack(b"".join(pack(frozen)))).freeze() == frozen
    with pytest.raises(ValueError, match="not all works"):
        unpack(b"".join(list(pack(frozen))[:-2]))
    assert State.thaw(frozen).totals() == state.totals()
    assert state.totals().changed == 2
    texts = fold(Voided("b", 7, REPLACED, "m"), Voided("b", 8, REPLACED, "n"))
    texts.stale = False
    frozen = texts.freeze()
    assert frozen is not None
    packed = b"".join(pack(frozen))
    assert unpack(packed).changed == BitMap64([bit_of("m"), bit_of("n")])
    for cut in (1, 8):
        with pytest.raises(ValueError, match="cut off"):
            unpack(packed[:-cut])


def test_works_that_changed_are_counted_once() -> None:
    """By the lines that took back what is another picture now; other reasons for that say nothing of a change."""
    state = fold(described(5, 2), stored(5, 0), stored(5, 1), Voided(LOG, 2, REPLACED, 5), Voided(LOG, 3, REPLACED, 5))
    assert state.totals().changed == 1
    assert fold(described(5, 2), stored(5, 0), Voided(LOG, 2, "repair", 5)).totals().changed == 0
    assert fold(stored(5, 0), Voided(LOG, 1, REPLACED, None)).totals().changed == 0


def test_a_work_taken_apart_is_put_together_again() -> None:
    """A whole one whose standing lines are given is taken apart, counts and all; with some of them missing: stale."""
    lines = put(described(5, 2), stored(5, 0, 3), stored(5, 1, 4), Gone(6, "filtered"))
    for events, counts in (
        ((), (1, 2, 7)),
        ((Voided(LOG, 3, REPLACED, 5),), (0, 1, 3)),
        ((Voided(LOG, 3, REPLACED, 5), stored(5, 1, 9)), (1, 2, 12)),
    ):
        state = State()
        for line in lines:
            state.apply(line)
        with state.reopened(5, lines[:3]):
            assert state.freeze() is None
            for n, event in enumerate(events, 5):
                state.apply(Line(LOG, n, moment(n)[0], event))
        totals = state.totals()
        assert (totals.done, totals.images, totals.bytes) == counts
        assert totals.qualities == {"original": counts[1]}
        assert not state.stale
        assert state.freeze() is not None
    short = State()
    for line in lines:
        short.apply(line)
    with short.reopened(5, lines[:2]):
        pass
    assert short.stale
    back = State()
    for line in lines:
        back.apply(line)
    with back.reopened(6, lines[3:]):
        back.apply(Line(LOG, 9, moment(9)[0], Voided(LOG, 4, REPLACED, 6)))
    assert not back.stale
    assert back.totals().gone == 0
    with back.reopened(6, []):
        back.apply(Line(LOG, 10, moment(10)[0], Gone(6, "restricted")))
    assert back.totals().reasons == {"restricted": 1}


def opened(digest: str, count: Any) -> Opened:
    return Opened(LOG, 1, "0", {"path": "p", "digest": digest, "ids": count}, "s")


def test_the_newest_words_count() -> None:
    """Of how a run began and ended, and of each host's limiter; lines of any order."""
    words = [opened("d", 3), Closed("drained", {}), Closed("finished", {}), opened("e", 4)]
    words += [Throttled("h", rate, None, "slow") for rate in (1.0, 2.0)] + [Throttled("g", 3.0, None, "slow")]
    lines = put(*words)
    for order in (lines, lines[::-1]):
        state = State()
        for line in order:
            state.apply(line)
        assert state.source == {"path": "p", "digest": "e", "ids": 4}
        assert state.closed == Closed("finished", {})
        assert [(host, event.rate) for host, event in state.throttled.items()] == [("g", 3.0), ("h", 2.0)]
        assert (state.first_t, state.last_t) == (lines[0].t, lines[-1].t)
    direct = State()
    assert (direct.first_t, direct.last_t) == ("", "")
    direct.described(moment(5), 5, IMAGES)
    direct.stored(moment(4), 5, 0, 10, "original")
    assert (direct.first_t, direct.last_t) == (moment(4)[0], moment(5)[0])
    entry = direct.entry(5)
    assert entry is not None
    assert len(entry.facts) == 2
    assert (State().source, State().closed, State().throttled, State().listed()) == (None, None, {}, None)


def test_a_list_counts_what_it_says_it_has() -> None:
    """Unless more is known, or it says nothing that is a number."""
    assert fold(opened("d", "many")).totals().listed == 0
    for count, listed in ((7, 7), (1, 2), ("many", 2)):
        assert fold(opened("d", count), Gone(1, "filtered"), failed(2, None)).totals().listed == listed


def test_parts_of_a_list_add_up() -> None:
    """And another list's do not: the newest counts, if all of it is known."""

    def part(digest: str, *ids: int) -> Listed:
        return next(listed_events(digest, BitMap64(ids)))

    state = fold(opened("d", 2), part("d", 1), part("e", 4), part("d", 2))
    assert state.listed() is None, "one list: all ids are its"
    state.apply(Line(LOG, 9, moment(9)[0], opened("e", 2)))
    assert state.listed() is None
    state.apply(Line(LOG, 10, moment(10)[0], part("e", 5)))
    assert state.listed() == BitMap64([4, 5])
    state.apply(Line(LOG, 11, moment(11)[0], opened("d", 2)))
    assert state.listed() == BitMap64([1, 2])


def test_memory_of_failures_and_limiters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty failures are told and fewer than four times as many held; of hosts twice as many as are told."""
    monkeypatch.setattr(counting, "THROTTLED_KEPT", 3)
    state = State()
    for n in range(1, 200):
        t = f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z"
        state.apply(Line(LOG, n, t, failed(n, None)))
        state.apply(Line(LOG, 1000 + n, t, Throttled(f"h{n}", 1.0, None, "slow")))
        assert len(state._failures) < 80
        assert len(state._throttled) < 6
    assert [event.id for _, event in state.failures] == list(range(180, 200))
    assert list(state.throttled) == ["h197", "h198", "h199"]
    state.apply(Line(LOG, 1, "2025-01-01T00:00:00.000Z", Throttled("h0", 1.0, None, "slow")))
    assert list(state.throttled) == ["h197", "h198", "h199"]
