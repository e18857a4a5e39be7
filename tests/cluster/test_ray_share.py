"""What one worker of many is told of the limits."""

import pytest

from crawler.cluster.ray_actors import share_of
from crawler.engine.settings import LimitsSettings


@pytest.mark.parametrize(
    ("workers", "beside", "each"),
    [
        (1, 1, (2, 6, 32, 256)),
        (2, 2, (1, 3, 16, 128)),
        (4, 1, (1, 1, 8, 256)),
        (12, 4, (1, 1, 2, 64)),
        (100, 100, (1, 1, 1, 2.56)),
    ],
)
def test_what_is_held_at_once_is_divided_and_nothing_else(
    workers: int, beside: int, each: tuple[int, int, int, float]
) -> None:
    """All workers together have no more works in flight, and no more connections to a host, than one process, but for
    one each; those of a machine hold no more bytes. Rates, budgets of a day and the rest are for all as they are."""
    limits = LimitsSettings()
    mine = share_of(limits, workers, beside)
    assert (mine.api.connections, mine.images.connections, mine.works, mine.memory_mb) == each
    whole = {"api": limits.api, "images": limits.images, "works": limits.works, "memory_mb": limits.memory_mb}
    assert mine.model_copy(update=whole) == limits
    assert mine.images.model_copy(update={"connections": limits.images.connections}) == limits.images


def test_no_bound_stays_none_and_a_bound_stays_one() -> None:
    """0 megabytes is no bound: a part of some never becomes 0."""
    assert share_of(LimitsSettings(memory_mb=0), 8, 8).memory_mb == 0
    assert int(share_of(LimitsSettings(memory_mb=0.001), 1000, 1000).memory_mb * 1e6) > 0
