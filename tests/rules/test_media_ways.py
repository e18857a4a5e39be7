"""What comes whole is looked through in one go: whatever it is made of, that says what the readers of streams say."""

from hypothesis import given, settings
from hypothesis import strategies as st
from media_kit import IDAT, IEND, chunk, frame, header, jpeg, png, said, segment

SCAN = segment(0xDA, b"\1\1\0") + b"data\xff\0\xff\xd1"
SEGMENTS = [
    frame(3, 2),
    frame(0, 9, 0xC2),
    segment(0xC1, b"\x08\0\1\0\1", 7),
    segment(0xC0, size=0),
    SCAN,
    segment(0xDA),
    segment(0xDA, size=1),
    *(segment(code, b"\xff\xd9ab") for code in (0xC4, 0xDB, 0xE0, 0xE1, 0xFE)),
    *(segment(0xE2, size=size) for size in (0, 1, 2, 3, 9)),
    segment(0xDC, b"\0\7"),
    *(b"\xff" + bytes((code,)) for code in (0x00, 0x01, 0x02, 0xD0, 0xD7, 0xD8, 0xD9, 0xFF)),
    b"\xff",
    b"\0",
    b"\xd9",
]
CHUNKS = [
    header(),
    header(0, 1),
    header(wrong=1),
    IDAT,
    chunk(b"IDAT"),
    chunk(b"IDAT", b"xy", wrong=1),
    chunk(b"IDAT", b"xy", size=1),
    chunk(b"IDAT", b"xy", size=2**31),
    chunk(b"tEXt", b"a"),
    chunk(b"tEXt", b"a", wrong=2),
    chunk(b"PLTE", b"abc"),
    chunk(b"PL1E", b"abc"),
    IEND,
    chunk(b"IEND", b"x"),
    chunk(b"IEND", wrong=1),
    b"\0",
]


def parts(pool: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.sampled_from(pool), max_size=6)


@given(parts(SEGMENTS), st.booleans(), st.binary(max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_segments(found: list[bytes], good: bool, tail: bytes) -> None:
    """Of segments in any order, whole or not, after a good beginning or none, every way says the same."""
    said(jpeg(*([frame(5, 6), SCAN] if good else []), *found) + tail)


@given(parts(CHUNKS), st.booleans(), st.binary(max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_chunks(found: list[bytes], good: bool, tail: bytes) -> None:
    """Of chunks in any order, whole or not, after a good beginning or none, every way says the same."""
    said(png(*([header(), IDAT] if good else []), *found) + tail)


@given(st.sampled_from([jpeg(frame(5, 6), segment(0xE1, b"ab"), SCAN), png(header(), IDAT, IDAT, IEND)]), st.data())
@settings(deadline=None, max_examples=150)
def test_any_damage(whole: bytes, data: st.DataObject) -> None:
    """With some bytes another, lost, or twice there, every way says the same."""
    at = data.draw(st.integers(2, len(whole) - 1))
    size = data.draw(st.integers(0, 9))
    said(whole[:at] + data.draw(st.binary(max_size=9)) + whole[at + size :])
    said(whole[:at] + whole[max(0, at - size) :])
