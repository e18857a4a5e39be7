"""Archives that harm who unpacks them later: told by their directory, without unpacking a byte."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from crawler.model import Failure, Kind
from crawler.rules.media import Inspector, Media
from crawler.rules.media_zip import ZipTail


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


def ended(data: bytes, at: int, form: str, *values: int) -> bytes:
    """The archive with fields of its last record set."""
    out = bytearray(data)
    struct.pack_into(form, out, data.rindex(b"PK\x05\x06") + at, *values)
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
    "dots": lambda: packed(*FRAMES, ("a..b.jpg", b"x")),
    "overlap-a-little": lambda: changed(GOOD, 1, 20, "<L", 205),
    "last-overlaps": lambda: changed(GOOD, 4, 20, "<L", 205),
    "parts": lambda: ended(GOOD, 4, "<H", 1),
    "counts": lambda: ended(GOOD, 8, "<H", 4),
    "more-than-listed": lambda: ended(GOOD, 8, "<HH", 6, 6),
    "fewer-than-listed": lambda: ended(GOOD, 8, "<HH", 4, 4),
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


def test_an_archive_of_any_length_is_held_by_its_tail() -> None:
    """A stream of small pieces: no more than the last 128 KB are held, and the verdict is that of the whole."""
    tail = ZipTail()
    filler = packed(("a.jpg", b"x" * 3_000_000))
    tracemalloc.start()
    try:
        for at in range(0, len(filler), 1000):
            tail.feed(filler[at : at + 1000])
        assert tracemalloc.get_traced_memory()[0] < 150_000
    finally:
        tracemalloc.stop()
    assert isinstance(tail.finish(), Media)


def test_an_archive_of_nothing() -> None:
    """Its record is all there is, also where a comment looks like another one: BROKEN, and not waited for."""
    for data in (packed(), ended(packed(), 20, "<H", 8) + b"PK\x05\x06 end"):
        tail = ZipTail()
        tail.feed(data)
        verdict = tail.finish()
        assert isinstance(verdict, Failure)
        assert verdict.kind is Kind.BROKEN


def test_the_part_an_entry_says_it_begins_in_is_no_length() -> None:
    """A field between the lengths and the place of an entry: of no consequence."""
    assert isinstance(judged(changed(GOOD, 2, 34, "<H", 1)), Media)


def test_what_is_inside_may_be_twenty_times_the_archive() -> None:
    """To the byte: an entry that claims what makes it twenty times passes, one more is a bomb."""
    start = GOOD.index(b"PK\x01\x02")
    most = 20 * start - 4 * 202
    assert isinstance(judged(changed(GOOD, 0, 24, "<L", most)), Media)
    assert isinstance(judged(changed(GOOD, 0, 24, "<L", most + 1)), Failure)
