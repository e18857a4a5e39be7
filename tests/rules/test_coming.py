"""What a run has before it, counted: works that are new, without a description, with images left, or asked again."""

from pyroaring import BitMap64

from crawler.events import Described, Event, Failed, Gone, Line, Stored
from crawler.model import Image
from crawler.rules.coming import Coming, coming
from crawler.rules.replay import State


def described(id: int, pages: int) -> Described:
    return Described(id, tuple(Image(page, f"u{page}") for page in range(pages)), {})


def stored(id: int, page: int) -> Stored:
    return Stored(id, page, f"{id}_{page}", 5, "0" * 64, "image/png", 1, 1, "original", "u")


def fold(events: list[Event]) -> State:
    state = State()
    for seq, event in enumerate(events, 1):
        state.apply(Line("a", seq, f"2026-01-01T00:00:{seq:02}.000Z", event))
    return state


PAST: list[Event] = [
    described(2, 2),
    stored(2, 0),  # one image left
    described(3, 3),
    Failed(3, 0, "idle", None, 1, False),
    Failed(3, 1, "not_found", 404, 1, True),
    Failed(4, None, "idle", None, 1, False),
    Failed(5, None, "bad_reply", None, 1, True),
    Gone(6, "not_found"),
    described(1, 1),
    stored(1, 0),
    described(7, 1),
    Failed(7, 0, "idle", None, 1, False),
    stored(8, 0),
]


def test_works_are_counted_by_what_a_run_does_for_them() -> None:
    """Done, gone, lost for good: nothing. 2, 3 and 7 have images left, 4 and 8 no description, the rest is new."""
    state = fold(PAST)
    came = coming(state, BitMap64(range(1, 11)))
    assert came == Coming(new=2, undescribed=2, described=3, images=1 + 2 + 1, again=0)
    assert (came.works, came.unknown) == (7, 4)
    assert coming(state, BitMap64([2, 9])) == Coming(1, 0, 1, 1, 0)


def test_what_failed_for_now_waits_where_nothing_is_retried() -> None:
    """Within one run: a work with anything untried is still counted, one that failed as a whole is not."""
    state = fold(PAST)
    assert coming(state, BitMap64(range(1, 11)), retry=False) == Coming(2, 1, 2, 3, 0)
    assert coming(state, BitMap64([7, 8]), retry=False) == Coming(0, 1, 0, 0, 0)


def test_works_asked_again_count_as_such_only() -> None:
    """Whatever was known of them."""
    state = fold(PAST)
    came = coming(state, BitMap64(range(1, 11)), BitMap64([1, 2, 4]))
    assert came == Coming(2, 1, 2, 3, 3)
    assert (came.works, came.unknown) == (8, 6)
    assert Coming() == Coming(0, 0, 0, 0, 0)
