"""One suite, two ways to the network: what is asked of one door is asked of both."""

from collections.abc import Iterator

import fetch_kit
import pytest

BOTH = {"test_bodies", "test_door", "test_door_daily", "test_door_limits", "test_reach", "test_hostile", "test_evil"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of a door are run twice, by libcurl and by aiohttp."""
    if metafunc.module.__name__ in BOTH and hasattr(metafunc.function, "through_a_door"):
        metafunc.parametrize("transport", ["auto", "aiohttp"], indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[None]:
    """Doors built in this test go this way."""
    fetch_kit.TRANSPORT[0] = getattr(request, "param", "auto")
    yield
    fetch_kit.TRANSPORT[0] = "auto"
