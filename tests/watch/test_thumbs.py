"""Thumbnails: small, square, of real files, and never at the price of the process that asked."""

import io
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from crawler.watch.thumbs import MOST_PIXELS, Thumbs


@pytest.fixture
def thumbs() -> Iterator[Thumbs]:
    made = Thumbs(timeout_s=20)
    yield made
    made.close()


def halves(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Black on the left, white on the right."""
    image = Image.new(mode, (width, height), "black")
    image.paste("white", (width // 2, 0, width, height))
    return image


def opened(jpeg: bytes | None) -> Image.Image:
    assert jpeg is not None
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp"])
def test_every_format_has_a_thumbnail(thumbs: Thumbs, tmp_path: Path, name: str) -> None:
    """A square JPEG of the asked size, whatever the shape."""
    halves().save(tmp_path / name)
    assert opened(thumbs.make(str(tmp_path / name), 64)).size == (64, 64)


def test_a_whole_picture_keeps_its_shape(thumbs: Thumbs, tmp_path: Path) -> None:
    """Nothing is cut off, the longer side fits, and what is small enough is not blown up."""
    halves(400, 300).save(tmp_path / "a.png")
    assert opened(thumbs.make(str(tmp_path / "a.png"), 200, whole=True)).size == (200, 150)
    assert opened(thumbs.make(str(tmp_path / "a.png"), 900, whole=True)).size == (400, 300)


def test_transparency_is_shown_on_grey(thumbs: Thumbs, tmp_path: Path) -> None:
    """What shows through is neither black nor noise."""
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert opened(thumbs.make(str(tmp_path / "a.png"), 32)).getpixel((5, 5)) == pytest.approx((226, 228, 233), abs=4)


def test_an_animation_shows_its_first_frame(thumbs: Thumbs, tmp_path: Path) -> None:
    """The zip of an ugoira is a picture too."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        for n in (1, 0):
            out = io.BytesIO()
            Image.new("RGB", (30, 30), "white" if n == 0 else "black").save(out, "JPEG")
            pack.writestr(f"{n:06d}.jpg", out.getvalue())
    assert opened(thumbs.make(str(tmp_path / "a.zip"), 32)).convert("L").getpixel((9, 9)) > 250


def test_blur_leaves_nothing_to_recognise(thumbs: Thumbs, tmp_path: Path) -> None:
    """Fine lines are gone, broad light and dark stay."""
    image = Image.new("L", (240, 240), 0)
    for x in range(0, 240, 8):
        image.paste(255, (x, 0, x + 4, 240))
    image.save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    sharp = opened(thumbs.make(path, 240)).convert("L").getextrema()
    soft = opened(thumbs.make(path, 240, blur=True)).convert("L").crop((60, 60, 180, 180)).getextrema()
    assert sharp[1] - sharp[0] > 200
    assert soft[1] - soft[0] < 20


def test_what_is_no_picture_has_none_and_the_next_is_made(thumbs: Thumbs, tmp_path: Path) -> None:
    """Missing, empty, truncated, lying and huge files: no thumbnail, and no harm to the next."""
    halves().save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "short.png").write_bytes(whole[:60])
    (tmp_path / "lie.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    (tmp_path / "bad.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    side = int(MOST_PIXELS**0.5) + 10
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    for name in ("missing.png", "empty.png", "short.png", "lie.jpg", "bad.zip", "bomb.png", "two\nlines.png"):
        assert thumbs.make(str(tmp_path / name), 64) is None, name
    assert thumbs.make(str(tmp_path / "good.png"), 64)


def test_a_worker_that_died_is_replaced(thumbs: Thumbs, tmp_path: Path) -> None:
    """A file that kills the decoder costs one thumbnail."""
    halves().save(tmp_path / "a.png")
    assert thumbs.make(str(tmp_path / "a.png"), 64)
    worker = thumbs._worker.process
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert thumbs.make(str(tmp_path / "a.png"), 64) is None
    assert thumbs.make(str(tmp_path / "a.png"), 64)


def test_a_decoder_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A file that never ends (a pipe without a writer) is given the time limit and no more; stopped stays stopped."""
    thumbs = Thumbs(timeout_s=0.3)
    os.mkfifo(tmp_path / "a.png")
    assert thumbs.make(str(tmp_path / "a.png"), 64) is None
    thumbs.stop()
    assert thumbs.make(str(tmp_path / "a.png"), 64) is None
    assert thumbs._worker.process is None


def test_the_same_picture_comes_out_twice(thumbs: Thumbs, tmp_path: Path) -> None:
    """Its bytes name it: they must not vary."""
    halves().save(tmp_path / "a.jpg", quality=95)
    first, second = (thumbs.make(str(tmp_path / "a.jpg"), 64) for _ in range(2))
    assert first == second
    assert ImageChops.difference(opened(first), opened(second)).getbbox() is None
