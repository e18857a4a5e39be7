"""A work of which one failure is all that is known: held as that, and answered for as any other."""

import tracemalloc

from hypothesis import given, settings
from test_replay_fold import fold, logs, put, view

from crawler.events import Failed, Line
from crawler.rules.entries import Lone
from crawler.rules.replay import State, Todo


def opened(lines: list[Line]) -> State:
    """The state with every work held as one of which much is known."""
    state = fold(lines)
    for id, _ in list(state._entries.kept()):
        state._entries.open(id)
    return state


@settings(deadline=None, max_examples=200)
@given(logs())
def test_how_a_work_is_held_changes_no_answer(lines: list[Line]) -> None:
    """Whether a lone failure is held alone or as a work with its facts, every question has the same answer."""
    state = fold(lines)
    assert view(opened(lines)) == view(state)
    assert opened(lines).known() == state.known()
    assert opened(lines).settled("failed") == state.settled("failed")


def test_a_dead_link_costs_less_than_half() -> None:
    """A failure alone takes less than half of what a work with its facts takes, and counts as before."""
    lines = put(*(Failed(f"{n:016x}", None, "dns", None, 3, True) for n in range(2000)))
    tracemalloc.start()
    try:
        alone = fold(lines)
        held = tracemalloc.get_traced_memory()[0]
        full = opened(lines)
        grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert held < grown / 2
    assert all(isinstance(kept, Lone) for _, kept in alone._entries.kept())
    assert alone.totals() == full.totals()
    assert (alone.totals().failed, alone.totals().failed_images_permanent) == (2000, 2000)
    assert alone.todo("0" * 16) is None


def test_a_failed_image_of_an_unknown_work_leaves_it_to_do() -> None:
    """A failure of one image, without its work's description, says nothing of the rest."""
    state = fold(put(Failed(7, 1, "idle", None, 1, True)))
    assert state.todo(7) == Todo(None)
    assert (state.totals().failed, state.totals().pending) == (0, 1)
