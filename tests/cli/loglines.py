"""Logs to look at: real lines of any events."""

from hypothesis import strategies as st

from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored, Throttled, Voided
from crawler.log.codec import encode
from crawler.model import Image

LOG = "ab12cd34ef56"
IDS = 40

OPENED = Opened(LOG, 1, "0.1.0", {"path": "ids.txt", "digest": "ff", "ids": IDS}, "abc")
DESCRIBED = Described(
    12345678,
    (Image(0, "https://i.pximg.net/a_p0.jpg"), Image(1, "https://i.pximg.net/a_p1.jpg")),
    {"illustTitle": "冬の朝\x1b[31m\u202e", "userName": "ねこ"},
)
FAILED = Failed(59120036, 2, "truncated", None, 5, False)


def stored(id: int, page: int = 0) -> Stored:
    path = f"images/{id % 1000:03d}/{id}_p{page}.jpg"
    url = f"https://i.pximg.net/{id}_p{page}.jpg"
    return Stored(id, page, path, 2_310_000, "0" * 64, "image/jpeg", 1200, 1697, "original", url)


def lines(*events: Event, first: int = 1) -> list[bytes]:
    """The events as lines, a second apart."""
    out: list[bytes] = []
    for seq, event in enumerate(events, first):
        t = f"2026-01-02T{10 + seq // 3600:02d}:{seq // 60 % 60:02d}:{seq % 60:02d}.123Z"
        out.append(encode(LOG, seq, t, event))
    return out


EVERY = (
    OPENED,
    DESCRIBED,
    stored(12345678, 0),
    stored(12345678, 1),
    Gone(59120034, "not_found"),
    Gone(59120035, "filtered", "max_x_restrict"),
    FAILED,
    Failed(59120037, None, "bad_reply", 200, 1, True, "body is a list\n"),
    Throttled("www.pixiv.net", 0.31, "2026-01-02T10:14:00.000Z", "rate_limited"),
    Voided(LOG, 3, "repair", 12345678),
    Closed("interrupted", {"listed": IDS, "done": 1, "gone": 2, "failed": 1, "pending": 36, "images": 2, "bytes": 5}),
)

ids = st.integers(1, IDS)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """What may happen in a run over the ids 1 to IDS."""
    told: list[Event] = [OPENED]
    for _ in range(draw(st.integers(0, 60))):
        id, page = draw(ids), draw(st.integers(0, 1))
        images = (Image(0, "https://i.pximg.net/0.jpg"), Image(1, "https://i.pximg.net/1.jpg"))
        reason = draw(st.sampled_from(("truncated", "server_error")))
        told.append(
            draw(
                st.sampled_from(
                    (
                        Described(id, images, {}),
                        stored(id, page),
                        Gone(id, draw(st.sampled_from(("not_found", "restricted")))),
                        Failed(id, draw(st.sampled_from((None, page))), reason, None, 5, draw(st.booleans())),
                        Throttled("i.pximg.net", 0.5, None, reason),
                    )
                )
            )
        )
    return told
