"""What the first bytes of a body say, to the byte, and what is said of a body that is no image."""

import io
import zipfile

import pytest
from media_kit import IDAT, IEND, frame, header, in_pieces, jpeg, png, said, segment, words

import crawler.rules.media
from crawler.rules.media import Media, inspect

PNG = png(header(), IDAT, IEND)
JPEG = jpeg(frame(3, 2), segment(0xDA))
MAGICS = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"RIFF????WEBP": "webp",
    b"\0\0\0\x20ftyp": "avif",
    b"BM": "bmp",
    b"PK\3\4": "zip",
}
OTHER = "not_an_image: the body is "


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("000000.jpg", JPEG)
    return out.getvalue()


@pytest.mark.parametrize("magic", MAGICS)
def test_twelve_bytes_say_what_it_is(magic: bytes) -> None:
    """Eleven are too few to say, twelve are enough; in the wrong place, or one of them another, they say nothing."""
    data = magic.ljust(12, b"\xe0")
    assert said(data) == f"truncated: the {MAGICS[magic]} goes on after the 12 bytes that came"
    assert said(b"\xe1" + data).startswith(OTHER)
    for at in range(len(magic)):
        if magic[at : at + 1] not in b"?\0\x20":
            hurt = bytearray(data)
            hurt[at] ^= 0x55
            assert said(bytes(hurt)).startswith(OTHER), at
    assert said(data[:11]).startswith("not_an_image" if magic[4:] == b"ftyp" else "truncated: only 11 bytes came")


@pytest.mark.parametrize("magic", [m for m in MAGICS if m[4:] != b"ftyp"])
def test_fewer_than_twelve_bytes(magic: bytes) -> None:
    """A body that ends within twelve bytes is cut if it begins as an image does, and else something else."""
    begins = magic.removesuffix(b"????WEBP")
    for size in range(len(begins), 12):
        assert said(begins.ljust(size, b"\1")) == f"truncated: only {size} bytes came"
    for size in range(1, len(begins)):
        assert said(begins[:size]).startswith(OTHER)
    assert said(b"") == "truncated: only 0 bytes came"
    assert said(b"x") == said(b"GIF88a") == said(b"WEBP") == said(b"xxxxftyp") == OTHER + "text"
    assert said(b"\1\2\3") == OTHER + "of no known format: 01 02 03"


def test_a_riff_that_is_no_webp_is_no_image() -> None:
    """Sounds are RIFF too; WEBP in its place without RIFF before it is nothing."""
    assert said(b"RIFF\x10\0\0\0WAVEfmt \0\0") == OTHER + "of no known format: 52 49 46 46 10 00 00 00"
    assert said(b"RIFX\x10\0\0\0WEBPVP8 \0\0") == OTHER + "of no known format: 52 49 46 58 10 00 00 00"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>", "HTML or XML"),
        (b"\xef\xbb\xbf \r\n\t<?xml version='1.0'?>\xff", "HTML or XML"),
        (b'{"error":true}\xff', "JSON"),
        (b" [1,2]", "JSON"),
        (b"(1,2)", "text"),
        (b"\xef\xbb\xbf\xef\xbb\xbftwo marks", "of no known format: ef bb bf ef bb bf 74 77"),
        (b" " * 63 + b"<", "HTML or XML"),
        (b" " * 64 + b"<", "text"),
        (b"a" * 63 + b"\xff", "of no known format: 61 61 61 61 61 61 61 61"),
        (b"a" * 64 + b"\xff", "text"),
        (b"a" * 64 + b"<", "text"),
    ],
)
def test_what_it_is_instead(body: bytes, what: str) -> None:
    """The first 64 bytes say it, however they come: a mark of UTF-8 and white space do not count."""
    assert said(body) == OTHER + what
    assert in_pieces(body, 5, 13, 20) == in_pieces(body, 12, 12, 12) == OTHER + what


@pytest.mark.parametrize("byte", range(256))
def test_which_bytes_are_text(byte: int) -> None:
    """Tab, the ends of lines, and what ASCII prints."""
    text = byte in (9, 10, 13) or 0x20 <= byte <= 0x7E
    assert said(b"some " + bytes((byte,)) + b" text").startswith(OTHER + ("text" if text else "of no known"))


def test_pages_and_archives_are_named() -> None:
    """What is something else than the page wanted is said to be what it is; what is broken stays that."""
    archive = zipped()
    assert said(archive) == said(archive, "zip") == "application/zip zip NonexNone"
    assert said(PNG, "zip") == "not_an_image: image/png where the archive of an animation should be"
    assert said(JPEG, "zip") == "not_an_image: image/jpeg where the archive of an animation should be"
    assert said(archive, 0) == "not_an_image: application/zip where an image should be"
    assert said(PNG, 0) == said(PNG, 7) == said(PNG) == "image/png png 3x5"
    assert said(PNG[:-1], "zip") == said(PNG[:-1], 0) == said(PNG[:-1])
    assert said(jpeg(), "zip").startswith("truncated: only 4")


def test_what_an_image_is_called() -> None:
    """The mime, the ending of its file, width and height; the ending of a JPEG is jpg."""
    assert inspect(JPEG) == Media("image/jpeg", "jpg", 3, 2)
    assert words(inspect(PNG, 0)) == "image/png png 3x5"


def test_the_names_of_the_module() -> None:
    """What it offers is there."""
    assert all(hasattr(crawler.rules.media, name) for name in crawler.rules.media.__all__)
