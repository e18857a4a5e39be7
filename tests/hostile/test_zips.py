"""Archives that harm who unpacks them later: told by their directory, without unpacking a byte."""

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from crawler.model import Failure, Kind
from crawler.rules.media import Inspector, Media


def packed(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in entries:
            archive.writestr(name, body)
    return out.getvalue()


def judged(data: bytes) -> Media | Failure:
    """What a run makes of it, as the archive of an animation."""
    inspector = Inspector("zip")
    inspector.feed(data)
    return inspector.finish()


def changed(data: bytes, entry: int, at: int, form: str, value: int) -> bytes:
    """The archive with a field of an entry of its directory set."""
    place = -1
    for _ in range(entry + 1):
        place = data.index(b"PK\x01\x02", place + 1)
    out = bytearray(data)
    struct.pack_into(form, out, place + at, value)
    return bytes(out)


FRAMES = [(f"{n:06d}.jpg", b"\xff\xd8" + b"x" * 200) for n in range(5)]
GOOD = packed(*FRAMES)

BAD: dict[str, Callable[[], bytes]] = {
    "up": lambda: packed(*FRAMES, ("../evil.jpg", b"x")),
    "absolute": lambda: packed(("/etc/cron.d/x", b"x")),
    "windows": lambda: packed(("..\\evil.jpg", b"x")),
    "drive": lambda: packed(("C:evil.jpg", b"x")),
    "folder": lambda: packed(("a/b.jpg", b"x")),
    "nul": lambda: packed(("a0b.jpg", b"x")).replace(b"a0b.jpg", b"a\0b.jpg"),
    "long": lambda: packed(("a" * 300 + ".jpg", b"x")),
    "hidden": lambda: packed((".bashrc", b"x")),
    "twice": lambda: packed(("a.jpg", b"x"), ("A.jpg", b"y")),
    "overlap": lambda: changed(GOOD, 1, 42, "<L", 0),
    "beyond": lambda: changed(GOOD, 4, 20, "<L", 1 << 20),
    "encrypted": lambda: changed(GOOD, 0, 8, "<H", 1),
    "ratio": lambda: packed(("a.bmp", b"\0" * 3_000_000), method=zipfile.ZIP_DEFLATED),
    "claims": lambda: changed(GOOD, 2, 24, "<L", 0xFFFFFFF0),
    "directory": lambda: packed(*((f"{n:06d}.jpg", b"") for n in range(2000))),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_harmful_archive_is_broken(name: str) -> None:
    """Names that lead out, twins, shared bytes, bombs: BROKEN, an outcome like any other."""
    verdict = judged(BAD[name]())
    assert isinstance(verdict, Failure), verdict
    assert verdict.kind is Kind.BROKEN


def test_an_animation_is_none_of_that() -> None:
    """The control: stored and packed frames pass."""
    assert isinstance(judged(GOOD), Media)
    assert isinstance(judged(packed(*FRAMES, method=zipfile.ZIP_DEFLATED)), Media)
