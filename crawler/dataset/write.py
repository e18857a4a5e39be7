"""The formats of single images: webdataset, parquet, imagefolder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from crawler.dataset.bodies import Body, Left, Need
from crawler.dataset.columns import COLUMNS, DERIVED, Row
from crawler.dataset.folders import Folder
from crawler.dataset.job import Job, Options, told, wanted
from crawler.dataset.manifest import ShardFile
from crawler.dataset.packing import Packed, Packs, Plan, processes
from crawler.dataset.parquet import ParquetShard, Table
from crawler.dataset.shards import Series, series
from crawler.dataset.webdataset import Member, PackedShard, TarShard, sample
from crawler.log.files import LOG
from crawler.store.mirror import images_of


def webdataset(job: Job) -> None:
    """Tars of the images' bytes and their columns."""
    options = job.options
    if options.resize is None and not images_of(job.directory):
        _packed(job)
        return
    parts = series(job.manifest, options.splits, "tar", options.shard_bytes, TarShard)

    def members(row: Row, body: Body) -> list[Member]:
        assert body.data is not None
        return sample(row.key, [(_ext(job, row), body.data)], told(row, body))

    _into_shards(job, parts, "bytes", members)


class Parquet:
    """Parquet files with a row an image. Raises Refused without pyarrow."""

    def __init__(self, options: Options) -> None:
        Table((), words=False, images=False)  # a package that is missing is told before anything is read
        self._images = options.images

    def __call__(self, job: Job) -> None:
        options = job.options
        columns = [*COLUMNS, *(DERIVED if options.resize is not None else ())]
        table = Table(columns, words=job.index.textual(), images=self._images)
        parts = series(
            job.manifest, options.splits, "parquet", options.shard_bytes, lambda file: ParquetShard(table, file)
        )
        self._write(job, parts)

    def _write(self, job: Job, parts: Mapping[str, Series]) -> None:
        need: Need = "bytes" if self._images else "check" if job.options.resize is not None else "presence"
        _into_shards(job, parts, need, lambda row, body: (told(row, body), body.data, f"{row.key}.{_ext(job, row)}"))


def imagefolder(job: Job) -> None:
    """A folder of images for each split, and a metadata.jsonl in it, as Hugging Face reads it."""
    options = job.options
    parts = {
        name: Folder(job.manifest, job.disk, name, source=job.directory, copy=options.copy)
        for name, _ in options.splits
    }

    def rows() -> Iterator[Row]:
        for row in job.rows():
            if parts[row.split].finished:
                continue
            if row.page == "zip":  # its reader would unpack it
                parts[row.split].leave("not_a_picture")
                continue
            yield row

    need: Need = "bytes" if options.resize is not None else "check"
    try:
        for row, (got,) in job.bodies(need).load((row, (wanted(row),)) for row in rows()):
            part = parts[row.split]
            if isinstance(got, Left):
                part.leave(got.why)
            else:
                folder = row.values["path"].split("/")[-2]
                name = f"images/{folder}/{row.key}.{_ext(job, row)}"
                part.put(name, row.values["path"], got)
                part.row({"file_name": name} | told(row, got))
            job.tell(row.values["bytes"])
        for part in parts.values():
            job.left += part.end()
    finally:
        for part in parts.values():
            part.drop()


def _packed(job: Job) -> None:
    """The same, of files on this machine as they are: made in processes, written here."""
    options, opened = job.options, dict[str, PackedShard]()

    def make(split: str, file: ShardFile) -> PackedShard:
        opened[split] = PackedShard(file)
        return opened[split]

    parts = {
        name: Series(job.manifest, name, "tar", options.shard_bytes, partial(make, name)) for name, _ in options.splits
    }
    done = {name: part.done for name, part in parts.items() if part.done is not None}
    plan = Plan(job.directory, job.directory / LOG, options.splits, options.where, done)
    packs = job.stack.enter_context(Packs(plan, processes(*job.index.sizes(), options.jobs)))
    try:
        for some, room in packs.load(job.index.refs()):
            for one in some:
                _place(job, parts[one.split], one, room)
            gone_through = [one.facts.bytes for one in some if one.facts is not None and one.why != "finished"]
            job.tell(sum(gone_through), len(gone_through))
            for shard in opened.values():
                shard.flush()
        for part in parts.values():
            job.left += part.end()
    finally:
        for part in parts.values():
            part.drop()


def _place(job: Job, part: Series, one: Packed, room: memoryview) -> None:
    if one.facts is None:
        job.left[one.why] += 1
        return
    job.contents.add(one.facts)
    if one.why == "finished":
        return
    if one.why:
        part.leave(one.place, one.why)
    else:
        part.add(one.place, (room, one.start, one.end))


def _into_shards(job: Job, parts: Mapping[str, Series], need: Need, made: Callable[[Row, Body], Any]) -> None:
    def rows() -> Iterator[Row]:
        return (row for row in job.rows() if not parts[row.split].finished((row.id, row.page)))

    try:
        for row, (got,) in job.bodies(need).load((row, (wanted(row),)) for row in rows()):
            place = (row.id, row.page)
            if isinstance(got, Left):
                parts[row.split].leave(place, got.why)
            else:
                parts[row.split].add(place, made(row, got))
            job.tell(row.values["bytes"])
        for part in parts.values():
            job.left += part.end()
    finally:
        for part in parts.values():
            part.drop()


def _ext(job: Job, row: Row) -> str:
    return row.ext if job.options.resize is None else job.options.resize.ext
