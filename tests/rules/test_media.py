"""Laws of the image checks: what is whole passes, what is cut does not, and chunks make no difference."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from crawler.model import Failure, Kind
from crawler.rules.media import Inspector, Media, inspect
from crawler.rules.media_plain import plain
from crawler.rules.naming import EXTENSIONS

Sample = tuple[bytes, Media]
CUT = {Kind.TRUNCATED, Kind.NOT_AN_IMAGE}


def look(data: bytes, cuts: Iterable[int] = (), page: int | str | None = None) -> Media | Failure:
    inspector = Inspector(page)  # type: ignore[arg-type]
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        inspector.feed(data[at:cut])
        at = max(at, cut)
    verdict = inspector.finish()
    assert inspect(data, page) == verdict  # type: ignore[arg-type] - whole bodies have a way of their own
    return verdict


def kind_of(verdict: Media | Failure) -> Kind | None:
    return verdict.kind if isinstance(verdict, Failure) else None


def picture(mode: str = "RGB", size: tuple[int, int] = (61, 47), seed: int = 1) -> Image.Image:
    """A smooth picture with some noise, so that no coder can make it trivial."""
    dice = random.Random(seed)
    small = Image.frombytes("RGB", (9, 9), dice.randbytes(243)).resize(size, Image.Resampling.BILINEAR)
    noise = Image.frombytes("RGB", size, dice.randbytes(3 * size[0] * size[1]))
    return Image.blend(small, noise, 0.1).convert(mode)


def saved(form: str, mode: str = "RGB", size: tuple[int, int] = (61, 47), **options: object) -> bytes:
    out = io.BytesIO()
    picture(mode, size).save(out, form, **options)
    return out.getvalue()


def frames(form: str, count: int = 4, **options: object) -> bytes:
    first, *rest = [picture(size=(40, 30), seed=i) for i in range(count)]
    out = io.BytesIO()
    first.save(out, form, save_all=True, append_images=rest, duration=80, loop=0, **options)
    return out.getvalue()


def exif(size: int) -> bytes:
    """An EXIF block of about `size` bytes that holds a whole JPEG, end mark and all, as cameras put it there."""
    thumb = saved("JPEG", size=(20, 20))
    fill = (thumb * (size // len(thumb) + 1))[: size - len(thumb)]
    return b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0\0\0\0\0" + fill + thumb


def zipped(count: int = 5, comment: bytes = b"", *, big: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for i in range(count):
            archive.writestr(f"{i:06d}.jpg", saved("JPEG", size=(12 + 40 * big, 12)))
        archive.comment = comment
    return out.getvalue()


def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() * 60


JPEG = ("image/jpeg", "jpg")
SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved("JPEG"),
    "jpeg progressive": lambda: saved("JPEG", progressive=True),
    "jpeg optimized": lambda: saved("JPEG", optimize=True, quality=95, subsampling=0),
    "jpeg gray": lambda: saved("JPEG", "L"),
    "jpeg cmyk": lambda: saved("JPEG", "CMYK"),
    "jpeg restarts": lambda: saved("JPEG", restart_marker_blocks=2),
    "jpeg big exif": lambda: saved("JPEG", exif=exif(60_000)),
    "jpeg big icc": lambda: saved("JPEG", icc_profile=icc()),
    "jpeg comment": lambda: saved("JPEG", comment=b"\xff\xd9 not the end \xff\xd8"),
    "png": lambda: saved("PNG"),
    "png optimized": lambda: saved("PNG", optimize=True),
    "png alpha": lambda: saved("PNG", "RGBA"),
    "png palette": lambda: saved("PNG", "P"),
    "png bits": lambda: saved("PNG", "1"),
    "png gray 16": lambda: saved("PNG", "I;16"),
    "png exif icc": lambda: saved("PNG", exif=exif(5_000), icc_profile=icc()),
    "png animated": lambda: frames("PNG"),
    "gif": lambda: saved("GIF", "P"),
    "gif interlaced": lambda: saved("GIF", "P", interlace=1),
    "gif animated": lambda: frames("GIF"),
    "gif commented": lambda: saved("GIF", "P", comment=b"\x3b" * 600),
    "webp": lambda: saved("WEBP"),
    "webp lossless": lambda: saved("WEBP", lossless=True),
    "webp alpha": lambda: saved("WEBP", "RGBA"),
    "webp exif": lambda: saved("WEBP", exif=exif(3_000)),
    "webp animated": lambda: frames("WEBP"),
    "bmp": lambda: saved("BMP"),
    "bmp palette": lambda: saved("BMP", "P"),
}
if features.check("avif"):
    SAMPLES |= {
        "avif": lambda: saved("AVIF", speed=10),
        "avif alpha": lambda: saved("AVIF", "RGBA", speed=10),
        "avif animated": lambda: frames("AVIF", speed=10),
    }
MIME = {"jpeg": JPEG} | {k: (f"image/{k}", k) for k in ("png", "gif", "webp", "bmp", "avif")}


@pytest.fixture(scope="module", params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    data = SAMPLES[request.param]()
    mime, ext = MIME[request.param.split()[0]]
    with Image.open(io.BytesIO(data)) as opened:
        return data, Media(mime, ext, *opened.size)


def places(length: int) -> list[int]:
    """Every place to cut a short file, and of a long one both ends and a sample of the middle."""
    if length <= 1500:
        return list(range(length))
    middle = random.Random(length).sample(range(400, length - 400), 300)
    return [*range(400), *sorted(middle), *range(length - 400, length)]


def test_whole_images_pass_with_their_own_size(sample: Sample) -> None:
    """A whole image of any format and option is what Pillow says it is."""
    data, media = sample
    assert look(data) == media
    assert media.ext in EXTENSIONS
    assert plain(data) == (media if media.ext in ("jpg", "png") else None)


def test_no_beginning_of_an_image_passes(sample: Sample) -> None:
    """Every proper prefix of an image is refused as cut, or (its first bytes alone) as no image."""
    data, _ = sample
    for cut in places(len(data)):
        assert kind_of(look(data[:cut])) in CUT, cut


def test_chunks_make_no_difference(sample: Sample) -> None:
    """However a body is cut into chunks, byte by byte included, the verdict is the same."""
    data, media = sample
    assert look(data, range(0, len(data), 1)) == media
    dice = random.Random(len(data))
    for _ in range(20):
        assert look(data, dice.choices(range(len(data) + 1), k=dice.randint(1, 40))) == media


def test_what_follows_the_end_is_let_pass(sample: Sample) -> None:
    """Padding or a camera's trailer after the image's own end changes nothing (originals of the site have both)."""
    data, media = sample
    for tail in (b"\0", b"\0" * 70_000, b"garbage" * 3, b"\xff\xd8\xff\xd9"):
        assert look(data + tail) == media


def test_small_images_of_one_pixel() -> None:
    """The smallest images there are pass, and none of their beginnings does."""
    for form, mode in (("JPEG", "L"), ("PNG", "1"), ("GIF", "P"), ("WEBP", "RGB"), ("BMP", "1")):
        data = saved(form, mode, (1, 1))
        verdict = look(data)
        assert isinstance(verdict, Media)
        assert (verdict.width, verdict.height) == (1, 1)
        assert all(kind_of(look(data[:cut])) in CUT for cut in range(len(data)))


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5), st.sampled_from([*SAMPLES, "zip", ""]))
@settings(deadline=None, max_examples=300)
def test_any_bytes_get_a_verdict(noise: bytes, cuts: list[int], start: str) -> None:
    """Random bytes, alone or after a format's first bytes, never raise, and chunks make no difference to them."""
    head = HEADS[start]
    data = head + noise
    assert look(data, [min(c, len(data)) for c in cuts]) == look(data)


HEADS = {name: make()[:26] for name, make in SAMPLES.items()} | {"zip": b"PK\x03\x04", "": b""}


@given(st.sampled_from(["jpeg", "png", "gif animated", "webp", "avif", "bmp"]), st.data())
@settings(deadline=None, max_examples=200)
def test_damage_never_raises(name: str, data: st.DataObject) -> None:
    """A flipped byte anywhere gives a verdict; in PNG's needed chunks it is always seen."""
    whole = WHOLES.get(name) or WHOLES["png"]
    at = data.draw(st.integers(0, len(whole) - 1))
    hurt = bytearray(whole)
    hurt[at] ^= data.draw(st.integers(1, 255))
    verdict = look(bytes(hurt))
    if name == "png":
        assert isinstance(verdict, Failure)
    else:
        assert isinstance(verdict, Media | Failure)


WHOLES = {name: SAMPLES[name]() for name in ("jpeg", "png", "gif animated", "webp", "avif", "bmp") if name in SAMPLES}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"<!DOCTYPE html><html><body>403 Forbidden</body></html>", "HTML"),
        (b"\xef\xbb\xbf\n <html></html>", "HTML"),
        (b'{"error":true,"message":"","body":[]}', "JSON"),
        (b"[]", "JSON"),
        (b"upstream connect error or disconnect", "text"),
        (b"BM is how some texts begin, and none of them is a picture", "bmp"),
        (b"\x00\x01\x02\x03" * 10, "no known format"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42" + b"\0" * 40, "brand"),
    ],
)
def test_other_bodies_are_no_images(body: bytes, word: str) -> None:
    """HTML, JSON, text, video and noise are NOT_AN_IMAGE, and the words say what came instead."""
    verdict = look(body)
    assert isinstance(verdict, Failure)
    assert verdict.kind is Kind.NOT_AN_IMAGE
    assert word in verdict.detail


def test_nothing_is_truncated() -> None:
    """An empty body is an image of which nothing came."""
    assert kind_of(look(b"")) is Kind.TRUNCATED


def test_a_jpeg_spliced_from_two_replies_is_broken() -> None:
    """A body that begins anew in its middle (a resume that went wrong) is BROKEN although it ends well."""
    data = saved("JPEG")
    assert kind_of(look(data[: len(data) // 2] + data)) is Kind.BROKEN


def test_a_jpeg_cut_inside_its_exif_is_cut() -> None:
    """The end mark of a thumbnail inside EXIF is not the picture's end, wherever the cut falls."""
    data = saved("JPEG", exif=exif(30_000))
    ends = [at for at in range(len(data) - 2) if data[at : at + 2] == b"\xff\xd9"]
    assert len(ends) > 5
    assert all(kind_of(look(data[: at + 2])) is Kind.TRUNCATED for at in ends)


def test_jpeg_height_may_come_after_the_first_scan() -> None:
    """Height 0 in the frame is taken from DNL (T.81 B.2.5), and without one the file is BROKEN."""
    data = bytearray(saved("JPEG", "L", (16, 16)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 7] = b"\0\0"
    assert kind_of(look(bytes(data))) is Kind.BROKEN
    verdict = look(bytes(data[:-2]) + b"\xff\xdc\0\x04\0\x10\xff\xd9")
    assert verdict == Media("image/jpeg", "jpg", 16, 16)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xd8\xff\xd9" + b"\0" * 20,
        b"\xff\xd8\xff\xe0\0\0" + b"\0" * 20,
        b"\xff\xd8\xff\x02\0\x10" + b"\0" * 20,
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND" + struct.pack(">L", zlib.crc32(b"IEND")),
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 30,
        b"GIF89a\1\0\1\0\0\0\0\x3b" + b"\0" * 9,
        b"GIF89a\1\0\1\0\0\0\0\x99" + b"\0" * 9,
        b"RIFF\x04\0\0\0WEBPVP8 " + b"\0" * 20,
        b"RIFF\xff\0\0\0WEBPABCD" + b"\0" * 20,
        b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif" + b"\0\0\0\0mdat" + b"\0" * 40,
    ],
)
def test_contradictions_are_broken(body: bytes) -> None:
    """A file of a known format that contradicts itself is BROKEN, not cut: more bytes would not mend it."""
    assert kind_of(look(body)) is Kind.BROKEN


def test_a_wrong_checksum_of_a_comment_is_let_pass() -> None:
    """Checksums of chunks that decoders do not need are not compared (decoders let them pass, too)."""
    data = saved("PNG")
    chunk = struct.pack(">L4s", 3, b"tEXt") + b"abc" + b"\0\0\0\0"
    assert isinstance(look(data[:33] + chunk + data[33:]), Media)


@pytest.mark.parametrize("make", [zipped, lambda: zipped(1), lambda: zipped(40, b"a comment", big=True)])
def test_zips(make: Callable[[], bytes]) -> None:
    """A whole zip passes in any chunks, none of its beginnings does, and it has no size in pixels."""
    data, whole = make(), Media("application/zip", "zip", None, None)
    assert look(data) == look(data, range(0, len(data), 7)) == whole
    assert look(data + b"\0" * 50) == whole
    assert all(kind_of(look(data[:cut])) in CUT for cut in places(len(data)))


def test_a_zip_inside_a_zip_is_not_its_end() -> None:
    """A zip cut right after a whole zip that it holds is still cut."""
    inner = zipped(2)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("inner.zip", inner)
        archive.writestr("more.jpg", saved("JPEG"))
    data = out.getvalue()
    end = data.index(inner) + len(inner)
    assert isinstance(look(data), Media)
    assert kind_of(look(data[:end])) is Kind.TRUNCATED


def test_a_zip_with_more_directory_than_is_held() -> None:
    """More than 64 KB of directory, which nobody looked at, is no animation's; memory does not grow with it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(2000):
            archive.writestr(f"{i:06d}.jpg", b"x" * 50)
    data = out.getvalue()
    assert kind_of(look(data, range(0, len(data), 65536))) is Kind.BROKEN
    assert kind_of(look(data[:-1])) is Kind.TRUNCATED


def test_empty_and_damaged_zips_are_broken() -> None:
    """A zip whose directory does not list what its record counts is BROKEN; one of nothing is no image."""
    data = bytearray(zipped(3))
    at = data.index(b"PK\x01\x02")
    data[at + 2] = 9
    assert kind_of(look(bytes(data))) is Kind.BROKEN
    assert kind_of(look(zipped(0))) is Kind.NOT_AN_IMAGE


def test_pages_and_archives_are_not_mixed() -> None:
    """Where a page is expected an archive is refused, and the other way round."""
    assert isinstance(look(zipped(), page="zip"), Media)
    assert isinstance(look(saved("PNG"), page=0), Media)
    assert kind_of(look(zipped(), page=0)) is Kind.NOT_AN_IMAGE
    assert kind_of(look(saved("PNG"), page="zip")) is Kind.NOT_AN_IMAGE
