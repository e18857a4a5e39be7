"""A cluster that writes into an object store: commits by conditional create, logs uploaded before they are named."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, some_ids, until
from judge import judge, lines, write_config
from s3_kit import S3

from crawler.cli.loading import load
from crawler.origin.server import origin_thread


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        yield origin


def download(s3: S3, address: str, to: Path) -> Path:
    """All that lies under an address, as an outsider reads it, in a folder that `judge` takes for a run's."""
    for key in s3.objects(address):
        path = to / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.read(address, key))
    (to / ".crawl" / "parts").mkdir(parents=True, exist_ok=True)
    return to


@pytest.mark.long
def test_into_an_object_store(tmp_path: Path, s3: S3, calm: Any) -> None:
    """Workers with work folders of their own; one dies, all die, a third cluster ends it: as in a folder."""
    ids = some_ids(40, seed=31)
    address = f"s3://tests/{tmp_path.name}"
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(tmp_path, calm, 'path = "ids.txt"')
    config.write_text(config.read_text().replace('dir = "out"', f'dir = "{address}"\npublish_s = 0.3'))
    settings = load(config, {"limits.images.rate": "60"}, {}).settings

    def elsewhere(name: str) -> Any:
        return settings.model_copy(update={"output": settings.output.model_copy(update={"work_dir": tmp_path / name})})

    async def dies() -> None:
        cluster = Cluster(settings, ttl_s=1.5)
        cluster.start("a", settings=elsewhere("a"))
        driving = asyncio.create_task(cluster.driver(2).go())
        images = tmp_path / "a"
        await until(lambda: len(list(images.rglob("*.jsonl"))) > 0)
        await asyncio.sleep(0.5)
        await cluster.kill("a")
        driving.cancel()
        await asyncio.wait((driving,))

    async def ends() -> Any:
        cluster = Cluster(settings, ttl_s=3)
        cluster.start("b", settings=elsewhere("b"))
        cluster.start("c", settings=elsewhere("c"))
        outcome = await cluster.driver(2).go()
        await cluster.leave()
        return outcome

    asyncio.run(dies())
    outcome = asyncio.run(ends())
    assert outcome.code == 0, outcome.text
    root = download(s3, address, tmp_path / "left")
    judge(calm.world, root, ids)
    assert lines(root)[-1]["event"] == "closed"
    assert [key for key in s3.objects(address) if key.startswith(".crawl/cluster/")] == []
    assert asyncio.run(ends()).code == 0
