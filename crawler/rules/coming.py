"""How much a run has before it, by what the log adds up to: works to ask for, images that are known already. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap64

from crawler.rules.replay import State


@dataclass(frozen=True, slots=True)
class Coming:
    """Works of a list by what a run does for them: `new` ones that the log does not know, `undescribed` unfinished ones
    without a description that stands, `described` unfinished ones of which `images` are to be had, and works asked
    `again` (of whatever kind; they count here only)."""

    new: int = 0
    undescribed: int = 0
    described: int = 0
    images: int = 0
    again: int = 0

    @property
    def works(self) -> int:
        """All of them."""
        return self.new + self.undescribed + self.described + self.again

    @property
    def unknown(self) -> int:
        """Those that are yet to be asked for."""
        return self.new + self.undescribed + self.again


def coming(state: State, listed: BitMap64, again: BitMap64 | None = None, *, retry: bool = True) -> Coming:
    """What a run over the `listed` works (`bit_of` each) will do; `again`: those that it asks again for.

    `retry`: what failed for now is tried again, as a run does with what an earlier one left.
    """
    again = again or BitMap64()
    undescribed = described = images = 0
    for id, entry in state.unfinished():
        if entry.bit not in listed or entry.bit in again or (todo := state.todo(id)) is None:
            continue
        if not retry and not entry.losses(entry.pages(id))[1]:
            continue
        if todo.images is None:
            undescribed += 1
        else:
            described += 1
            images += len(todo.images)
    return Coming(len(listed - state.known()), undescribed, described, images, len(again))
