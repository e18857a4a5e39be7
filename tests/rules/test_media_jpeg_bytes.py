"""JPEG by numbers: what each marker, each length and each byte of a size means."""

import pytest
from media_kit import cut_everywhere, frame, goes_on, in_pieces, jpeg, said, segment, words

from crawler.rules.media import inspect
from crawler.rules.media_plain import plain

SCAN = segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x12\xff\x00\x34\xff\xd0\x56"
WHOLE = "image/jpeg jpg 258x772"
FRAME = frame(258, 772)
EMPTY = "broken: jpeg: no image data"
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
NOTHING = {0x00, 0xFF, 0x01, *range(0xD0, 0xD8)}
"""Data, fill bytes, and marks without a segment: whatever follows them is looked at."""


def test_the_size_is_in_the_frame() -> None:
    """Height comes before width, each of two bytes, the high one first; a frame may be of any number of components."""
    assert said(jpeg(FRAME, SCAN)) == WHOLE
    assert said(jpeg(frame(65535, 1), SCAN)) == "image/jpeg jpg 65535x1"
    assert said(jpeg(frame(1, 65535), SCAN)) == "image/jpeg jpg 1x65535"
    assert said(jpeg(segment(0xC2, b"\x08\0\2\0\3\0"), SCAN)) == "image/jpeg jpg 3x2"
    assert plain(jpeg(FRAME, SCAN)) is not None
    assert plain(jpeg(segment(0xC2, b"\x08\0\2\0\3\0"), SCAN)) is not None


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_no_side_is_zero(width: int, height: int) -> None:
    """An image without width, or without height, is none."""
    assert said(jpeg(frame(width, height), SCAN)) == f"broken: a jpeg of {width} x {height}"


@pytest.mark.parametrize("code", range(256))
def test_every_marker(code: int) -> None:
    """Thirteen markers are frames; some stand alone; starts, ends and scans mean themselves; most are passed over."""
    data = segment(code, b"\x08\0\2\0\3\0")
    found = said(jpeg(FRAME, data, SCAN))
    if code in FRAMES:
        assert found == "image/jpeg jpg 3x2"
    elif code in NOTHING or (code >= 0xC0 and code not in (0xD8, 0xD9)):
        assert found == WHOLE
    elif code == 0xD8:
        assert found == "broken: jpeg: an image starts inside the image"
    elif code == 0xD9:
        assert found == EMPTY
    else:
        assert found == f"broken: jpeg: marker {code:#x}"
    assert (plain(jpeg(FRAME, data, SCAN)) is not None) == (
        code >= 0xC0 and code not in {0xFF, 0xDC, 0xD8, 0xD9} | NOTHING
    )


@pytest.mark.parametrize("code", sorted({*range(0xC0, 0xFF)} - NOTHING - {0xD8, 0xD9}))
def test_every_segment_is_passed_by_its_length(code: int) -> None:
    """What stands in a segment is no marker: neither an end nor a start of an image in it is one."""
    inside = b"\x08\1\2\3\4\0" + b"\xff\xd9\xff\xd8" * 3
    size = "772x258" if code in FRAMES else "258x772"
    assert said(jpeg(FRAME, segment(code, inside), SCAN)) == f"image/jpeg jpg {size}"


@pytest.mark.parametrize("code", sorted({*range(0xC0, 0xFF)} - NOTHING - {0xD8, 0xD9}))
def test_the_least_length_of_every_segment(code: int) -> None:
    """A length counts its own two bytes; a frame has eight, a DNL four. A shorter one contradicts itself."""
    least = 8 if code in FRAMES else 4 if code == 0xDC else 2
    before = b"" if code == 0xDA else SCAN  # that a scan too short for one counts is not what is asked
    assert said(jpeg(FRAME, segment(code, b"\x08\0\2\0\3\0"[: least - 2]), before)).startswith("image/jpeg jpg ")
    for size in range(least):
        short = segment(code, b"\x08\0\2\0\3\0"[: max(size - 2, 0)], size)
        wrong = f"broken: jpeg: segment {code:#x} of {size} bytes"
        assert said(jpeg(FRAME, short, SCAN)) == said(jpeg(FRAME, SCAN)[:-2] + short[:4]) == wrong


def test_a_frame_and_a_scan_are_needed() -> None:
    """An end alone, a frame without a scan, a scan without a frame, and tables without either, are no image."""
    table = segment(0xDB, bytes(65))
    assert said(jpeg(FRAME)) == said(jpeg(SCAN)) == said(jpeg(table) + bytes(12)) == said(jpeg() + bytes(12)) == EMPTY
    assert said(jpeg(table, SCAN, FRAME)) == WHOLE


def test_every_beginning_goes_on() -> None:
    """Wherever a JPEG is cut, be it before the last byte of its end mark, it is cut."""
    cut_everywhere("jpeg", jpeg(segment(0xE0, b"\xff\xd9 JFIF"), FRAME, SCAN, segment(0xDC, b"\0\7"), b"\xff\xff"))


def test_a_segment_longer_than_the_body_is_cut() -> None:
    """A length that leads past the end is no contradiction: the rest may have been lost. One that leads to the end
    mark itself is none either."""
    data = jpeg(FRAME, SCAN, segment(0xE1, size=5))
    assert said(data) == goes_on("jpeg", data)
    assert said(data + b"\0") == goes_on("jpeg", data + b"\0")
    assert said(data + b"\0\xff\xd9") == said(jpeg(FRAME, SCAN, segment(0xE1, size=4))[:-2] + b"ab\xff\xd9") == WHOLE


def test_between_segments_anything_may_stand_but_a_marker() -> None:
    """Bytes that are no marker are passed over before, between and after segments; so are fill bytes FF."""
    for between in (b"\0", b"\xd9", b"\xff\x00", b"\xff\xff", b"\xff" * 7, b"\xff\xd7\x00\x10", b"garbage \xff\xd3"):
        assert said(jpeg(FRAME, between, SCAN, between)) == WHOLE, between
    assert said(jpeg(b"\xff\0\xd9", FRAME, SCAN)) == said(jpeg(b"\xff\xff", FRAME, SCAN)) == WHOLE


@pytest.mark.parametrize("size", [254, 255, 256, 257, 258, 300, 512, 65533])
@pytest.mark.parametrize("code", [0xC2, 0xDA, 0xDC, 0xDB, 0xE1, 0xFE])
def test_a_length_has_two_bytes(code: int, size: int) -> None:
    """The high one first; what it counts is full of ends, and none of them is one."""
    data = jpeg(FRAME, segment(code, b"\x08\0\2\0\3" + (b"\xff\xd9" * size)[: size - 5]), b"\xd9", SCAN)
    found = "image/jpeg jpg 3x2" if code == 0xC2 else WHOLE
    for cuts in ((), (40,), (len(data) - 1,), range(0, len(data), 7)):
        assert in_pieces(data, *cuts) == words(inspect(data)) == found
        assert in_pieces(data[:-1], *cuts) == words(inspect(data[:-1])) == goes_on("jpeg", data[:-1])


@pytest.mark.parametrize("code", sorted({*range(0xC0, 0xFF)} - NOTHING - {0xD8, 0xD9}))
def test_a_segment_is_passed_to_its_last_byte(code: int) -> None:
    """Its last byte and what stands behind it are no marker together; the first byte behind it may begin one."""
    ends = segment(code, b"\x08\0\2\0\3\xff")
    size = "3x2" if code in FRAMES else "258x772"
    for behind in (b"\xd9", b"\xd8", b"\x02"):
        assert said(jpeg(FRAME, ends, behind, SCAN)) == f"image/jpeg jpg {size}"
    assert said(jpeg(FRAME, ends, SCAN, b"\xff\x01", ends, b"\xff\x01")) == f"image/jpeg jpg {size}"


def test_a_restart_is_no_segment() -> None:
    """FF D0 to FF D7 have no length: what follows them may be the next marker."""
    for code in range(0xD0, 0xD8):
        assert said(jpeg(FRAME, bytes((0xFF, code)), SCAN)) == said(jpeg(bytes((0xFF, code)), FRAME, SCAN)) == WHOLE


@pytest.mark.parametrize(
    ("segments", "size"),
    [
        ((frame(300, 0), SCAN, segment(0xDC, b"\1\2")), "300x258"),
        ((frame(300, 0), SCAN, segment(0xDC, b"\0\2")), "300x2"),
        ((frame(300, 0), segment(0xE0, b"\7\7\7\7"), SCAN, segment(0xDC, b"\1\2")), "300x258"),
        ((frame(300, 9), SCAN, segment(0xDC, b"\1\2")), "300x9"),
        ((frame(300, 0), SCAN, segment(0xDC, b"\1\2"), segment(0xDC, b"\3\4")), "300x258"),
        ((frame(300, 0), SCAN, segment(0xDC, b"\1\2more")), "300x258"),
    ],
)
def test_a_height_that_the_scan_tells(segments: tuple[bytes, ...], size: str) -> None:
    """DNL tells the height where the frame says 0, and only there (T.81 B.2.5); other segments never do."""
    assert said(jpeg(*segments)) == f"image/jpeg jpg {size}"


def test_scans_follow_scans() -> None:
    """A progressive image has tables and scans in turn; a scan ends only where another marker begins."""
    table = segment(0xC4, b"\xff\xd9" * 9)
    assert said(jpeg(FRAME, table, SCAN, table, SCAN, SCAN, table)) == WHOLE
    assert plain(jpeg(FRAME, table, SCAN, table, SCAN, SCAN)) is not None


def test_a_scan_head_is_skipped_before_its_end_is_looked_for() -> None:
    """FF D9 inside the head of a scan, to its very last byte, is no end."""
    data = jpeg(FRAME, segment(0xDA, b"\1\1\0\0\xff\xd9"), b"12")
    assert said(data) == WHOLE
    assert said(data[:-2]) == goes_on("jpeg", data[:-2])
    data = jpeg(FRAME, segment(0xDA, b"\1\1\0\0\0\xff"), b"\xd9 data")
    assert said(data) == WHOLE
    assert said(data[:-2]) == goes_on("jpeg", data[:-2])
    assert said(jpeg(FRAME, segment(0xDA))) == WHOLE
    assert plain(jpeg(FRAME, segment(0xDA, b"abc"))) is not None, "a marker may stand right behind it"


def test_nothing_after_the_end_counts() -> None:
    """What comes after the end mark, in the same piece or a later one, changes nothing."""
    data = jpeg(FRAME, SCAN)
    for tail in (b"\xff", b"\xff\xd8", frame(1, 1), b"\xff\x02"):
        assert said(data + tail) == WHOLE
        assert in_pieces(data + tail, len(data), len(data) + 1) == WHOLE


def test_empty_pieces_change_nothing() -> None:
    """A piece without a byte, anywhere, twice, is as if it had not come."""
    data = jpeg(segment(0xE0, b"JFIF"), FRAME, SCAN)
    for cut in range(len(data) + 1):
        assert in_pieces(data, cut, cut, cut) == WHOLE
