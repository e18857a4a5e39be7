"""Wrote samples/v1.jsonl, once. Kept to show what it holds; a new format gets a new sample beside the old."""

import sys
import zlib
from collections.abc import Iterator

from pyroaring import BitMap64

from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored, Throttled, Voided
from crawler.log.codec import encode
from crawler.model import Image
from crawler.rules.replay import listed_events

LOG = "5a11b1e00001"


def url(id: int, page: int | str, where: str = "img-original") -> str:
    return f"https://i.example/{where}/{id}_p{page}.png"


def stored(id: int, page: int, size: int, quality: str = "original") -> Stored:
    path = f"images/{id % 1000:03}/{id}_p{page}.png"
    return Stored(id, page, path, size, f"{id * 1000 + page:064x}", "image/png", 640, 480, quality, url(id, page))


def described(id: int, pages: int) -> Described:
    images = tuple(Image(p, url(id, p), url(id, p, "img-master"), 640, 480) for p in range(pages))
    return Described(
        id, images, {"illustId": str(id), "title": "夜の海 \u2028\n", "xRestrict": 0, "tags": {"tags": []}}
    )


def lines() -> Iterator[Event]:
    yield Opened(LOG, 1, "0.1.0", {"path": "ids.txt", "digest": "d1", "ids": 4}, "5e771195")
    yield described(101, 1)
    yield stored(101, 0, 1000)
    yield Gone(102, "not_found")
    yield Gone(103, "filtered", "max_x_restrict")
    yield Throttled("api.example", 0.3, "2026-01-02T03:07:25.000Z", "rate_limited")
    yield described(104, 2)
    yield stored(104, 1, 1001)
    yield Failed(104, 0, "truncated", 200, 5, False, "512 of 1000 bytes")
    yield Closed("drained", {"listed": 4, "done": 1, "gone": 2, "failed": 1, "pending": 0, "images": 2, "bytes": 2001})
    yield from listed_events("d2", BitMap64(range(101, 110)))
    yield Opened(LOG, 1, "0.1.0", {"path": "more.txt", "digest": "d2", "ids": 9}, "5e771195")
    yield stored(104, 0, 1002, "regular")
    yield described(105, 2)
    yield stored(105, 0, 1003)
    yield Failed(105, 1, "not_found", 404, 1, True)
    yield described(106, 1)
    yield stored(106, 0, 999)
    yield Voided(LOG, 18, "repair", 106)
    yield Failed(107, None, "idle", None, 5, False)
    yield Described(108, (Image("zip", "https://i.example/img-zip-ugoira/108_ugoira1920x1080.zip"),), {"illustType": 2})
    yield Stored(
        108,
        "zip",
        "images/108/108_ugoira.zip",
        1006,
        "c" * 64,
        "application/zip",
        None,
        None,
        "original",
        url(108, "zip"),
    )
    yield Closed("drained", {"listed": 9, "done": 3, "gone": 2, "failed": 2, "pending": 2, "images": 5, "bytes": 5012})


def main() -> None:
    seq = 0
    for seq, event in enumerate(lines(), 1):
        sys.stdout.buffer.write(encode(LOG, seq, f"2026-01-02T03:04:{seq:02}.678Z", event))
    body = b'{"seq":%d,"t":"2026-01-02T03:05:00.000Z","event":"dreamt","log":"%b","of":[1,2]' % (seq + 1, LOG.encode())
    sys.stdout.buffer.write(b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body)))


if __name__ == "__main__":
    main()
