"""Whole lines of a file that grows: the last few without reading the rest, then each as it is appended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiofiles
import aiofiles.os

from crawler.within import plain

_BLOCK = 1 << 16
_CHUNK = 1 << 20
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Piece:
    """A whole line: where it begins in the file, and its bytes without the newline."""

    offset: int
    raw: bytes


def last_lines(path: Path, n: int, wanted: Callable[[bytes], bool]) -> tuple[list[Piece], int]:
    """The last `n` lines that are `wanted`, oldest first, and the offset behind the file's last whole line.

    Reads backwards from the end in blocks and stops at the n-th. A line without its newline is not there yet.
    Raises OSError.
    """
    found: list[Piece] = []
    with open(path, "rb", buffering=0, opener=plain) as file:
        begin = file.seek(0, 2)
        after = -1
        rest = b""
        while begin > 0 and (after < 0 or len(found) < n):
            step = min(_BLOCK, begin)
            begin -= step
            file.seek(begin)
            rest = file.read(step) + rest
            if after < 0:
                whole = rest.rfind(b"\n") + 1
                if whole == 0:
                    continue
                rest, after = rest[:whole], begin + whole
            cut = rest.find(b"\n") + 1 if begin else 0
            at = begin + len(rest)
            for raw in reversed(rest[cut:].split(b"\n")[:-1]):
                at -= len(raw) + 1
                if len(found) < n and wanted(raw):
                    found.append(Piece(at, raw))
            rest = rest[:cut]
    return found[::-1], max(0, after)


async def follow(
    path: Path, at: int = 0, *, poll_s: float = POLL_S, idle: Callable[[], None] | None = None
) -> AsyncIterator[Piece]:
    """Each whole line from byte `at` on, for ever: waits for a file that is not there, for a line that is not whole.

    A file that was cut (a healed log) is followed from its new end, one that was replaced from its beginning. `idle` is
    called between looks. Ends only by cancellation or what `idle` raises. Raises OSError where it may not read.
    """
    seen: tuple[int, int] | None = None  # size and time of change when last read to the end
    inode: int | None = None
    while True:
        try:
            info = await aiofiles.os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            at, inode, seen = 0, None, None
        else:
            if inode is not None and info.st_ino != inode:
                at, seen = 0, None
            inode, now = info.st_ino, (info.st_size, info.st_mtime_ns)
            if now != seen:
                seen = now
                at = min(at, info.st_size)
                async for piece in _whole(path, at):
                    yield piece
                    at = piece.offset + len(piece.raw) + 1
        if idle is not None:
            idle()
        await asyncio.sleep(poll_s)


async def _whole(path: Path, at: int) -> AsyncIterator[Piece]:
    """The whole lines behind `at`; if `at` is no longer where a line begins, from the line that it is in."""
    try:
        async with aiofiles.open(path, "rb", opener=plain) as file:
            while at > 0:  # the byte before a line is a newline; else go back to the last one
                begin = max(0, at - _BLOCK)
                await file.seek(begin)
                cut = (await file.read(at - begin)).rfind(b"\n") + 1
                at = begin + cut
                if cut:
                    break
            await file.seek(at)
            rest = b""
            while chunk := await file.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for raw in lines:
                    yield Piece(at, raw)
                    at += len(raw) + 1
    except FileNotFoundError:
        return
