"""Images that are bombs, or something else: an outcome in each place that looks at them."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from crawler.audit.decode import Decoder
from crawler.model import Failure, Kind
from crawler.rules.media import Inspector
from crawler.watch.thumbs import Thumbs


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few KB whose pixels take gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    rows = zlib.compress(b"\0" * 2_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def test_a_pixel_bomb_costs_its_own_thumbnail(tmp_path: Path) -> None:
    """Neither the page's nor verify's process for decoders gives its pixels room, and the next image is served."""
    (tmp_path / "bomb.png").write_bytes(bomb())
    Image.new("RGB", (30, 30)).save(tmp_path / "fine.png")
    thumbs, decoder = Thumbs(), Decoder(memory_bytes=600 << 20, timeout_s=20)
    try:
        assert thumbs.make(str(tmp_path / "bomb.png"), 64) is None
        assert thumbs.make(str(tmp_path / "fine.png"), 64) is not None
        assert decoder.check(str(tmp_path / "bomb.png"))[0] in ("undecided", "broken")
        assert decoder.check(str(tmp_path / "fine.png"))[0] == "fine"
    finally:
        thumbs.close()
        decoder.close()


@pytest.mark.parametrize("body", [SVG, b"\xef\xbb\xbf" + SVG, b"%PDF-1.7\n", b"\x7fELF" + b"\0" * 60, b"<script>"])
def test_what_is_no_image_under_an_images_name(body: bytes) -> None:
    """SVG, PDF and programs sent as image/jpeg are NOT_AN_IMAGE: their type is told from their bytes."""
    inspector = Inspector(0)
    inspector.feed(body)
    verdict = inspector.finish()
    assert isinstance(verdict, Failure)
    assert verdict.kind is Kind.NOT_AN_IMAGE


def test_two_files_in_one() -> None:
    """A GIF that is a script too, a JPEG with an archive behind it: named by its bytes, never as the other."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    inspector = Inspector(0)
    inspector.feed(out.getvalue() + b"PK\x03\x04" + b"x" * 40)
    verdict = inspector.finish()
    assert isinstance(verdict, Failure) or verdict.ext == "jpg"
    script = Inspector(0)
    script.feed(b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//")
    verdict = script.finish()
    assert isinstance(verdict, Failure) or verdict.ext == "gif"
