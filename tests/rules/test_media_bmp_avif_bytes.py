"""BMP and AVIF by numbers: what each field of a head means, and where the file ends by it."""

import struct

import pytest
from media_kit import box, cut_everywhere, goes_on, in_pieces, said

NO_BMP = "not_an_image: begins like a bmp and is none"
SIZES = (12, 40, 52, 56, 64, 108, 124)
"""Of the heads that there are."""


def bmp(
    width: int = 3,
    height: int = 2,
    *,
    form: int = 40,
    depth: int = 24,
    packed: int = 0,
    stated: int = 0,
    start: int | None = None,
    pixels: int = 24,
) -> bytes:
    """A BMP whose head has `form` bytes, and as many bytes of `pixels` after where it says that they start."""
    at = 14 + form if start is None else start
    if form == 12:
        fields = struct.pack("<HHHH", width, height, 1, depth)
    else:
        fields = struct.pack("<IIHHI", width, height, 1, depth, packed) + b"\xff" * 20
    head = b"BM" + struct.pack("<I4sII", stated, b"\xff" * 4, at, form) + fields
    return head.ljust(at, b"\xff")[: max(at, 18 + len(fields))] + b"\xff" * pixels


@pytest.mark.parametrize("form", SIZES)
def test_heads_of_a_bmp(form: int) -> None:
    """There are seven; each has its size in the same place, but the oldest, whose fields are half as long."""
    assert said(bmp(form=form)) == said(bmp(form=form) + b"x") == "image/bmp bmp 3x2"
    assert said(bmp(form=form)[:-1]) == goes_on("bmp", bmp(form=form)[:-1])
    assert said(bmp(0x0102, 1, form=form, depth=1, pixels=36)) == "image/bmp bmp 258x1"
    assert said(bmp(1, 0x0102, form=form, depth=1, pixels=4 * 258)) == "image/bmp bmp 1x258"
    assert said(bmp(1, 1, form=form, depth=0x0101, pixels=36)) == "image/bmp bmp 1x1"
    assert said(bmp(1, 1, form=form, depth=0x0101, pixels=35)) == goes_on("bmp", bytes(14 + form + 35))
    assert said(bmp(form=form, start=14 + form + 9)) == "image/bmp bmp 3x2"
    assert said(bmp(form=form, start=14 + form - 1)) == NO_BMP


@pytest.mark.parametrize(
    "form", sorted({0, 14, 16, *(size + by for size in SIZES for by in (-1, 1, 2**24)), 2**32 - 1})
)
def test_other_heads_are_of_no_bmp(form: int) -> None:
    """A text may begin with BM as well: what has none of the seven heads is no BMP, and none that is broken."""
    data = b"BM" + struct.pack("<IIII", 0, 0, 14 + min(form, 200), form) + b"\1\0" * 200
    assert said(data) == NO_BMP


@pytest.mark.parametrize(
    ("width", "depth", "row"),
    [(1, 1, 4), (32, 1, 4), (33, 1, 8), (1, 24, 4), (2, 24, 8), (3, 24, 12), (4, 24, 12), (1, 32, 4), (9, 4, 8)],
)
def test_rows_of_a_bmp_are_filled_up_to_four_bytes(width: int, depth: int, row: int) -> None:
    """The end is where the pixels' is, whatever length the head states."""
    for stated in (0, 10, 10**6):
        whole = bmp(width, 5, depth=depth, pixels=5 * row, stated=stated)
        assert said(whole) == f"image/bmp bmp {width}x5"
        assert said(whole[:-1]) == goes_on("bmp", whole[:-1])


def test_a_bmp_may_be_stored_top_down() -> None:
    """A height below zero is of the first row first; the oldest head has no such thing."""
    assert said(bmp(3, 2**32 - 2)) == "image/bmp bmp 3x2"
    assert said(bmp(3, 2**32 - 2)[:-1]) == goes_on("bmp", bmp(3, 2**32 - 2)[:-1])
    assert said(bmp(1, 2**32 - 300, depth=1, pixels=1200)) == "image/bmp bmp 1x300"
    for data in (bmp(1, 2**31 + 5), bmp(1, 2**31 - 5), bmp(1, 65535, form=12)):
        assert said(data) == goes_on("bmp", data)
    for height in (2**31, 2**31 + 1, 2**31 - 1):  # packed, so that the end is near
        size = 2**32 - height if height >= 2**31 else height
        assert said(bmp(1, height, packed=1, stated=55)) == f"image/bmp bmp 1x{size}"


@pytest.mark.parametrize("packed", [*range(10), 2**8, 2**16, 2**24])
def test_packed_pixels_end_where_the_head_states(packed: int) -> None:
    """Runs (1, 2), JPEG and PNG (4, 5) and what is unknown; 0, 3 and 6 are not packed, with or without masks."""
    whole = bmp(100, 100, packed=packed, stated=14 + 40 + 24)
    if packed in (0, 3, 6):
        assert said(whole) == goes_on("bmp", whole)
    else:
        assert said(whole) == "image/bmp bmp 100x100"
        assert said(whole[:-1]) == goes_on("bmp", whole[:-1])
    assert said(bmp(packed=packed, stated=14 + 40 + 24)) == "image/bmp bmp 3x2"
    cut_everywhere("bmp", bmp(2, 2, packed=packed, stated=14 + 40 + 16, pixels=16))


def test_where_it_ends_and_starts_has_four_bytes() -> None:
    """The low one first, of the stated length as of the place where the pixels start."""
    for start in (54 + 2**8, 54 + 2**16, 54 + 2**24):
        data = bmp()[:10] + struct.pack("<I", start) + bmp()[14:]
        assert said(data) == goes_on("bmp", data)
    whole = bmp(5, 5, packed=1, stated=0x0203, pixels=0x0203 - 54)
    assert said(whole) == "image/bmp bmp 5x5"
    for stated in (0x01000203, 0x00010203, 0x0204):
        data = bmp(5, 5, packed=1, stated=stated, pixels=0x0203 - 54)
        assert said(data) == goes_on("bmp", data)


def test_the_oldest_bmp_is_never_packed() -> None:
    """Its head ends before the field that would say so."""
    data = bmp(form=12, start=60, stated=27)
    assert said(data) == "image/bmp bmp 3x2"
    assert said(data[:-1]) == goes_on("bmp", data[:-1])


def test_a_bmp_without_pixels_is_broken() -> None:
    """No width, no height, no depth; or packed, and ending where the pixels start, or before."""
    for data in (bmp(0, 2), bmp(3, 0), bmp(3, 2, depth=0), *(bmp(packed=1, stated=end) for end in (0, 53, 54))):
        assert said(data) == "broken: bmp: no image data"
    assert said(bmp(0, 2, packed=1, stated=55)) == "broken: a bmp of 0 x 2"
    assert said(bmp(3, 0, packed=1, stated=55)) == "broken: a bmp of 3 x 0"
    assert said(bmp(packed=1, stated=55)) == said(bmp(packed=1, stated=55, pixels=1)) == "image/bmp bmp 3x2"


def ftyp(*brands: bytes, tail: bytes = b"", long: bool = False) -> bytes:
    first, *rest = brands or (b"avif",)
    return box(b"ftyp", first + b"\0\0\0\0" + b"".join(rest) + tail, long=long)


def sizes(*sides: tuple[int, int], fill: int = 0) -> bytes:
    """A `meta` with these extents in it, after so many bytes."""
    return box(b"meta", bytes(fill) + b"".join(box(b"ispe", struct.pack(">III", 2**32 - 1, *side)) for side in sides))


META, MDAT = sizes((258, 772)), box(b"mdat", b"pixels")
WHOLE = "image/avif avif 258x772"
NO_FTYP = "broken: avif: no ftyp"


def test_the_brands_of_an_avif() -> None:
    """`avif` or `avis`, the first or any later of the brands; others are no image that is taken."""
    many = [b"x%03d" % i for i in range(30)]
    for brands in ((b"avif",), (b"avis",), (b"mif1", b"avif"), (b"mif1", b"miaf", b"avis"), (b"mif1", *many, b"avif")):
        assert said(ftyp(*brands) + META + MDAT) == WHOLE
    for brands in (
        (b"mif1",),
        (b"heic", b"heix"),
        (b"mif1", b"avic", b"xavi", b"fxxx"),
        (b"mif1", *many, b"x", b"avif"),
    ):
        assert said(ftyp(*brands) + META + MDAT) == f"not_an_image: an ISO media file of brand {brands[0]!r}"
    assert said(ftyp(b"mif1", tail=b"avi") + META + MDAT) == "not_an_image: an ISO media file of brand b'mif1'"
    assert said(ftyp(b"avif", tail=b"x") + META + MDAT) == WHOLE


def test_only_so_many_brands_are_looked_at() -> None:
    """1,024 bytes of them; as many as that, and more, are passed over to the next box."""
    for count in (253, 254, 255, 300):
        brands = [b"x%03d" % i for i in range(count)]
        data = ftyp(b"avif", *brands) + META + MDAT
        assert in_pieces(data) == in_pieces(data, 20, 1047) == in_pieces(data, 1041) == WHOLE
        data = ftyp(b"avif", *brands, tail=b"x") + META + MDAT
        assert in_pieces(data) == in_pieces(data, 20, 1047) == in_pieces(data, 1041) == WHOLE
        found = in_pieces(ftyp(b"mif1", *brands, b"avif") + META + MDAT, 300)
        assert found == (WHOLE if count == 253 else "not_an_image: an ISO media file of brand b'mif1'")


def test_the_first_box_has_a_brand() -> None:
    """Its head alone, or less, or all up to the end of the file, is no ISO media file's."""
    for size in (0, 2, 7, 8, 9, 15):
        data = box(b"ftyp", b"avif\0\0\0\0" * 4, size=size) + META + MDAT
        assert said(data) == NO_FTYP
    assert said(box(b"ftyp", b"avifavif", size=16) + META + MDAT) == WHOLE
    assert said(ftyp(long=True) + META + MDAT) == WHOLE


def test_an_avif_is_whole_with_its_description_and_its_data() -> None:
    """In either order, with other boxes between; one of the two is not enough."""
    free = box(b"free", b"mdat") + box(b"free")
    whole = (META + MDAT, MDAT + META, free + META + free + MDAT, free + MDAT + free + META, META + box(b"mdat"))
    for data in (ftyp() + boxes for boxes in whole):
        assert said(data) == said(data + b"x") == WHOLE
    for data in (ftyp() + boxes for boxes in (META, MDAT, META + free, MDAT + free, META + META, MDAT + MDAT)):
        assert said(data) == goes_on("avif", data)
    for data in (ftyp() + META + free + MDAT, ftyp() + MDAT + META):
        cut_everywhere("avif", data)


def test_a_description_of_nothing_is_none() -> None:
    """A `meta` without a byte describes nothing, and another one may follow; one without sizes says 0 x 0."""
    data = ftyp() + box(b"meta") + MDAT
    assert said(data) == goes_on("avif", data)
    assert said(data + META) == WHOLE
    assert said(ftyp() + sizes(fill=9) + MDAT) == "broken: a avif of 0 x 0"


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        (((3, 5),), "3x5"),
        (((0x01020304, 0x05060708),), "16909060x84281096"),
        (((3, 5), (50, 40), (9, 9)), "50x40"),
        (((1000, 1), (50, 40)), "50x40"),
        (((1, 1000), (50, 40)), "50x40"),
        (((50, 40), (1, 1000)), "50x40"),
        (((1, 1), (2, 1)), "2x1"),
        (((0, 0), (1, 2)), "1x2"),
    ],
)
def test_an_avif_is_as_large_as_its_largest_part(sides: tuple[tuple[int, int], ...], size: str) -> None:
    """By area: thumbnails, alpha and tiles have sizes of their own. Width before height, the high byte first."""
    assert said(ftyp() + sizes(*sides) + MDAT) == f"image/avif avif {size}"


def test_sizes_late_in_a_long_description_are_not_seen() -> None:
    """64 KB of it are looked at, to the byte, and the rest is passed over."""
    seen, half, none = "image/avif avif 3x5", "broken: a avif of 3 x 0", "broken: a avif of 0 x 0"
    for fill, found in ((65516, seen), (65517, half), (65520, half), (65524, none), (65534, none), (70_000, none)):
        data = ftyp() + sizes((3, 5), fill=fill) + MDAT
        assert in_pieces(data) == in_pieces(data, 20, 65_000) == in_pieces(data, len(data) - 1) == found
        assert in_pieces(data[:-1]) == in_pieces(data[:-1], 40) == goes_on("avif", data[:-1])


@pytest.mark.parametrize("size", [0, 2, 7])
def test_a_box_without_a_length_is_refused(size: int) -> None:
    """Up to the end of the file (0), or shorter than its own head: nothing could tell the file from its beginning."""
    for kind in (b"mdat", b"free", b"meta"):
        data = ftyp() + META + box(kind, b"x" * 20, size=size)
        assert said(data) == f"broken: avif: box {kind!r} without a length"
    assert said(ftyp() + META + box(b"mdat", size=8)) == WHOLE


def test_a_long_box() -> None:
    """A size of 1 says that 64 bits of it follow, and these count themselves."""
    meta = box(b"meta", META[8:], long=True)
    assert said(ftyp() + meta + box(b"mdat", b"pixels", long=True)) == WHOLE
    cut_everywhere("avif", ftyp() + META + box(b"mdat", b"pixels", long=True))
    for size in (0, 8, 15):
        data = ftyp() + META + box(b"mdat", b"pixels", size=size, long=True)
        assert said(data) == "broken: avif: box b'mdat' without a length"
    data = ftyp() + META + box(b"mdat", b"pixels", size=2**40, long=True)
    assert said(data) == goes_on("avif", data)
    assert said(ftyp() + META + box(b"mdat", size=16, long=True)) == WHOLE
