"""Takes works out of exports: shards that hold some of them are written anew, each whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

import orjson

from crawler.dataset import tar
from crawler.dataset.folders import METADATA
from crawler.dataset.manifest import NAME, SCRATCH, ShardFile
from crawler.dataset.parquet import Sink
from crawler.dataset.stops import Refused, need
from crawler.disk import Disk
from crawler.model import WorkId
from crawler.within import leads_out, no_link, no_links, plain, read

Keeps = Callable[[Mapping[str, Any]], bool]
_SIDES = ("colored", "sketch")


class Copies:
    """An export's folder. Raises Refused for one that is none, or is not finished."""

    def __init__(self, out: Path) -> None:
        try:
            self.data: dict[str, Any] = orjson.loads(read(out / NAME))
            whole = self.data["complete"] and isinstance(self.data["shards"], list)
        except FileNotFoundError:
            raise Refused(f"{out}: holds no export ({NAME} is missing)") from None
        except (ValueError, KeyError, TypeError):
            raise Refused(f"{out / NAME}: is not an export's manifest") from None
        if not whole:
            raise Refused(f"{out}: the export is not finished; export again, then purge")
        self._out = out
        self._disk = Disk()
        self._ids: Collection[Any] = ()

    def purge(self, ids: Collection[WorkId]) -> int:
        """Take these works out; how many samples and rows went. Blocking. Raises Refused, OSError."""
        try:
            return self._purge(ids)
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            tarfile.TarError,
        ) as error:  # an export can be anybody's
            raise Refused(
                f"{self._out}: its files are not what an export holds ({type(error).__name__}: {str(error)[:120]!r}); "
                "nothing half-written has a final name. Export again."
            ) from error

    def _purge(self, ids: Collection[WorkId]) -> int:
        self._ids = frozenset({*ids, *map(str, ids)})
        no_link(self._out / SCRATCH)
        self._disk.make_folder(self._out / SCRATCH)
        gone = 0
        for shard in self.data["shards"]:
            gone += self._shard(shard)
        for name, told in self.data.get("files", {}).items():
            gone += self._file(name, told)
        if "purged" in self.data:  # by this purge, or by one that was killed before it had summed up
            self._sum()
        self._save()
        shutil.rmtree(self._out / SCRATCH)
        return gone

    def _keeps(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is about none of the works."""
        sides = [row[side]["id"] for side in _SIDES if isinstance(row.get(side), dict)]
        return not any(id in self._ids for id in (sides or [row.get("id")]))

    def _shard(self, shard: dict[str, Any]) -> int:
        path = self._own(shard["name"])
        if "folder" in shard:
            return self._folder(path, shard)
        gone = self._counted(shard, "samples", self._renewed(path, shard))
        if gone:
            shard["images"] -= gone * (2 if self.data["to"] == "pairs" else 1)
            self._save()
        return gone

    def _counted(self, told: dict[str, Any], name: str, kept: int) -> int:
        """Tell how many are left of something; how many went, those of a purge that was killed among them."""
        gone = told[name] - kept
        told[name] = kept
        if gone:
            self.data["purged"] = self.data.get("purged", 0) + gone
        return gone

    def _own(self, name: object) -> Path:
        """The file or folder of the export that its manifest names: the manifest can be anybody's."""
        path = self._out / str(name)
        if "/" in str(name) or leads_out(str(name)) or path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise Refused(f"{self._out / NAME}: names what is not in its folder")
        return path

    def _file(self, name: str, told: dict[str, Any]) -> int:
        self._own(name)
        gone = self._counted(told, "rows", self._renewed(self._out / name, told))
        if name == "pairs.jsonl":
            counts: Counter[str] = Counter()
            doubt = 0
            with (self._out / name).open("rb") as lines:
                for row in map(orjson.loads, lines):
                    counts[row["status"]] += 1
                    doubt += bool(row.get("doubt"))
            self.data["status"] = {status: counts[status] for status in self.data["status"]}
            if "doubt" in self.data:
                self.data["doubt"] = doubt
        self._save()
        return gone

    def _renewed(self, path: Path, told: dict[str, Any]) -> int:
        """Write a file anew if it holds something that must go, and tell its size and digest; how much it holds."""
        rewrite = {".tar": self._tar, ".parquet": self._parquet, ".jsonl": self._lines}[path.suffix]
        renewing = self.data.setdefault("renewing", [])
        file = ShardFile(self._disk, self._out / SCRATCH / f"{path.name}.part")
        try:
            kept, dropped = rewrite(path, file)
            if dropped:
                if path.name not in renewing:
                    renewing.append(path.name)  # a kill behind this line is seen by the next purge
                self._save()
                told["sha256"], told["bytes"] = file.publish(path), file.size
                renewing.remove(path.name)
            elif path.name in renewing:
                told["sha256"], told["bytes"] = _digest(path), path.stat().st_size
                renewing.remove(path.name)
        finally:
            file.drop()
            self._disk.unlink(self._out / SCRATCH / f"{path.name}.part")
        return kept

    def _tar(self, path: Path, file: ShardFile) -> tuple[int, int]:
        """Copy the samples that stay; how many, and how many went. Members of a sample lie together, its .json last."""
        kept = dropped = 0
        waiting: list[tuple[str, bytes]] = []
        with tarfile.open(path) as old:
            for member in old:
                data = cast("Any", old.extractfile(member)).read()
                waiting.append((member.name, data))
                if not member.name.endswith(".json"):
                    continue
                if self._keeps(orjson.loads(data)):
                    kept += 1
                    for name, content in waiting:
                        for piece in (tar.header(name, len(content)), content, tar.padding(len(content))):
                            file.write(piece)
                else:
                    dropped += 1
                waiting = []
        file.write(tar.END)
        return kept, dropped

    def _parquet(self, path: Path, file: ShardFile) -> tuple[int, int]:
        pa, pq = need("pyarrow"), need("pyarrow.parquet")
        old = pq.ParquetFile(path)
        names = old.schema_arrow.names
        columns = ["id"] if "id" in names else [f"{side}.id" for side in _SIDES]
        kept = dropped = 0
        compression = {c: "none" if c == "image.bytes" else "zstd" for c in _leaves(old)}
        dictionary = [c for c in compression if c != "image.bytes"]
        sink = pa.PythonFile(Sink(file), mode="w")
        with pq.ParquetWriter(sink, old.schema_arrow, compression=compression, use_dictionary=dictionary) as writer:
            for number in range(old.num_row_groups):
                keep = [self._keeps(row) for row in old.read_row_group(number, columns=columns).to_pylist()]
                kept, dropped = kept + keep.count(True), dropped + keep.count(False)
                writer.write_table(old.read_row_group(number).filter(pa.array(keep, pa.bool_())))
        return kept, dropped

    def _lines(self, path: Path, file: ShardFile) -> tuple[int, int]:
        kept = dropped = 0
        with path.open("rb") as old:
            for line in old:
                if self._keeps(orjson.loads(line)):
                    kept += 1
                    file.write(line)
                else:
                    dropped += 1
        return kept, dropped

    def _folder(self, folder: Path, shard: dict[str, Any]) -> int:
        """Images first, then the lines that name them: so a kill leaves lines to find the rest by."""
        table, images, size = folder / METADATA, 0, 0
        kept, going = Counter[str](), set[str]()
        with open(table, "rb", opener=plain) as lines:
            for line in lines:
                row = orjson.loads(line)
                names = [str(row[key]) for key in row if key.endswith("file_name")]
                (kept if self._keeps(row) else going).update(names)
        for name, times in kept.items():
            no_links(folder, name)
            images, size = images + times, size + times * os.lstat(folder / name).st_size
        for name in going - {*kept, METADATA}:  # what a row that stays names stays: rows can be anybody's
            no_links(folder, name)
            self._disk.unlink(folder / name)
        told = {"sha256": shard["sha256"], "bytes": shard["table_bytes"]}
        gone = self._counted(shard, "samples", self._renewed(table, told))
        shard["sha256"], shard["table_bytes"] = told["sha256"], told["bytes"]
        shard["images"], shard["bytes"] = images, size
        self._save()
        return gone

    def _sum(self) -> None:
        shards, totals = self.data["shards"], self.data["totals"]
        for name in ("samples", "images", "bytes"):
            if shards:
                totals[name] = sum(shard[name] for shard in shards)
        if self.data["to"] == "manifest":
            totals["images"] = self.data["files"]["manifest.jsonl"]["rows"]
        for split in totals["splits"]:
            totals["splits"][split] = sum(shard["samples"] for shard in shards if shard["split"] == split)

    def _save(self) -> None:
        data = {key: value for key, value in self.data.items() if key != "renewing" or value}
        file = ShardFile(self._disk, self._out / SCRATCH / f"{NAME}.part")
        file.write(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
        file.publish(self._out / NAME)


def _leaves(file: Any) -> list[str]:
    return [file.schema.column(n).path for n in range(len(file.schema))]


def _digest(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
