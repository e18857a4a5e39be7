"""Images that are bombs, or something else: an outcome in each place that looks at them."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from crawler.audit.decode import Decoder
from crawler.dataset.derive import Recipe, Undecodable, derive
from crawler.likeness.read import Unreadable, lines_in
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


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(owned) print\nshowpage\n%%EOF\n"


def other(format: str) -> bytes:
    """A picture in a format that no run stores."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, format)
    return out.getvalue()


@pytest.mark.parametrize("body", [EPS, other("TIFF"), other("TGA"), other("PPM")], ids=["eps", "tiff", "tga", "ppm"])
def test_no_other_decoder_is_asked(body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript and other formats under the name of a PNG, in a folder of anybody's: no decoder of theirs is run,
    whatever programs this machine has for them."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "x.png").write_bytes(body)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("0.jpg", body)
    thumbs, decoder = Thumbs(), Decoder()
    try:
        for name in ("x.png", "x.zip"):
            assert thumbs.make(str(tmp_path / name), 64) is None
            assert decoder.check(str(tmp_path / name))[0] == "broken"
    finally:
        thumbs.close()
        decoder.close()
    with pytest.raises(Undecodable):
        derive(body, Recipe(8, "png"))
    with pytest.raises(Unreadable):
        lines_in(body)
    assert not (tmp_path / "ran").exists()


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


@pytest.mark.parametrize("from_end", [4, 1])
def test_the_last_checksum_counts(from_end: int) -> None:
    """A PNG of which all is there, and its last chunk's checksum is another's: BROKEN."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[-from_end] ^= 1
    inspector = Inspector(0)
    inspector.feed(bytes(data))
    verdict = inspector.finish()
    assert isinstance(verdict, Failure)
    assert verdict.kind is Kind.BROKEN
