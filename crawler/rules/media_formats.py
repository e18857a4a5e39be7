"""The rarer image formats, each as its specification reads: where the size stands, and where the file ends.

Each walks from part to part by the lengths that the file itself gives, so that an end is an end by structure and never
by resemblance: the end mark of a thumbnail inside a JPEG's EXIF is not the JPEG's.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from itertools import pairwise

from crawler.model import Failure, Kind
from crawler.rules.media_usual import image
from crawler.rules.media_walk import Blocks, Skip, Step, Steps, Take, broken

_META_BYTES = 64 * 1024
"""How much of an AVIF's `meta` is held to find sizes in; they come early, and what may be large (ICC) seldom does."""


def gif() -> Steps:
    """GIF 87a and 89a, block by block to the trailer 3B. Zero bytes between blocks are passed over, as decoders do."""
    screen = yield Take(13)
    width, height = _le(screen[6:8]), _le(screen[8:10])
    if screen[10] & 0x80:
        yield Skip(3 << (screen[10] & 7) + 1)
    framed = False
    while True:
        mark = (yield Take(1))[0]
        if mark == 0x21:
            yield Take(1)
            yield Blocks()
        elif mark == 0x2C:
            frame = yield Take(9)
            width, height = width or _le(frame[4:6]), height or _le(frame[6:8])
            if frame[8] & 0x80:
                yield Skip(3 << (frame[8] & 7) + 1)
            yield Take(1)
            yield Blocks()
            framed = True
        elif mark == 0x3B:
            return image("gif", width, height) if framed else broken("gif: no image data")
        elif mark != 0:
            return broken(f"gif: block {mark:#x}")


def webp() -> Steps:
    """WebP: a RIFF file that tells its length; the size is in the first chunk."""
    head = yield Take(20)
    left = _le(head[4:8]) + 8 - 20
    kind = head[12:16]
    need = {b"VP8 ": 10, b"VP8L": 5, b"VP8X": 10}.get(kind, 0)
    if not need or left < need:
        return broken(f"webp: first chunk {kind!r}, {left} bytes")
    data = yield Take(need)
    if kind == b"VP8X":
        width, height = 1 + _le(data[4:7]), 1 + _le(data[7:10])
    elif kind == b"VP8L":
        bits = _le(data[1:5])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if data[0] != 0x2F:
            return broken("webp: lossless signature")
    else:
        width, height = _le(data[6:8]) & 0x3FFF, _le(data[8:10]) & 0x3FFF
        if data[3:6] != b"\x9d\x01\x2a":
            return broken("webp: lossy start code")
    if left > need:
        yield Skip(left - need)
    return image("webp", width, height)


def bmp() -> Steps:
    """BMP: length from the size that the header implies where pixels are not packed, else from the one it states."""
    head = yield Take(18)
    stated, start, form = _le(head[2:6]), _le(head[10:14]), _le(head[14:18])
    if form not in (12, 40, 52, 56, 64, 108, 124) or start < 14 + form:
        return Failure(Kind.NOT_AN_IMAGE, "begins like a bmp and is none")
    fields = yield Take(8 if form == 12 else 36)
    half = 2 if form == 12 else 4
    width, height = _le(fields[:half]), _le(fields[half : 2 * half])
    if height >= 2**31:
        height = 2**32 - height  # stored top down
    depth = _le(fields[2 * half + 2 : 2 * half + 4])
    packed = _le(fields[12:16]) not in (0, 3, 6)  # 0 where the oldest head ends before it
    end = stated if packed else start + (width * depth + 31) // 32 * 4 * height
    if end <= start:
        return broken("bmp: no image data")
    yield Skip(end - 18 - len(fields))
    return image("bmp", width, height)


def avif() -> Steps:
    """AVIF (ISO/IEC 14496-12 boxes): whole once its description and its media data are. Size: the largest `ispe`.

    A box that only says "up to the end of the file" is refused: nothing could tell such a file from its own beginning.
    """
    size, _ = yield from _box()
    if size < 8:
        return broken("avif: no ftyp")
    brands = yield Take(min(size, 1024))
    if not {b"avif", b"avis"} & {brands[a:b] for a, b in pairwise(range(0, len(brands) + 1, 4))}:
        return Failure(Kind.NOT_AN_IMAGE, f"an ISO media file of brand {brands[:4]!r}")
    if size > 1024:
        yield Skip(size - 1024)
    width = height = 0
    described = data = False
    while not (described and data):
        size, kind = yield from _box()
        if size < 0:
            return broken(f"avif: box {kind!r} without a length")
        if kind == b"meta" and size:
            meta = yield Take(min(size, _META_BYTES))
            width, height = max(_extents(meta), key=lambda wh: wh[0] * wh[1], default=(0, 0))
            described, size = True, size - len(meta)
        data = data or kind == b"mdat"
        if size:
            yield Skip(size)
    return image("avif", width, height)


def _box() -> Generator[Step, bytes, tuple[int, bytes]]:
    # The bytes that follow the box's head, and its kind.
    head = yield Take(8)
    size, used = int.from_bytes(head[:4], "big"), 8
    if size == 1:
        size, used = int.from_bytes((yield Take(8)), "big"), 16
    return size - used, head[4:]


def _extents(meta: bytes) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(meta[at + 8 : at + 12], "big"), int.from_bytes(meta[at + 12 : at + 16], "big"))
        for at in (m.start() for m in re.finditer(b"ispe", meta))
    ]


def _le(data: bytes) -> int:
    return int.from_bytes(data, "little")
