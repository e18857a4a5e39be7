"""Laws of the resized tier, and of reading files ahead."""

import hashlib
import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crawler.dataset import bodies
from crawler.dataset.bodies import Bodies, Body, Left, Wanted
from crawler.dataset.derive import Recipe, Undecodable, derive


def picture(mode: str, size: tuple[int, int], format: str = "png", color: Any = None, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, color or 0).save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200), st.sampled_from(["webp", "jpeg", "png"]))
def test_sizes(width: int, height: int, side: int, format: Any) -> None:
    """The shorter side is as asked, or as it was if smaller; the shape stays; what is told is what is there."""
    made, told = derive(picture("RGB", (width, height)), Recipe(side, format))
    image = opened(made)
    assert image.size == (told.width, told.height)
    assert min(image.size) == min(side, width, height)
    assert abs(max(image.size) - max(width, height) * min(image.size) / min(width, height)) <= 1
    assert (told.bytes, told.sha256) == (len(made), hashlib.sha256(made).hexdigest())
    assert derive(picture("RGB", (width, height)), Recipe(side, format))[0] == made


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("format", ["webp", "jpeg", "png"])
def test_every_kind_of_picture(mode: str, format: Any) -> None:
    """Whatever a PNG holds becomes RGB, or RGBA where something is transparent and the format can say so."""
    made, _ = derive(picture(mode, (40, 30)), Recipe(16, format))
    clear = mode in ("LA", "RGBA") and format != "jpeg"
    assert opened(made).mode == ("RGBA" if clear else "RGB")


def test_values_survive() -> None:
    """16 bits keep their brightness, transparent parts become white where need be, CMYK becomes RGB."""
    grey = Image.new("I;16", (20, 20), 0x8000)
    out = io.BytesIO()
    grey.save(out, "png")
    pixel = opened(derive(out.getvalue(), Recipe(10, "png"))[0]).getpixel((5, 5))
    assert pixel == (128, 128, 128)
    clear = opened(derive(picture("RGBA", (20, 20), color=(255, 0, 0, 0)), Recipe(10, "jpeg"))[0]).getpixel((5, 5))
    assert isinstance(clear, tuple)
    assert min(clear) > 250
    ink = opened(derive(picture("CMYK", (20, 20), "jpeg", (0, 0, 0, 0)), Recipe(10, "png"))[0]).getpixel((5, 5))
    assert isinstance(ink, tuple)
    assert min(ink) > 250


def test_upright_and_bare() -> None:
    """A picture that says it lies on its side is turned; no metadata comes along."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    made, told = derive(picture("RGB", (40, 20), "jpeg", exif=exif, dpi=(300, 300)), Recipe(100, "jpeg"))
    assert (told.width, told.height) == (20, 40)
    assert not opened(made).getexif()
    assert b"maker" not in made


def test_the_first_frame() -> None:
    """Of an animation, the first picture."""
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "gif", save_all=True, append_images=frames[1:])
    assert opened(derive(out.getvalue(), Recipe(10, "png"))[0]).getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize("data", [b"", b"no picture", picture("RGB", (90, 90), "png")[:60]])
def test_what_is_no_picture(data: bytes) -> None:
    """It is said, not raised as something else."""
    with pytest.raises(Undecodable):
        derive(data, Recipe(10, "webp"))


def files(root: Path, count: int) -> list[Wanted]:
    (root / "images").mkdir()
    found = []
    for n in range(count):
        data = picture("RGB", (20 + n, 20))
        (root / f"images/{n}.png").write_bytes(data)
        found.append(Wanted(f"images/{n}.png", len(data), hashlib.sha256(data).hexdigest()))
    return found


@pytest.mark.parametrize("recipe", [None, Recipe(10, "png")])
def test_in_order(tmp_path: Path, recipe: Recipe | None) -> None:
    """Whatever becomes ready first, each comes in its turn."""
    wanted = files(tmp_path, 60)
    with Bodies(tmp_path, "bytes", recipe, 2) as reader:
        got = list(reader.load((n, (file,)) for n, file in enumerate(wanted)))
    assert [n for n, _ in got] == list(range(60))
    for n, (body,) in got:
        assert isinstance(body, Body)
        assert body.data is not None
        assert opened(body.data).width == (20 + n if recipe is None else round(10 * (20 + n) / 20))


def test_a_file_that_kills_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies costs one file, not the export; what was under way with it comes all the same."""
    wanted = files(tmp_path, 40)
    monkeypatch.setattr(bodies, "_derive_all", _dying)
    with Bodies(tmp_path, "bytes", Recipe(10, "png"), 2) as reader:
        got = dict(reader.load((n, (file,)) for n, file in enumerate(wanted)))
    assert got[17] == [Left("undecodable")]
    assert all(isinstance(got[n][0], Body) for n in range(40) if n != 17)


def _dying(_limit_s: float, directory: str, need: Any, recipe: Any, batch: Any) -> Any:
    """What a worker does, and one file kills it. The worker imports this module anew."""
    if any(file.path == "images/17.png" for job in batch for file in job):
        os.kill(os.getpid(), signal.SIGKILL)
    return [[bodies.read(directory, file, need, recipe) for file in job] for job in batch]


@pytest.mark.parametrize("path", ["../x.png", "/etc/passwd", "images/../../x.png", "log.jsonl", "images/\0"])
def test_no_place_outside_images(tmp_path: Path, path: str) -> None:
    """A log that names another place gets nothing from there."""
    assert bodies.read(str(tmp_path), Wanted(path, 1, ""), "bytes") == Left("missing")


def test_neither_pipes_nor_folders(tmp_path: Path) -> None:
    """What is no plain file is not waited for."""
    (tmp_path / "images").mkdir()
    os.mkfifo(tmp_path / "images/pipe.png")
    (tmp_path / "images/folder.png").mkdir()
    for name in ("pipe", "folder"):
        got = bodies.read(str(tmp_path), Wanted(f"images/{name}.png", 0, ""), "bytes")
        assert got == Left("unreadable")
