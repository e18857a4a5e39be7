"""Reads the lines of a picture from the bytes of a file. What files hold came from the network: call it in a process
that is bounded in memory, and that may die (crawler/dataset/bodies.py)."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from crawler.likeness.lines import SEEN, Lines, lines_of

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What a run stores. Pillow knows forty more, one of which starts an interpreter of PostScript."""


class Unreadable(Exception):
    """The bytes are no picture that can be decoded here."""


def lines_in(data: bytes) -> Lines:
    """The lines of the picture in `data`, upright; of the first frame. Raises Unreadable."""
    Image.MAX_IMAGE_PIXELS = None  # the bound on memory is the process's
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.format == "JPEG":  # decodes at half, a quarter, an eighth, where that is still large enough
                share = 2 * SEEN / max(opened.size)
                opened.draft(None, (round(opened.width * share), round(opened.height * share)))
            opened.load()
            return lines_of(ImageOps.exif_transpose(opened))
    except (MemoryError, Exception) as error:  # noqa: BLE001 - decoders raise whatever their formats taught them
        raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from None
