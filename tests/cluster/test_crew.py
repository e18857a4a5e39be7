"""A cluster does what one process does: same images, same counts, each id once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, settings_of, some_ids
from judge import judge

from crawler.origin.server import origin_thread


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in with the faults of an ordinary day."""
    ca = tmp_path_factory.mktemp("ca")
    with origin_thread(seed=7, profile="flaky", ca_dir=ca, stall_s=3.0, retry_after_s=0) as origin:
        yield origin


def test_workers_do_what_one_process_does(tmp_path: Path, flaky: Any) -> None:
    """Every id ends as the world says, byte for byte, with one answer in the log."""
    ids = some_ids(150)
    settings = settings_of(tmp_path, flaky, ids)

    async def main() -> Any:
        return await Cluster(settings).run(3)

    outcome = asyncio.run(main())
    print(outcome)
    assert outcome.code == 0
    outcomes = judge(flaky.world, tmp_path / "out", ids)
    assert outcomes["done"] > 75
