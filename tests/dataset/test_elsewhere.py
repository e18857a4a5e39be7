"""Laws of an export whose shards go to an object store: none stays here, and the store holds what a folder would."""

from pathlib import Path

import pytest
from exports import Crawl

from crawler.cli.staging import Sending
from crawler.dataset.export import export
from crawler.dataset.job import Options
from crawler.stop import StorageFailed
from crawler.store.objects import Objects

OPTIONS = Options("webdataset", splits=(("train", 0.6), ("val", 0.4)), shard_bytes=300_000)


class Watched(Sending):
    """Counts what lies in the folder whenever a shard is finished; fails at the shard of a number, as a store may."""

    def __init__(self, objects: Objects, fails_at: int = 0) -> None:
        super().__init__(objects)
        self.most = self.sent = 0
        self.fails_at = fails_at

    def send(self, path: Path) -> None:
        self.settle()
        self.most = max(self.most, len(list(path.parent.glob("*.tar"))))
        self.sent += 1
        if self.sent == self.fails_at:
            raise StorageFailed("the store is away")
        super().send(path)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def test_shards_go_as_they_are_finished(crawl: Crawl, tmp_path: Path) -> None:
    """Never more than the finished one is here; in the end the store has the same bytes, and the manifest says so."""
    export(crawl.works, tmp_path / "plain", OPTIONS)
    expected = shards(tmp_path / "plain")
    assert len(expected) > 5
    objects, out = Objects.in_memory(), tmp_path / "out"
    with Watched(objects) as sending:
        export(crawl.works, out, OPTIONS, elsewhere=sending)
        sending.settle()
        assert (sending.most, sending.sent) == (1, len(expected))
    assert shards(out) == {}
    assert {name: objects.get_now(name) for name in expected} == expected
    for name in ("_manifest.json", "_card.md"):
        assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_a_store_that_fails_on_the_way(crawl: Crawl, tmp_path: Path) -> None:
    """What was sent is not made again, what was lost there since is; and the bytes are the same in the end."""
    export(crawl.works, tmp_path / "plain", OPTIONS)
    expected = shards(tmp_path / "plain")
    objects, out = Objects.in_memory(), tmp_path / "out"
    with Watched(objects, fails_at=4) as sending, pytest.raises(StorageFailed):
        export(crawl.works, out, OPTIONS, elsewhere=sending)
    assert sum(objects.get_now(name) is not None for name in expected) == 3
    with Watched(objects) as sending:
        export(crawl.works, out, OPTIONS, elsewhere=sending)
        sending.settle()
        assert sending.sent == len(expected) - 4
    here = shards(out)  # the one that could not be sent goes with the manifest
    assert len(here) == 1
    assert here | {name: objects.get_now(name) for name in expected if name not in here} == expected
    lost = next(name for name in sorted(expected) if name not in here and name.endswith("000001.tar"))
    objects.delete_now(lost)
    with Watched(objects) as sending:
        assert export(crawl.works, out, OPTIONS, elsewhere=sending).before is False
        sending.settle()
    assert objects.get_now(lost) == expected[lost]
