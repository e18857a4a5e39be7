"""Wrote samples/v1.jsonl, and with an argument v1-recheck.jsonl, once each. Kept to show what they hold; a new format
gets new samples beside the old.
"""

import sys
import zlib
from collections.abc import Iterator

from pyroaring import BitMap64

from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored, Throttled, Voided
from crawler.log.codec import encode
from crawler.model import Image, bit_of
from crawler.rules.listed import listed_events
from crawler.rules.naming import image_path

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


OTHER = "5a11b1e00002"


def rechecked() -> Iterator[tuple[str, Event]]:
    """A run, one that asked again, and the lines of another worker with a list of URLs, a line of which was lost."""
    yield LOG, Opened(LOG, 1, "0.1.0", {"path": "ids.txt", "digest": "d1", "ids": 6}, "5e771195")
    yield LOG, described(201, 2)
    yield LOG, stored(201, 0, 1000)
    yield LOG, stored(201, 1, 1001)
    yield LOG, Gone(202, "not_found")
    yield LOG, Gone(203, "restricted")
    yield LOG, Failed(204, None, "forbidden", 403, 1, True)
    yield LOG, described(205, 1)
    yield LOG, Failed(205, 0, "not_found", 404, 1, True)
    yield LOG, Gone(206, "filtered", "tags_none")
    yield LOG, Throttled("api.example", 0.6, None, "recovered")
    yield LOG, Closed("finished", {"listed": 6, "done": 1, "gone": 3, "failed": 2, "pending": 0})
    yield LOG, Opened(LOG, 1, "0.2.0", {"path": "ids.txt", "digest": "d1", "ids": 6}, "5e771195")
    pages = tuple(Image(p, url(201, p, "img-original" if p != 1 else "img-edited")) for p in range(3))
    yield LOG, Described(201, pages, {"id": "201", "uploadDate": "2026-01-02T00:00:00+00:00"})
    yield LOG, Voided(LOG, 4, "replaced", 201)
    yield LOG, Voided(LOG, 2, "replaced", 201)
    yield LOG, stored(201, 1, 2001)
    yield LOG, stored(201, 2, 2002)
    yield LOG, Gone(202, "not_found")
    yield LOG, Voided(LOG, 5, "rechecked", 202)
    yield LOG, described(203, 1)
    yield LOG, Voided(LOG, 6, "rechecked", 203)
    yield LOG, stored(203, 0, 1003)
    yield LOG, Gone(204, "purged")
    yield LOG, Voided(LOG, 7, "rechecked", 204)
    yield LOG, Voided(LOG, 9, "rechecked", 205)
    yield LOG, stored(205, 0, 1005, "regular")
    yield LOG, Closed("finished", {"listed": 6, "done": 3, "gone": 3, "failed": 0, "pending": 0})
    yield OTHER, Opened(OTHER, 1, "0.2.0", {"path": ["a.txt", "b.txt"], "digest": "d2", "ids": 4}, "5e771195")
    urls = ("0a", "0b", "0c", "0d")
    yield from ((OTHER, part) for part in listed_events("d2", BitMap64(bit_of(f"{u}00000000000000") for u in urls)))
    yield (
        OTHER,
        Stored(
            "0a00000000000000",
            0,
            image_path("0a00000000000000", 0, "gif"),
            777,
            "d" * 64,
            "image/gif",
            8,
            9,
            "original",
            "https://else.example/a.gif",
        ),
    )
    yield OTHER, Gone("0b00000000000000", "not_found")
    yield OTHER, Failed("0c00000000000000", 0, "too_large", 200, 1, True, "more than 256 MB")
    yield OTHER, Stored("0d00000000000000", 0, "", 1, "e" * 64, "image/png", 1, 1, "original", "u")
    yield OTHER, Voided(OTHER, 6, "damaged")


def number(told: Iterator[tuple[str, Event]]) -> Iterator[tuple[str, int, Event]]:
    seqs = {LOG: 0, OTHER: 0}
    for log, event in told:
        seqs[log] += 1
        yield log, seqs[log], event


def main() -> None:
    if len(sys.argv) > 1:
        for second, (log, seq, event) in enumerate(number(rechecked()), 1):
            if (log, seq) != (OTHER, 6):
                sys.stdout.buffer.write(encode(log, seq, f"2026-02-03T04:05:{second:02}.000Z", event))
        return
    seq = 0
    for seq, event in enumerate(lines(), 1):
        sys.stdout.buffer.write(encode(LOG, seq, f"2026-01-02T03:04:{seq:02}.678Z", event))
    body = b'{"seq":%d,"t":"2026-01-02T03:05:00.000Z","event":"dreamt","log":"%b","of":[1,2]' % (seq + 1, LOG.encode())
    sys.stdout.buffer.write(b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body)))


if __name__ == "__main__":
    main()
