"""Reads the entries of a list - ids, or URLs with their identity - out of the lines of one file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from crawler.model import WorkId
from crawler.sites.urls import identity, usual
from crawler.sources.ids import Problem, parse_id, without_comment
from crawler.sources.lines import SourceError, read_rows, text_of
from crawler.sources.manifest import Named, read_manifest
from crawler.sources.settings import SourceSettings
from crawler.sources.urls import parse_key, parse_url

Entry = tuple[WorkId, str | None] | Named
"""An id, and for a list of URLs the URL it stands for; of a manifest, an image."""
Reader = Callable[[list[str]], Iterator[Entry | Problem]]
_WORD = re.compile(r"[^\W\d][\w -]{0,40}")


def read_entries(lines: Iterable[bytes], name: str, settings: SourceSettings) -> Iterator[tuple[int, Entry | Problem]]:
    """The entries of file `name` in reading order with their line numbers, repeats and malformed ones included.

    Raises SourceError for a column that the file does not have.
    """
    if settings.kind == "manifest":
        return read_manifest(lines)
    if is_table(name, settings):
        return _table(read_rows(lines, "\t" if PurePath(name).suffix.lower() == ".tsv" else ","), name, settings)
    return _plain_urls(lines) if settings.kind == "urls" else _plain_ids(lines)


def is_table(name: str, settings: SourceSettings) -> bool:
    """Whether a file is read as csv: by its ending, by a column that is asked for, or because it lists pairs."""
    if settings.kind == "manifest":
        return False
    named = settings.column.strip() or (settings.kind == "urls" and settings.key_column.strip())
    return bool(named) or settings.kind == "pairs" or PurePath(name).suffix.lower() in (".csv", ".tsv")


def _plain_ids(lines: Iterable[bytes]) -> Iterator[tuple[int, Entry | Problem]]:
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        # Nearly every line of a long list is a bare number; 15 digits are always below 2^53.
        if line.isdigit() and len(line) < 16 and (id := int(line)):
            yield number, (id, None)
            continue
        text = _content(raw)
        if isinstance(text, Problem):
            yield number, text
        elif text:
            found = parse_id(text)
            yield number, found if isinstance(found, Problem) else (found, None)


def _plain_urls(lines: Iterable[bytes]) -> Iterator[tuple[int, Entry | Problem]]:
    for number, raw in enumerate(lines, 1):
        if (entry := usual(raw)) is not None:
            yield number, entry
            continue
        text = _content(raw)
        if isinstance(text, Problem):
            yield number, text
        elif text:
            found = parse_url(text)
            yield number, found if isinstance(found, Problem) else (identity(found), found)


def _content(raw: bytes) -> str | Problem:
    text = text_of(raw)
    return text if isinstance(text, Problem) else without_comment(text)


def _table(
    rows: Iterator[tuple[int, list[str] | Problem]], name: str, settings: SourceSettings
) -> Iterator[tuple[int, Entry | Problem]]:
    reader: Reader | None = None
    for number, row in rows:
        if isinstance(row, Problem):
            yield number, row
            continue
        if reader is None:
            column, key, named = _columns(row, f"{name}:{number}", settings)
            reader = _reader(settings, column, key)
            if named or _is_header(row if column is None else row[column : column + 1]):
                continue
        for entry in reader(row):
            yield number, entry


def _columns(row: list[str], place: str, settings: SourceSettings) -> tuple[int | None, int | None, bool]:
    """The number of the column, of the key column, and whether the first row must be a header as it names them.

    None for the column: every column of a pair list.
    """
    names = [cell.strip().lstrip("\ufeff") for cell in row]

    def find(wanted: str, setting: str) -> int:
        wanted = wanted.strip()
        if wanted.isascii() and wanted.isdigit():
            return int(wanted[:6])
        if wanted in names:
            return names.index(wanted)
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the first row has {', '.join(map(repr, names[:10]))}"
        raise SourceError(f"{place}: source.{setting}: there is no column {wanted!r}; {hint}")

    column = find(settings.column, "column") if settings.column.strip() else None if settings.kind == "pairs" else 0
    has_key = settings.kind == "urls" and settings.key_column.strip()
    key = find(settings.key_column, "key_column") if has_key else None
    wanted = [settings.column.strip()] + ([settings.key_column.strip()] if has_key else [])
    return column, key, any(w and not (w.isascii() and w.isdigit()) for w in wanted)


def _is_header(cells: list[str]) -> bool:
    """Whether the cells of a first row are words such as `id` or `url`, not entries gone wrong."""
    return bool(cells) and all(_WORD.fullmatch(cell.strip().lstrip("\ufeff")) for cell in cells)


def _reader(settings: SourceSettings, column: int | None, key: int | None) -> Reader:
    """How a row becomes entries."""
    if settings.kind == "urls":
        return lambda row: _url_in(row, column or 0, key)
    if column is None:
        return _pair_in
    return lambda row: _id_in(row, column)


def _short(row: list[str], column: int) -> Problem:
    return Problem(f"no column {column}: the row has {len(row)}", ",".join(row)[:200])


def _id_in(row: list[str], column: int) -> Iterator[Entry | Problem]:
    if column >= len(row):
        yield _short(row, column)
        return
    found = parse_id(without_comment(row[column]))
    yield found if isinstance(found, Problem) else (found, None)


def _pair_in(row: list[str]) -> Iterator[Entry | Problem]:
    if len(row) < 2:
        yield Problem("a pair needs two columns", ",".join(row)[:200])
        return
    for column in range(len(row)):
        yield from _id_in(row, column)


def _url_in(row: list[str], column: int, key: int | None) -> Iterator[Entry | Problem]:
    if max(column, key or 0) >= len(row):
        yield _short(row, max(column, key or 0))
        return
    url = parse_url(without_comment(row[column]))
    name = identity(url) if key is None and isinstance(url, str) else parse_key(row[key or 0])
    if isinstance(url, Problem):
        yield url
    else:
        yield name if isinstance(name, Problem) else (name, url)
