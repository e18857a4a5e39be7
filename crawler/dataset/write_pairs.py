"""The format `pairs`: pairs.jsonl (and pairs.parquet), and both images of each pair side by side."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from crawler.dataset.bodies import Body, Left, Need
from crawler.dataset.columns import Row
from crawler.dataset.folders import Folder
from crawler.dataset.job import Job, Options, wanted
from crawler.dataset.matching import Desk, Notes, Sides, matched
from crawler.dataset.pairs import SIDES, Pair, Pairs, arrow_row, read_pairs, schema
from crawler.dataset.shards import Series
from crawler.dataset.stops import Refused, need
from crawler.dataset.webdataset import TarShard, sample

GROUP_ROWS = 1024


class Writer:
    """Raises Refused without a list of pairs, and, for the table as parquet, without pyarrow."""

    def __init__(self, options: Options) -> None:
        if options.pairs is None:
            raise Refused("crawler export --to pairs: which works are pairs? --pairs FILE names the csv")
        if options.match == "lines":
            try:
                need("numpy")
            except Refused as refused:
                raise Refused(f"{refused}; or --match shape, which looks at no picture") from None
        self._arrow: Any = need("pyarrow") if options.table else None
        self._parquet: Any = need("pyarrow.parquet") if options.table else None
        try:
            self.listed = read_pairs(options.pairs)
        except OSError as error:
            raise Refused(f"--pairs {options.pairs}: {error.strerror or error}") from None
        if not self.listed.pairs:
            first = f"; the first line that is none: {self.listed.problems[0]}" if self.listed.problems else ""
            raise Refused(f"--pairs {options.pairs}: holds no pair{first}")

    def __call__(self, job: Job) -> None:
        pairs = Pairs(job.index, self.listed, job.options.splits, job.where)
        if job.options.match == "lines":
            self._match(job, pairs)
        if job.options.layout != "none":
            self._images(job, pairs)
        counts: Counter[str] = Counter()
        doubt = 0
        table = job.manifest.file("pairs.jsonl")
        for pair in pairs:
            counts[pair.values["status"]] += 1
            doubt += bool(pair.values["doubt"])
            table.write(orjson.dumps(dict(pair.values)) + b"\n")
        sums = {"pairs.jsonl": table.publish(job.manifest.out / "pairs.jsonl")}
        if self._arrow is not None:
            sums["pairs.parquet"] = self._as_parquet(job, pairs)
        job.manifest.data["files"] = {
            name: {"rows": counts.total(), "bytes": (job.manifest.out / name).stat().st_size, "sha256": sha256}
            for name, sha256 in sums.items()
        }
        job.manifest.data["status"] = {name: counts[name] for name in ("both", "one", "none")}
        job.manifest.data["doubt"] = doubt
        job.manifest.data["malformed_lines"] = len(self.listed.problems)

    def _match(self, job: Job, pairs: Pairs) -> None:
        """Match the pages of all pairs, to be looked up in the notes of what was found."""
        desk = Desk(job.directory, job.manifest.scratch / "matches.jsonl", job.options.jobs)
        sizes: deque[tuple[int, int]] = deque()

        def both() -> Iterator[tuple[int, Sides]]:
            for number, sides in pairs.both():
                rows = [*sides[0], *sides[1]]
                sizes.append((len(rows), sum(row.values["bytes"] for row in rows)))
                yield number, sides

        lost = images = size = 0
        for _, result in matched(desk, both()):
            lost += result.lost
            more = sizes.popleft()
            images, size = images + more[0], size + more[1]
            if job.progress is not None:
                job.progress(images, size, "matched")
        job.manifest.data["unmatched"] = lost
        pairs.notes = job.stack.enter_context(Notes(desk.notes))

    def _as_parquet(self, job: Job, pairs: Pairs) -> str:
        from crawler.dataset.parquet import Sink

        shape = schema(self._arrow)
        file = job.manifest.file("pairs.parquet")
        sink = self._arrow.PythonFile(Sink(file), mode="w")
        with self._parquet.ParquetWriter(sink, shape, compression="zstd") as writer:
            rows: list[dict[str, Any]] = []
            for pair in pairs:
                rows.append(arrow_row(pair.values))
                if len(rows) == GROUP_ROWS:
                    writer.write_batch(self._arrow.RecordBatch.from_pylist(rows, schema=shape))
                    rows = []
            if rows:
                writer.write_batch(self._arrow.RecordBatch.from_pylist(rows, schema=shape))
        return file.publish(job.manifest.out / "pairs.parquet")

    def _images(self, job: Job, pairs: Pairs) -> None:
        options = job.options
        make = _Tars if options.layout == "shards" else _Folders
        parts: dict[str, _Part] = {name: make(job, name) for name, _ in options.splits}

        def both() -> Iterator[tuple[Pair, tuple[Row, Row]]]:
            for pair in pairs:
                if pair.images is not None and not parts[pair.split].finished(pair):
                    yield pair, pair.images

        kind: Need = "bytes" if options.layout == "shards" or options.resize is not None else "check"
        jobs = ((pair, tuple(map(wanted, rows))) for pair, rows in both())
        try:
            for pair, got in job.bodies(kind).load(jobs):
                assert pair.images is not None
                lost = next((g.why for g in got if isinstance(g, Left)), None)
                if lost is not None:
                    parts[pair.split].leave(pair, lost)
                else:
                    bodies = [g for g in got if isinstance(g, Body)]
                    parts[pair.split].add(pair, list(zip(SIDES, pair.images, bodies, strict=True)))
                job.tell(sum(row.values["bytes"] for row in pair.images))
            for part in parts.values():
                job.left += part.end()
        finally:
            for part in parts.values():
                part.drop()


Halves = list[tuple[str, Row, Body]]


class _Part(Protocol):
    """One split of the pairs' images."""

    def finished(self, pair: Pair) -> bool: ...
    def add(self, pair: Pair, sides: Halves) -> None: ...
    def leave(self, pair: Pair, why: str) -> None: ...
    def end(self) -> Counter[str]: ...
    def drop(self) -> None: ...


class _Tars:
    """Tars of `<key>.colored.<ext>`, `<key>.sketch.<ext>` and `<key>.json`."""

    def __init__(self, job: Job, split: str) -> None:
        self._series = Series(job.manifest, split, "tar", job.options.shard_bytes, TarShard)
        self._resize = job.options.resize

    def finished(self, pair: Pair) -> bool:
        return self._series.finished((pair.number, 0))

    def add(self, pair: Pair, sides: Halves) -> None:
        members = [
            (f"{side}.{row.ext if self._resize is None else self._resize.ext}", body.data or b"")
            for side, row, body in sides
        ]
        self._series.add((pair.number, 0), sample(pair.key, members, pair.values), images=2)

    def leave(self, pair: Pair, why: str) -> None:
        self._series.leave((pair.number, 0), why)

    def end(self) -> Counter[str]:
        return self._series.end()

    def drop(self) -> None:
        self._series.drop()


class _Folders:
    """`<split>/colored/<key>.<ext>` and `<split>/sketch/<key>.<ext>`, the same name on both sides."""

    def __init__(self, job: Job, split: str) -> None:
        self._folder = Folder(job.manifest, job.disk, split, source=job.directory, copy=job.options.copy)
        self._resize = job.options.resize

    def finished(self, pair: Pair) -> bool:
        return self._folder.finished

    def add(self, pair: Pair, sides: Halves) -> None:
        names: dict[str, str] = {}
        for side, row, body in sides:
            name = f"{side}/{pair.key}.{row.ext if self._resize is None else self._resize.ext}"
            names[f"{side}_file_name"] = name
            self._folder.put(name, row.values["path"], body)
        self._folder.row(names | dict(pair.values))

    def leave(self, pair: Pair, why: str) -> None:
        self._folder.leave(why)

    def end(self) -> Counter[str]:
        return self._folder.end()

    def drop(self) -> None:
        self._folder.drop()
