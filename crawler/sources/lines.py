"""Reads lines and csv rows out of a file of any size, with bounded memory, keeping its digest."""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from crawler.sources.ids import Problem
from crawler.stop import Stop

CHUNK = 256 * 1024
LONG = 64 * 1024
"""A line of more bytes than this is malformed; it is cut to little more than this before anything looks at it."""


class SourceError(Stop):
    """The list of ids cannot be read: exit code 2, before any request."""

    code, reason = 2, "source"


class Tally:
    """What went by: bytes, and their SHA-256. `check` is called once a chunk and may raise."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.bytes = 0
        self.sha256 = hashlib.sha256()
        self.check = check

    def add(self, chunk: bytes) -> None:
        self.check()
        self.bytes += len(chunk)
        self.sha256.update(chunk)


def read_lines(file: BinaryIO, name: str, tally: Tally, limit: int | None = None) -> Iterator[bytes]:
    """The lines of a file without their LF; reads at most `limit` bytes. Raises SourceError if it is UTF-16.

    What a line has beyond LONG bytes may be missing, never so much that it looks shorter than LONG.
    """
    rest = b""
    while True:
        chunk = file.read(CHUNK if limit is None else min(CHUNK, limit - tally.bytes))
        if not chunk:
            break
        first = tally.bytes == 0
        tally.add(chunk)
        if first:
            chunk = _without_mark(chunk, name)
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[: LONG + 1]
        yield from lines
    if rest:
        yield rest


def _without_mark(start: bytes, name: str) -> bytes:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or start[1:2] == b"\0" or start[:1] == b"\0":
        raise SourceError(f"{name}: looks like UTF-16, which is not read here; save it as UTF-8")
    return start.removeprefix(codecs.BOM_UTF8)


def text_of(raw: bytes) -> str | Problem:
    """The text of a line without its CR, or why it has none."""
    if len(raw) > LONG:
        return Problem(f"a line of more than {LONG // 1024} KB", raw[:200].decode(errors="replace"))
    try:
        text = raw.decode().rstrip("\r")
    except UnicodeDecodeError:
        return Problem("not UTF-8", raw[:200].decode(errors="backslashreplace").strip())
    if "\r" in text:
        return Problem("a carriage return inside a line: end lines with LF or CRLF", text)
    return text


def read_rows(lines: Iterable[bytes], delimiter: str) -> Iterator[tuple[int, list[str] | Problem]]:
    """The rows of a csv with the number of the line each begins on; blank lines and `#` lines are left out.

    A quoted cell may span lines, up to LONG bytes. A quote that is never closed spoils its own line only.
    """
    waiting: list[tuple[int, str]] = []  # lines of a row whose quotes are still open
    size = 0
    for number, raw in enumerate(lines, 1):
        text = text_of(raw)
        if isinstance(text, Problem):
            yield from _apart(waiting, delimiter)
            waiting, size = [], 0
            yield number, text
            continue
        if not waiting and (not text.strip() or text.lstrip().startswith("#")):
            continue
        odd = text.count('"') % 2 == 1
        if not waiting and not odd:
            yield from _together([(number, text)], delimiter)
            continue
        waiting.append((number, text))
        size += len(text)
        if len(waiting) > 1 and odd:
            yield from _together(waiting, delimiter)
        elif size > LONG:
            yield from _apart(waiting, delimiter)
        else:
            continue
        waiting, size = [], 0
    yield from _apart(waiting, delimiter)


def _together(lines: list[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of lines that belong together: usually one, more if a quote in mid-cell was just a character."""
    if len(lines) == 1 and '"' not in lines[0][1]:
        yield lines[0][0], lines[0][1].split(delimiter)
        return
    reader = csv.reader([text + "\n" for _, text in lines], delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        first = 0
        for row in reader:
            rows.append((lines[first][0], row))
            first = reader.line_num
    except csv.Error:  # two stray quotes, far apart: what lies between is no cell
        yield from _apart(lines, delimiter)
    else:
        yield from rows


def _apart(lines: list[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each line as a row of its own: the quote that held them together was never closed."""
    for number, text in lines:
        if text.strip() and not text.lstrip().startswith("#"):
            yield from ((number, row) for row in csv.reader([text], delimiter=delimiter) if row)
