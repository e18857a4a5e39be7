"""Pairs of works as pairs of images: reads the list, looks both sides up in the log, and says what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.dataset.columns import Row, group_of, row_of, split_of
from crawler.dataset.index import Index
from crawler.dataset.lines import Item
from crawler.dataset.match import best
from crawler.dataset.matching import NOTHING, Notes, Sides, key_of
from crawler.model import WorkId
from crawler.sources.ids import Problem, parse_id, without_comment
from crawler.sources.lines import Tally, read_lines, read_rows

SIDES = ("colored", "sketch")
_PAGE = ("page", "key", "path", "sha256", "bytes", "mime", "width", "height", "quality")
_WORK = ("title", "kind", "created", "x_restrict", "ai_type", "page_count", "tags", "user_id", "user_name")


@dataclass(frozen=True, slots=True)
class PairList:
    """The different pairs of a list, in its order; what was wrong with lines of it; the digest of the file."""

    pairs: tuple[tuple[int, int], ...]
    problems: tuple[Problem, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair: its place in the list, what is known of it, and the images of its best pages where both are there."""

    number: int
    key: str
    split: str
    values: Mapping[str, Any]
    images: tuple[Row, Row] | None


def read_pairs(path: Path) -> PairList:
    """Read a csv of `colored,sketch` a line (tab-separated if it ends in .tsv). Raises SourceError, OSError."""
    tally = Tally()
    pairs: dict[tuple[int, int], None] = {}
    problems: list[Problem] = []
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open("rb") as file:
        for at, (line, row) in enumerate(read_rows(read_lines(file, str(path), tally), delimiter)):
            if isinstance(row, Problem):
                problems.append(Problem(row.why, row.text, str(path), line))
                continue
            ids = [parse_id(without_comment(cell)) for cell in row[:2]]
            left, right = (*ids, None, None)[:2]
            if isinstance(left, int) and isinstance(right, int):
                pairs[left, right] = None
            elif at or not all(cell.strip().isidentifier() for cell in row[:2]):  # else a header
                wrong = next((id for id in ids if isinstance(id, Problem)), None)
                why = "a pair needs two columns" if wrong is None else wrong.why
                problems.append(Problem(why, ",".join(row)[:200], str(path), line))
    return PairList(tuple(pairs), tuple(problems), tally.sha256.hexdigest())


class Pairs:
    """The pairs of a list as the log knows them. Only images that `where` holds for take part."""

    def __init__(
        self,
        index: Index,
        listed: PairList,
        splits: Sequence[tuple[str, float]],
        where: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self.notes: Notes | None = None
        """What the line matcher found; None where it was not asked."""
        self._index = index
        self._listed = listed
        self._splits = splits
        self._where = where
        self._groups = self._joined()

    def _joined(self) -> dict[str, str]:
        """Artists that some pair joins must share a part of the data set: a name for each such circle of artists."""
        parent: dict[str, str] = {}

        def root(group: str) -> str:
            while (above := parent.setdefault(group, group)) != group:
                parent[group] = parent[above]
                group = above
            return group

        for pair in self._listed.pairs:
            # The smallest name stands for all, whatever the order of the pairs.
            first, *rest = sorted({root(self._group(id)) for id in pair})
            for other in rest:
                parent[other] = first
        return {group: root(group) for group in list(parent)}

    def _group(self, id: WorkId) -> str:
        work = self._index.work(id)
        return group_of(id, 0 if work is None else work.user_id)

    def __iter__(self) -> Iterator[Pair]:
        for number, ids in enumerate(self._listed.pairs):
            yield self._pair(number, ids)

    def both(self) -> Iterator[tuple[int, Sides]]:
        """The numbers of the pairs that have pages on both sides, with those pages."""
        for number, ids in enumerate(self._listed.pairs):
            left, right = ([row for _, row in self._kept(self._index.of(id))] for id in ids)
            if left and right:
                yield number, (left, right)

    def _kept(self, items: Sequence[Item]) -> list[tuple[Item, Row]]:
        return [(item, row) for item in items if self._where((row := row_of(item, self._splits)).values)]

    def _pair(self, number: int, ids: tuple[int, int]) -> Pair:
        split = split_of(self._groups[self._group(ids[0])], self._splits)
        key = f"{ids[0]}_{ids[1]}"
        items = [self._index.of(id) for id in ids]
        kept = [self._kept(side) for side in items]
        sides = [self._side(ids[at], items[at], [row for _, row in kept[at]]) for at in (0, 1)]
        shape = best(*([item.stored for item, _ in side] for side in kept))
        missing = [name for name, side in zip(SIDES, kept, strict=True) if not side]
        values: dict[str, Any] = {
            "pair": number,
            "key": key,
            "split": split,
            "status": ("both", "one", "none")[len(missing)],
            "missing": missing,
            **dict(zip(SIDES, sides, strict=True)),
            "match": None,
            "doubt": None,
            "candidates": [],
        }
        if shape is None:
            return Pair(number, key, split, values, None)
        rows = [[row for _, row in side] for side in kept]
        both, counts = (rows[0], rows[1]), (len(rows[0]), len(rows[1]))
        lined = None if self.notes is None else self.notes.get(key_of(both), counts) or NOTHING
        if lined is not None and lined.found:
            found = [_candidate(one, rows) for one in lined.found]
            values["match"] = {**found[0], "by": "lines", "compared": lined.compared}
            values["candidates"] = found
        else:
            pages = {"colored_page": shape.colored_page, "sketch_page": shape.sketch_page, "score": shape.score}
            where = dict.fromkeys(("flip", "scale", "left", "top", "width", "height"))
            values["match"] = {**pages, **where, "by": shape.by, "compared": shape.candidates}
        values["doubt"] = not shape.sure if lined is None else lined.doubt
        names = ("colored_page", "sketch_page")
        left, right = (next(row for _, row in side if row.page == values["match"][name])
                       for side, name in zip(kept, names, strict=True))  # fmt: skip
        return Pair(number, key, split, values, (left, right))

    def _side(self, id: WorkId, items: Sequence[Item], rows: Sequence[Row]) -> dict[str, Any]:
        """What is known of one work. `state`: stored, filtered (by --where), or why it is not there."""
        state = "stored" if rows else "filtered" if items else self._index.absence(id)
        side: dict[str, Any] = {"id": id, "state": state, "complete": bool(items) and len(items) >= items[0].images}
        known: Mapping[str, Any] = rows[0].values if rows else dict[str, Any]()
        side |= {name: known.get(name) for name in _WORK}
        side["pages"] = [{name: row.values[name] for name in _PAGE} for row in rows]
        return side


def _candidate(one: Mapping[str, Any], rows: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """A pair of pages as the data set tells it."""
    told = {"colored_page": rows[0][int(one["colored"])].page, "sketch_page": rows[1][int(one["sketch"])].page}
    return told | {name: one[name] for name in ("score", "flip", "scale", "left", "top", "width", "height")}


def schema(pa: Any) -> Any:
    """The rows of pairs.jsonl as an arrow schema."""
    words = pa.list_(pa.string())
    page = pa.struct(
        [("page", pa.int32()), *((n, pa.string()) for n in ("key", "path", "sha256", "mime", "quality"))]
        + [(n, pa.int64()) for n in ("bytes", "width", "height")]
    )
    numbers = ("x_restrict", "ai_type", "page_count", "user_id")
    side = pa.struct(
        [("id", pa.int64()), ("state", pa.string()), ("complete", pa.bool_())]
        + [(n, words if n == "tags" else pa.int64() if n in numbers else pa.string()) for n in _WORK]
        + [("pages", pa.list_(page))]
    )
    pages = [("colored_page", pa.int32()), ("sketch_page", pa.int32()), ("score", pa.float64()), ("flip", pa.bool_())]
    pages += [(name, pa.float64()) for name in ("scale", "left", "top", "width", "height")]
    match = [*pages, ("by", pa.string()), ("compared", pa.int32())]
    row = [("pair", pa.int64()), ("key", pa.string()), ("split", pa.string()), ("status", pa.string())]
    row += [("missing", words), ("colored", side), ("sketch", side), ("match", pa.struct(match))]
    row += [("doubt", pa.bool_()), ("candidates", pa.list_(pa.struct(pages)))]
    return pa.schema(row)


def arrow_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row with pages as numbers: a ugoira's zip has none."""
    row = dict(values)
    for name in SIDES:
        side = dict(row[name])
        side["pages"] = [page | {"page": _number(page["page"])} for page in side["pages"]]
        row[name] = side
    if row["match"] is not None:
        names = ("colored_page", "sketch_page")
        row["match"] = row["match"] | {name: _number(row["match"][name]) for name in names}
    return row


def _number(page: object) -> int | None:
    return page if isinstance(page, int) else None


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
