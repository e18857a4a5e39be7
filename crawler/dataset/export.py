"""Exports a crawl's folder as a data set: options in, finished shards and a manifest out.

Rows come from the index in the order of ids, bodies are read ahead in that order, writers put them into shards. What
is finished is never written again; so a kill costs the shards that were open, and the bytes are the same in the end.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from crawler import __version__
from crawler.dataset.card import card
from crawler.dataset.columns import COLUMNS, DERIVED
from crawler.dataset.index import Index
from crawler.dataset.job import UNSOUND, Job, Options, Progress
from crawler.dataset.manifest import INDEX, Elsewhere, Manifest, total_left
from crawler.dataset.stops import Refused
from crawler.dataset.where import Where
from crawler.disk import Disk
from crawler.log.files import LOG
from crawler.stop import StorageFailed


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to: its manifest, and whether all of it had been there before."""

    manifest: Mapping[str, Any]
    before: bool = False

    @property
    def unsound(self) -> int:
        """Images left out because their file is not as the log says."""
        left = self.manifest["totals"]["left_out"]
        return sum(left.get(why, 0) for why in UNSOUND)


class Writer(Protocol):
    """How a format is written: everything, from the first row to the last shard. Left-outs of no shard go to `left`."""

    def __call__(self, job: Job) -> None: ...


def export(
    directory: Path,
    out: Path,
    options: Options,
    progress: Progress | None = None,
    elsewhere: Elsewhere | None = None,
) -> Exported:
    """Export the crawl in `directory` to the folder `out`; what an earlier, unfinished export left is gone on from.

    `elsewhere`: where finished shards go from there. Blocking. Raises Refused (nothing was written), LogDamaged,
    LogChanged, StorageFailed, OSError.
    """
    writer = _writer(options)
    log = directory / LOG
    log.stat()
    _check_place(directory, out)
    with ExitStack() as stack:
        where = Where(options.where)
        stack.callback(where.close)
        disk = Disk()
        try:
            disk.make_folder(out)
            stack.callback(os.close, _lock(out))
            index = stack.enter_context(Index(log, out / INDEX))
            asked = _asked(options, index)
            made_by = f"crawler {__version__}"
            manifest = Manifest(disk, out, asked, made_by=made_by, replace=options.replace, elsewhere=elsewhere)
            if manifest.complete:
                return Exported(manifest.data, before=True)
            job = Job(directory, options, index, manifest, disk, where, stack, progress=progress)
            writer(job)
            totals = _totals(job)
            manifest.place("_card.md", card(job, totals).encode())
            manifest.finish(totals)
            shutil.rmtree(manifest.scratch)
        except sqlite3.Error as error:
            raise StorageFailed(
                f"{out}: the index that sorts the images cannot be written: {error}. Nothing half-written has a final "
                "name. Make room, then run the same command again to go on."
            ) from error
        return Exported(manifest.data)


def _writer(options: Options) -> Writer:
    """The writer of a format; made first, so that a missing package is told before anything is read."""
    from crawler.dataset import recipe, write, write_pairs

    match options.to:
        case "webdataset":
            return write.webdataset
        case "parquet":
            return write.Parquet(options)
        case "imagefolder":
            return write.imagefolder
        case "pairs":
            return write_pairs.Writer(options)
        case "manifest":
            return recipe.write


def _check_place(directory: Path, out: Path) -> None:
    place, crawl = out.resolve(), directory.resolve()
    inside = place.relative_to(crawl).parts if place.is_relative_to(crawl) else None
    if inside is not None and (not inside or inside[0] in ("images", ".crawl")):
        raise Refused(f"--out {out}: lies in the crawl's own files; name a folder of its own")
    if out.exists() and not out.is_dir():
        raise Refused(f"--out {out}: is not a folder")


def _lock(out: Path) -> int:
    """Take the folder for this process. Raises Refused."""
    handle = os.open(out, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Refused(f"{out}: another export is writing to this folder; wait until it is done") from None
    return handle


def _asked(options: Options, index: Index) -> dict[str, Any]:
    """Everything that the bytes of an export depend on, as plain JSON."""
    columns = [*COLUMNS, *(DERIVED if options.resize is not None and options.to != "pairs" else ())]
    asked: dict[str, Any] = {
        "to": options.to,
        "log": index.digest(),
        "where": list(options.where),
        "splits": [[name, share] for name, share in options.splits],
        "resize": None if options.resize is None else asdict(options.resize),
        "shard_bytes": options.shard_bytes,
        "libraries": _libraries(options),
    }
    if options.to == "parquet":
        asked["images"] = options.images
    if options.to == "pairs":
        from crawler.dataset.pairs import digest

        assert options.pairs is not None
        asked |= {"pairs": digest(options.pairs), "layout": options.layout, "table": options.table}
        asked["match"] = options.match
    else:
        asked["columns"] = [asdict(column) for column in columns]
    return asked


def _libraries(options: Options) -> dict[str, str]:
    """Versions of what makes bytes that may differ from version to version."""
    from importlib.metadata import version

    names = ["pyarrow"] if options.to == "parquet" or options.table else []
    lines = options.to == "pairs" and options.match == "lines"
    names += ["numpy"] if lines else []
    names += ["Pillow"] if lines or options.resize is not None else []
    return {name: version(name) for name in names}


def _totals(job: Job) -> dict[str, Any]:
    shards = job.manifest.data["shards"]
    left = total_left(shards) + job.left
    splits = {name: [shard for shard in shards if shard["split"] == name] for name, _ in job.options.splits}
    return {
        "shards": len(shards),
        "samples": sum(shard["samples"] for shard in shards),
        "images": job.contents.images if job.options.to == "manifest" else sum(shard["images"] for shard in shards),
        "bytes": sum(shard["bytes"] for shard in shards),
        "splits": {name: sum(shard["samples"] for shard in some) for name, some in splits.items()},
        "left_out": dict(sorted(left.items())),
    }
