"""Makes the resized tier of an image: one file's bytes in, another's out. Runs in worker processes.

What a decoder is fed came from the network: a worker has a bound on memory, and a file that crashes it is left out.
"""

from __future__ import annotations

import hashlib
import io
import resource
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from crawler.dataset.workers import follow_parent

Format = Literal["webp", "jpeg", "png"]
FORMATS: tuple[Format, ...] = ("webp", "jpeg", "png")
EXTENSIONS = {"webp": "webp", "jpeg": "jpg", "png": "png"}
MEMORY_BYTES = 3 << 30
"""Address space of a worker: room for a picture of some 200 megapixels. Linux holds to it, macOS does not."""
STORED = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What a run stores. Pillow knows forty more, one of which starts an interpreter of PostScript."""
WEBP_SIDE = 16383
JPEG_SIDE = 65500
"""What the formats can hold."""


class Undecodable(Exception):
    """The bytes are no picture that can be decoded here."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`side`: pixels of the shorter side, never enlarged. `quality` 1 to 100, for webp and jpeg."""

    side: int
    format: Format
    quality: int = 90

    @property
    def ext(self) -> str:
        """The extension of what comes out, without a dot."""
        return EXTENSIONS[self.format]


@dataclass(frozen=True, slots=True)
class Derived:
    """What a resized image is."""

    sha256: str
    bytes: int
    mime: str
    width: int
    height: int

    def values(self) -> dict[str, Any]:
        """As the columns of `columns.DERIVED`."""
        return {f"derived_{name}": getattr(self, name) for name in self.__slots__}


def derive(data: bytes, recipe: Recipe) -> tuple[bytes, Derived]:
    """The picture upright, in sRGB, its shorter side at most `recipe.side`, without metadata; first frame only.

    The same bytes for the same input and the same version of Pillow. Raises Undecodable.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # the bound on memory is the worker's
    try:
        with Image.open(io.BytesIO(data), formats=STORED) as opened:
            if opened.format == "JPEG":  # decodes at half, a quarter, an eighth, where that is still large enough
                opened.draft(None, _fitted(opened.size, 2 * recipe.side, recipe))
            opened.load()
            picture = _plain(ImageOps.exif_transpose(opened), recipe)
        size = _fitted(picture.size, recipe.side, recipe)
        if size != picture.size:
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        picture.info.clear()  # what a format would carry over: profiles, resolution, comments
        out = io.BytesIO()
        picture.save(out, recipe.format, **_options(recipe))
    except (MemoryError, Exception) as error:  # noqa: BLE001 - decoders raise whatever their formats taught them
        raise Undecodable(f"{type(error).__name__}: {error}"[:200]) from None
    made = out.getvalue()
    mime = f"image/{recipe.format}"
    return made, Derived(hashlib.sha256(made).hexdigest(), len(made), mime, picture.width, picture.height)


def _fitted(size: tuple[int, int], side: int, recipe: Recipe) -> tuple[int, int]:
    """The size with the shorter side at most `side`, and nothing longer than the format can hold."""
    width, height = size
    most = {"webp": WEBP_SIDE, "jpeg": JPEG_SIDE}.get(recipe.format, max(size))
    scale = min(1.0, side / min(size), most / max(size))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _plain(picture: Any, recipe: Recipe) -> Any:
    """RGB, or RGBA where something is transparent and the format can say so; on white where it cannot."""
    from PIL import Image

    picture = _in_srgb(picture)
    if picture.mode in ("I;16", "I;16B", "I", "F"):  # 16 bits of grey
        picture = picture.convert("I").point([value >> 8 for value in range(1 << 16)], "L")
    if not (picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info):
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    if recipe.format != "jpeg" and picture.getextrema()[3][0] < 255:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _in_srgb(picture: Any) -> Any:
    from PIL import ImageCms

    library: Any = ImageCms
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return picture
    with suppress(ImageCms.PyCMSError, OSError, ValueError):  # a broken profile: colours as they are
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = library.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, target, outputMode="RGB") or picture
    return picture


def _options(recipe: Recipe) -> dict[str, Any]:
    match recipe.format:
        case "webp":
            return {"quality": recipe.quality, "method": 4}
        case "jpeg":
            return {"quality": recipe.quality, "optimize": True}
        case "png":
            return {"compress_level": 6}


def prepare_worker() -> None:
    """Bounds for a worker that decodes pictures; it ends with its parent, and leaves interrupts to it."""
    follow_parent()
    with suppress(ValueError, OSError):  # macOS refuses; a bound that is lower already stands
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
