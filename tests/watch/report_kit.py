"""Logs that a report is made from: two runs with all that it can show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image as Images

from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored, Throttled
from crawler.log.codec import encode
from crawler.model import Image
from crawler.rules.naming import image_path

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVIL = "</style><script>alert(1)</script><img src=http://evil.example/x>\u202e'\""


def write(root: Path, *events: tuple[float, Event]) -> Path:
    """A log of these events, each so many seconds after noon."""
    root.mkdir(parents=True, exist_ok=True)
    lines = (encode("abc", n, stamp(s), event) for n, (s, event) in enumerate(events, 1))
    (root / "log.jsonl").write_bytes(b"".join(lines))
    return root / "log.jsonl"


def stamp(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def opened(ids: int) -> Opened:
    return Opened("abc", 1, "0.1", {"path": EVIL, "digest": "d", "ids": ids}, "s")


def described(id: int, images: int = 1, **work: Any) -> Described:
    metadata = {"id": str(id), "illustType": 0, "pageCount": images, "createDate": "2016-05-04T00:00:00+00:00", **work}
    return Described(id, tuple(Image(n, f"https://i.pximg.net/{id}_p{n}.jpg") for n in range(images)), metadata)


def stored(id: int, page: int = 0, size: int = 1000) -> Stored:
    return Stored(id, page, image_path(id, page, "jpg"), size, "00", "image/jpeg", 640, 480, "original", "https://x")


def run_of(root: Path) -> Path:
    """Two runs an hour apart, with all that a report can show, and a word of the site that wants out everywhere."""
    tags = {"tags": [{"tag": EVIL, "translation": {"en": EVIL}}, {"tag": "=1+1"}, {"tag": "海"}]}
    for id in (1, 2):
        (root / "images").mkdir(parents=True, exist_ok=True)
        Images.new("RGB", (64, 48), "teal").save(root / "images" / f"{id}_p0.jpg")
    return write(
        root,
        (0, opened(6)),
        (1, described(1, 2, tags=tags, title=EVIL)),
        (2, stored(1)),
        (3, stored(1, 1, 3000)),
        (4, described(2, xRestrict=1, illustType=1, tags=tags)),
        (5, stored(2)),
        (6, Throttled(EVIL, 0.5, stamp(16), "rate_limited_429")),
        (20, Gone(3, "not_found")),
        (21, Gone(4, "restricted")),
        (22, Failed(5, None, EVIL, 500, 5, False, EVIL)),
        (23, Closed("interrupted", {})),
        (3623, opened(6)),
        (3633, Closed("finished", {})),
    )
