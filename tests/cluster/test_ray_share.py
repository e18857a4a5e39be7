"""What one worker of many is told of the limits."""

import pytest

from crawler.cluster.ray_actors import share_of
from crawler.settings import Settings


@pytest.mark.parametrize(("workers", "each"), [(1, (2, 6)), (2, (1, 3)), (4, (1, 1)), (100, (1, 1))])
def test_connections_are_divided_and_nothing_else(workers: int, each: tuple[int, int]) -> None:
    """All workers together hold no more connections to a host than one process, but for one each."""
    settings = Settings()
    mine = share_of(settings, workers)
    assert (mine.limits.api.connections, mine.limits.images.connections) == each
    changed = {"connections": settings.limits.api.connections}
    assert mine.limits.api.model_copy(update=changed) == settings.limits.api
    assert mine.model_copy(update={"limits": settings.limits}) == settings
