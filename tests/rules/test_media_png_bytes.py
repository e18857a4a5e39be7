"""PNG by numbers: which chunk stands where, which checksum counts, and where the end is."""

import pytest
from media_kit import IDAT, IEND, chunk, cut_everywhere, goes_on, header, in_pieces, png, said

from crawler.rules.media_plain import plain

WHOLE = "image/png png 3x5"
NO_CHUNK = "broken: png: no chunk where one should be"
NO_HEADER = "broken: png: the header is not where it should be"
NO_DATA = "broken: png: no image data"


def wrong(kind: str) -> str:
    return f"broken: png: checksum of {kind}"


def test_the_size_is_in_the_header() -> None:
    """Width comes before height, each of four bytes, the high one first."""
    assert said(png(header(), IDAT, IEND)) == WHOLE
    assert said(png(header(0x01020304, 1), IDAT, IEND)) == "image/png png 16909060x1"
    assert said(png(header(1, 0x01020304), IDAT, IEND)) == "image/png png 1x16909060"
    assert plain(png(header(), IDAT, IEND)) is not None


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_no_side_is_zero(width: int, height: int) -> None:
    """An image without width, or without height, is none, even if its end is there."""
    assert said(png(header(width, height), IDAT, IEND)) == f"broken: a png of {width} x {height}"


def test_every_beginning_goes_on() -> None:
    """Wherever a PNG is cut, be it inside the checksum of its end, it is cut."""
    cut_everywhere("png", png(header(), chunk(b"tEXt", b"a\0b"), IDAT, IDAT, chunk(b"IDAT"), IEND))


def test_the_header_is_first_and_of_13_bytes() -> None:
    """Another chunk before the header, or a header of another size, is BROKEN, as soon as 16 bytes say so."""
    for size in (0, 12, 14, 2**31 - 1):
        data = png(chunk(b"IHDR", header()[8:21], size=size), IDAT, IEND)
        assert said(data) == said(data[:16]) == NO_HEADER
        assert said(data[:15]) == goes_on("png", data[:15])
    for kind in (b"IDAT", b"CgBI", b"IHDr", b"iHDR"):
        assert said(png(chunk(kind, header()[8:21]), header(), IDAT, IEND)) == NO_HEADER
        assert said(png(chunk(kind, header()[8:21]))[:16]) == NO_HEADER


def test_the_first_chunk_is_one() -> None:
    """A kind that is not four letters, or a size of 2^31 and more, is no chunk, in the first place as in any other."""
    for size in (2**31, 2**31 + 13, 2**32 - 1):
        data = png(chunk(b"IHDR", header()[8:21], size=size), IDAT, IEND)
        assert said(data) == said(data[:16]) == NO_CHUNK
    for kind in (b"IHD1", b"1HDR", b"IH\0R", b"I DR", b"\xc9HDR"):
        data = png(chunk(kind, header()[8:21]), IDAT, IEND)
        assert said(data) == said(data[:16]) == NO_CHUNK


@pytest.mark.parametrize("before", [b"", IDAT, chunk(b"tEXt")], ids=["header", "data", "text"])
def test_no_chunk_where_one_should_be(before: bytes) -> None:
    """After any chunk: four letters and a size below 2^31, or the file contradicts itself."""
    for kind in (b"ID1T", b"IDA\0", b"    ", b"IDA[", b"\xff\xd9\xff\xd8"):
        assert said(png(header(), before, chunk(kind, b"x"), IDAT, IEND)) == NO_CHUNK
    for kind in (b"IDAT", b"tEXt", b"IEND", b"IHDR"):
        for size in (2**31, 2**32 - 1):
            assert said(png(header(), before, chunk(kind, size=size), IDAT, IEND)) == NO_CHUNK
    for kind in (b"IDAT", b"tEXt", b"IEND"):
        data = png(header(), before, chunk(kind, b"x", size=2**31 - 1), IDAT, IEND)
        assert said(data) == goes_on("png", data)
    for kind in (b"AZaz", b"zaZA"):
        assert said(png(header(), before, chunk(kind, b"x"), IDAT, IEND)) == WHOLE


@pytest.mark.parametrize("before", [b"", IDAT, chunk(b"tEXt")], ids=["header", "data", "text"])
def test_there_is_one_header(before: bytes) -> None:
    """A header inside the image, whole or cut, is what two replies look like that were put together."""
    assert said(png(header(), before, header(), IDAT, IEND)) == NO_HEADER
    assert said(png(header(), before, png(header(), IDAT, IEND))) == NO_CHUNK


@pytest.mark.parametrize("bit", [1, 1 << 7, 1 << 8, 1 << 16, 1 << 24, 1 << 31])
def test_checksums_of_what_is_needed(bit: int) -> None:
    """A bit of a checksum that is wrong, of the header, of image data in any place, of the end: BROKEN."""
    hurt = chunk(b"IDAT", b"pixels", wrong=bit)
    assert said(png(header(wrong=bit), IDAT, IEND)) == wrong("IHDR")
    assert said(png(header(), hurt, IEND)) == said(png(header(), hurt, IDAT, IEND)) == wrong("IDAT")
    assert said(png(header(), IDAT, hurt, IDAT, IEND)) == said(png(header(), IDAT, IDAT, hurt, IEND)) == wrong("IDAT")
    assert said(png(header(), chunk(b"IDAT", wrong=bit), IDAT, IEND)) == wrong("IDAT")
    assert said(png(header(), IDAT, chunk(b"IEND", wrong=bit))) == wrong("IEND")
    assert said(png(header(0, 0, wrong=bit), IDAT, IEND)) == wrong("IHDR")


def test_a_checksum_is_of_all_the_data_and_the_kind() -> None:
    """Every byte of a chunk's kind and data is in its checksum, the last of the header included."""
    whole = png(header(), IDAT, IEND)
    for at in range(len(whole)):
        hurt = bytearray(whole)
        hurt[at] ^= 1
        found = said(bytes(hurt))
        assert found.startswith(("broken", "truncated", "not_an_image")), at
        if 16 <= at < 33:
            assert found == wrong("IHDR"), at
        elif 41 <= at < 51:
            assert found == wrong("IDAT"), at
        elif at >= 59:
            assert found == wrong("IEND"), at


def test_whose_checksum_counts() -> None:
    """A kind whose first letter is small is of no need: its checksum may be wrong. Only the first letter says so."""
    for kind in (b"tEXt", b"aAAA", b"aaaa", b"zTXT"):
        assert said(png(header(), chunk(kind, b"x", wrong=1), IDAT, IEND)) == WHOLE
        assert said(png(header(), IDAT, chunk(kind, b"x", wrong=1), IDAT, IEND)) == WHOLE
    for kind in (b"PLTE", b"Aaaa", b"ZaZa"):
        assert said(png(header(), chunk(kind, b"x", wrong=1), IDAT, IEND)) == wrong(kind.decode())
        assert said(png(header(), IDAT, chunk(kind, wrong=1), IEND)) == wrong(kind.decode())


def test_a_wrong_checksum_is_said_before_what_follows_it() -> None:
    """Of two contradictions the first one is named."""
    assert said(png(header(), chunk(b"PLTE", b"x", wrong=1), chunk(b"1234"), IEND)) == wrong("PLTE")
    assert said(png(header(), chunk(b"IDAT", b"x", wrong=1), header(), IEND)) == wrong("IDAT")
    assert said(png(header(wrong=1), chunk(b"1234"), IEND)) == wrong("IHDR")
    assert said(png(header(), chunk(b"1234"), header(), IEND)) == NO_CHUNK


def test_image_data_is_needed() -> None:
    """No IDAT, no image; a chunk that only looks like one, is none; one without a byte is one."""
    assert said(png(header(), IEND)) == said(png(header(), chunk(b"IDAt"), chunk(b"fdAT", IDAT), IEND)) == NO_DATA
    assert said(png(header(), IEND, IDAT)) == said(png(header(0, 0), IEND)) == NO_DATA
    assert said(png(header(), chunk(b"IDAT"), IEND)) == WHOLE
    assert plain(png(header(), IEND)) is None
    assert said(png(header(), IDAT, chunk(b"tEXt", b"x"), IEND)) == WHOLE


def test_the_end_may_hold_data() -> None:
    """An end that says it has data ends behind that."""
    for held in (b"x", b"more"):
        data = png(header(), IDAT, chunk(b"IEND", held))
        assert said(data) == WHOLE
        assert said(data[:-1]) == goes_on("png", data[:-1])


def test_an_end_inside_a_chunk_is_none() -> None:
    """An end in the data of another chunk ends nothing; what lacks but a byte of it is cut."""
    data = png(header(), chunk(b"tEXt", IEND), chunk(b"IDAT", IEND + IDAT), IEND)
    assert said(data) == WHOLE
    for cut in range(20, len(data)):
        assert in_pieces(data[:cut]) == goes_on("png", data[:cut])


def test_runs_of_image_data() -> None:
    """Chunks of image data, of none, one and many bytes, in a row, and begun anew after others."""
    runs = [chunk(b"IDAT", b"x" * size) for size in (0, 1, 0, 0, 7, 255, 256, 1)]
    assert said(png(header(), *runs, IEND)) == said(png(header(), *runs, chunk(b"tEXt"), *runs, IEND)) == WHOLE
    assert said(png(header(), *runs, chunk(b"IDAT", b"x", wrong=1), *runs, IEND)) == wrong("IDAT")


def test_nothing_after_the_end_counts() -> None:
    """What comes after the end, in the same piece or a later one, changes nothing."""
    data = png(header(), IDAT, IEND)
    for tail in (b"\0", header(), IDAT, b"\xff" * 40):
        assert said(data + tail) == WHOLE
        assert in_pieces(data + tail, len(data), len(data) + 1) == WHOLE


def test_after_a_contradiction_nothing_counts() -> None:
    """A broken body stays what it was called first, however it goes on."""
    data = png(header(wrong=1), IDAT)
    for tail in (IEND, header(), IDAT * 3):
        assert in_pieces(data + tail, 45, len(data)) == wrong("IHDR")
    data = png(header(), IDAT, chunk(b"IEND", wrong=1))
    assert in_pieces(data + IEND, len(data) - 1, len(data), len(data) + 5) == wrong("IEND")


def test_empty_pieces_change_nothing() -> None:
    """A piece without a byte, anywhere, twice, is as if it had not come."""
    data = png(header(), chunk(b"tEXt", b"x"), IDAT, IDAT, IEND)
    for cut in range(len(data) + 1):
        assert in_pieces(data, cut, cut, cut) == WHOLE
