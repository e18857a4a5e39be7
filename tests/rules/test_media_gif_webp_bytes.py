"""GIF and WebP by numbers: what each field of their heads means, and where they end."""

import struct

import pytest
from media_kit import cut_everywhere, goes_on, said

BLOCKS = b"\2ab\1\x3b\0"


def screen(width: int = 258, height: int = 772, flags: int = 0) -> bytes:
    """A GIF's head; with the flag 80 a palette follows it, as long as the three lowest bits say."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + palette(flags)


def palette(flags: int) -> bytes:
    return b"\x3b" * (3 * 2 ** ((flags & 7) + 1)) if flags & 0x80 else b""


def picture(width: int = 9, height: int = 8, flags: int = 0, blocks: bytes = BLOCKS) -> bytes:
    return b"\x2c" + struct.pack("<HHHHB", 0x3B3B, 0x2C2C, width, height, flags) + palette(flags) + b"\x08" + blocks


END = b"\x3b"
WHOLE = "image/gif gif 258x772"


def test_a_gif_is_as_large_as_its_screen() -> None:
    """Width before height, each of two bytes, the low one first; what a frame's are does not count."""
    assert said(screen() + picture() + END) == said(b"GIF87a" + screen()[6:] + picture() + END) == WHOLE
    assert said(screen(65535, 1) + picture() + END) == "image/gif gif 65535x1"
    assert said(screen(1, 65535) + picture() + END) == "image/gif gif 1x65535"


@pytest.mark.parametrize(
    ("wide", "high", "size"), [(0, 0, "2571x1029"), (0, 7, "2571x7"), (7, 0, "7x1029"), (7, 6, "7x6")]
)
def test_a_screen_of_no_size_takes_its_first_picture_for_one(wide: int, high: int, size: str) -> None:
    """What the screen does not say, the first picture does, and no later one."""
    for flags in (0, 0x81):
        first = picture(0x0A0B, 0x0405, flags)
        assert said(screen(wide, high) + first + picture(9, 9) + END) == f"image/gif gif {size}"


def test_a_gif_of_no_size_is_broken() -> None:
    """Neither the screen nor a picture says one of the sides."""
    assert said(screen(0, 0) + picture(0, 5) + END) == "broken: a gif of 0 x 5"
    assert said(screen(5, 0) + picture(5, 0) + END) == "broken: a gif of 5 x 0"


@pytest.mark.parametrize("flags", [0, 7, 0x7F, *range(0x80, 0x88), 0xFF])
def test_palettes_are_as_long_as_the_flags_say(flags: int) -> None:
    """With bit 80, three bytes for each of 2^(n+1) colours, of the screen as of a picture; else none."""
    for data in (screen(flags=flags) + picture() + END, screen() + picture(flags=flags) + END):
        assert said(data) == WHOLE
        assert said(data[:-1]) == goes_on("gif", data[:-1])


def test_a_gif_is_blocks() -> None:
    """Extensions of any label, zero bytes between blocks, and pictures, in any order; nothing else."""
    note = b"\x21\xfe" + b"\xff" + b"\x3b" * 255 + b"\1\x2c" + b"\0"
    assert said(screen() + note + b"\0\0" + picture() + b"\0" + note + picture() + note + END) == WHOLE
    assert said(screen() + b"\x21\x3b\0" + picture(blocks=b"\0") + END) == WHOLE
    assert said(screen() + note + END) == said(screen() + END) == "broken: gif: no image data"
    for mark in (0x01, 0x20, 0x22, 0x2B, 0x2D, 0x3A, 0x3C, 0xFF):
        assert said(screen() + picture() + bytes((mark,)) + END) == f"broken: gif: block {mark:#x}"


def test_every_beginning_of_a_gif_goes_on() -> None:
    """Wherever a GIF is cut, it is cut; what follows its end does not count."""
    data = screen(flags=0x80) + b"\x21\xf9\4\0\0\0\0\0" + picture(flags=0x81) + b"\0" + picture()
    cut_everywhere("gif", data)
    assert said(data) == goes_on("gif", data)
    assert said(data + END) == said(data + END + b"\xff") == WHOLE


def webp(kind: bytes, data: bytes, left: int = 0, lacks: int = 0) -> bytes:
    """A WebP whose first chunk begins with `data`, and as many bytes more; `lacks` of all that it says it has."""
    said = 12 + len(data) + left + lacks
    return b"RIFF" + struct.pack("<I", said) + b"WEBP" + kind + struct.pack("<I", len(data)) + data + bytes(left)


def lossy(width: int, height: int) -> bytes:
    return b"\1\2\3\x9d\x01\x2a" + struct.pack("<HH", width, height)


def lossless(bits: int) -> bytes:
    return b"\x2f" + struct.pack("<I", bits)


def extended(width: int, height: int) -> bytes:
    return b"\x10\xff\xff\xff" + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        (b"VP8 ", lossy(0x0102, 0x0304), "258x772"),
        (b"VP8 ", lossy(0x3FFF, 0x4001), "16383x1"),
        (b"VP8 ", lossy(0xC001, 0x3FFF), "1x16383"),
        (b"VP8 ", lossy(0x3FFE, 0x3FFD), "16382x16381"),
        (b"VP8L", lossless(0), "1x1"),
        (b"VP8L", lossless(0x3FFF), "16384x1"),
        (b"VP8L", lossless(0x3FFF << 14), "1x16384"),
        (b"VP8L", lossless(0xF0000000 | 0x0304 << 14 | 0x0102), "259x773"),
        (b"VP8X", extended(1, 1), "1x1"),
        (b"VP8X", extended(0x010203, 1), "66051x1"),
        (b"VP8X", extended(1, 0x010203), "1x66051"),
        (b"VP8X", extended(2**24, 2**24), "16777216x16777216"),
    ],
)
def test_the_size_of_a_webp(kind: bytes, data: bytes, size: str) -> None:
    """In 14 bits each where lossy; in 14 bits each, less one, without loss; in 24, less one, where extended."""
    assert said(webp(kind, data)) == said(webp(kind, data, 3)) == f"image/webp webp {size}"
    assert said(webp(kind, data) + b"more") == f"image/webp webp {size}"
    for left, lacks in ((0, 1), (1, 1), (9, 1), (9, 2**8), (9, 2**16), (9, 2**24)):
        short = webp(kind, data, left, lacks)
        assert said(short) == goes_on("webp", short)
    cut_everywhere("webp", webp(kind, data, 3))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_no_side_of_a_lossy_webp_is_zero(width: int, height: int) -> None:
    """The other two kinds cannot say so. The two bits above the 14 scale, and are no size."""
    assert said(webp(b"VP8 ", lossy(width, height))) == f"broken: a webp of {width} x {height}"
    assert said(webp(b"VP8 ", lossy(0xC000, 1))) == "broken: a webp of 0 x 1"


def test_signatures_inside_a_webp() -> None:
    """Each byte of the start code of a lossy one, and of the signature of one without loss."""
    for at in (3, 4, 5):
        hurt = bytearray(lossy(5, 5))
        hurt[at] ^= 1
        assert said(webp(b"VP8 ", bytes(hurt), 3)) == "broken: webp: lossy start code"
    for first in (0x2E, 0x30, 0x00):
        assert said(webp(b"VP8L", bytes((first,)) + lossless(5)[1:], 3)) == "broken: webp: lossless signature"
    assert said(webp(b"VP8X", b"\0" + extended(5, 6)[1:])) == "image/webp webp 5x6"


@pytest.mark.parametrize(("kind", "need"), [(b"VP8 ", 10), (b"VP8L", 5), (b"VP8X", 10)])
def test_a_webp_has_room_for_its_size(kind: bytes, need: int) -> None:
    """A file that says it ends before its own size does, contradicts itself; and there are three kinds."""
    for left in range(need):
        data = webp(kind, bytes(left)) + bytes(20)
        assert said(data) == f"broken: webp: first chunk {kind!r}, {left} bytes"
    assert said(webp(kind, bytes(need))) != f"broken: webp: first chunk {kind!r}, {need} bytes"
    assert said(webp(kind[:3] + b"x", bytes(need))) == f"broken: webp: first chunk {kind[:3] + b'x'!r}, {need} bytes"
    assert said(webp(kind, b"")[:4] + bytes(4) + webp(kind, b"")[8:]) == (
        f"broken: webp: first chunk {kind!r}, -12 bytes"
    )
