"""What a state answers when it is asked: what is left to do for a work, and counts over all of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap64

from crawler.events import Failed, Throttled
from crawler.model import Image, WorkId
from crawler.rules.entries import Kept, Lone
from crawler.rules.unfinished import Moment

FAILURES_KEPT = 20
THROTTLED_KEPT = 10_000
"""Of so many hosts the last word of their limiters is known: those that changed their mind last."""


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left to do for a work: these images, or (None) everything, beginning with its description."""

    images: tuple[Image, ...] | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Works: listed = done + gone + failed + pending, and what of them failed, among the listed ones.

    `failed`: nothing more can be done for the work now, and something is missing. `failed_works_*` failed as a whole,
    before their images were known. `reasons` counts works gone, and works and images failed, by reason.
    `images`, `bytes`, `qualities` (what is stored) and `expected_images` (of described works) are of the whole log,
    and so is `changed`: works that were edited after they had been described, and are here as they are since.
    """

    listed: int = 0
    done: int = 0
    gone: int = 0
    failed: int = 0
    pending: int = 0
    images: int = 0
    bytes: int = 0
    expected_images: int = 0
    failed_images_permanent: int = 0
    failed_images_temporary: int = 0
    failed_works_permanent: int = 0
    failed_works_temporary: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    qualities: Mapping[str, int] = field(default_factory=dict[str, int])
    changed: int = 0


@dataclass(slots=True)
class Open:
    """The works that are not finished, counted. `images`, `bytes`, `qualities`, `expected` are of all of them, the rest
    of the listed ones without an outcome: `left` have something left to try. `*_lost` by whether it is for good."""

    images: int = 0
    bytes: int = 0
    expected: int = 0
    failed: int = 0
    left: int = 0
    qualities: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    works_lost: Counter[bool] = field(default_factory=Counter[bool])
    images_lost: Counter[bool] = field(default_factory=Counter[bool])


def look_over(entries: Iterable[tuple[WorkId, Kept]], settled: BitMap64, within: BitMap64 | None) -> Open:
    """Count the works that are not finished; `within`: those that are listed, None for all."""
    found = Open()
    for id, entry in entries:
        if isinstance(entry, Lone):
            if entry.bit in settled or (within is not None and entry.bit not in within):
                continue
            if entry.page == (0 if isinstance(id, str) else None):
                found.failed += 1
                found.reasons[entry.reason] += 1
                (found.works_lost if entry.page is None else found.images_lost)[entry.permanent] += 1
            else:  # of an image of a work whose images nobody knows
                found.left += 1
            continue
        found.images += len(entry.had)
        for had in entry.had.values():
            found.bytes += had.bytes
            found.qualities[had.quality] += 1
        found.expected += entry.expected
        if entry.bit in settled or (within is not None and entry.bit not in within):
            continue
        lost, left = entry.losses(entry.pages(id))
        found.left += left
        found.failed += not left
        for loss in lost:
            found.reasons[loss.reason] += 1
            (found.works_lost if loss.page is None else found.images_lost)[loss.permanent] += 1
    return found


def keep_failure(failures: dict[Moment, Failed], moment: Moment, event: Failed) -> None:
    """Add a failure; of very many only the last are kept."""
    failures[moment] = event
    if len(failures) >= 4 * FAILURES_KEPT:
        last = latest(failures)
        failures.clear()
        failures.update(last)


def keep_throttled(throttled: dict[str, tuple[Moment, Throttled]], moment: Moment, event: Throttled) -> None:
    """Add what a limiter told last; of very many hosts only the last are kept.

    Whatever the order: a host that is let go has THROTTLED_KEPT others later than all that it had said so far.
    """
    best = throttled.get(event.host)
    if best is None or moment > best[0]:
        throttled[event.host] = (moment, event)
    if len(throttled) >= 2 * THROTTLED_KEPT:
        last = last_throttled(throttled)
        throttled.clear()
        throttled.update(last)


def last_throttled(throttled: Mapping[str, tuple[Moment, Throttled]]) -> dict[str, tuple[Moment, Throttled]]:
    """The last words of the hosts that spoke last."""
    if len(throttled) <= THROTTLED_KEPT:
        return dict(throttled)
    return dict(sorted(throttled.items(), key=lambda item: item[1][0])[-THROTTLED_KEPT:])


def latest(failures: Mapping[Moment, Failed]) -> list[tuple[Moment, Failed]]:
    """The last failures, oldest first."""
    return sorted(failures.items(), key=lambda item: item[0])[-FAILURES_KEPT:]
