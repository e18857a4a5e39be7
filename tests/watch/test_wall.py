"""The images that the end of a log names, and whether they are shown to everybody."""

from pathlib import Path
from typing import Any

from crawler.events import Described, Event, Failed, Stored
from crawler.log.codec import encode
from crawler.model import Image
from crawler.rules.naming import image_path
from crawler.watch import wall
from crawler.watch.wall import Recent

T = "2026-01-02T03:04:05.678Z"


def line(seq: int, event: Event) -> bytes:
    return encode("abc", seq, T, event)


def described(id: int, **work: Any) -> Described:
    return Described(id, (Image(0, "https://i.pximg.net/1.jpg"),), {"id": str(id), **work})


def stored(id: int | str, page: int = 0) -> Stored:
    return Stored(id, page, image_path(id, page, "jpg"), 9, "00", "image/jpeg", 3, 4, "original", "https://x/1.jpg")


def write(path: Path, *events: Event) -> None:
    with path.open("ab") as file:
        for seq, event in enumerate(events, 1):
            file.write(line(seq, event))


def test_only_works_known_to_be_for_all_are_shown_plainly(tmp_path: Path) -> None:
    """Rated 1 or 2, as number or text: veiled. Rating not in sight: veiled. A URL without a rating: not."""
    log = tmp_path / "log.jsonl"
    write(log, described(1, xRestrict=0), described(2, xRestrict=1), described(3, xRestrict="2"))
    write(log, *(stored(id) for id in (1, 2, 3, 4, "00ff")))
    assert [(f.stored.id, f.veiled) for f in Recent(log).look()] == [
        (1, False),
        (2, True),
        (3, True),
        (4, True),
        ("00ff", False),
    ]


def test_words_of_the_site_cannot_lift_a_veil(tmp_path: Path) -> None:
    """A title that looks like a rating is not one; where several are named, the highest counts."""
    log = tmp_path / "log.jsonl"
    write(log, described(1, title='","xRestrict":0,"', xRestrict=1), described(2, a={"xRestrict": 2}, xRestrict=0))
    write(log, stored(1), stored(2))
    assert [f.veiled for f in Recent(log).look()] == [True, True]


def test_each_image_is_told_once_as_it_comes(tmp_path: Path) -> None:
    """Half a line waits for its other half; other events are passed over; damage is."""
    log = tmp_path / "log.jsonl"
    recent = Recent(log)
    assert recent.look() == []
    whole = line(1, stored(1))
    log.write_bytes(whole + whole[:20])
    assert [f.stored.id for f in recent.look()] == [1]
    with log.open("ab") as file:
        file.write(whole[20:] + line(2, Failed(5, None, "x", None, 1, False)) + whole.replace(b"images", b"imagex"))
        file.write(line(3, stored(7)))
    assert [f.stored.id for f in recent.look()] == [1, 7]
    assert recent.look() == []


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    """What lies further back than the reach is left alone, after a pause too; a log that was cut is read anew."""
    monkeypatch.setattr(wall, "REACH_BYTES", 1000)
    log = tmp_path / "log.jsonl"
    write(log, *(stored(id) for id in range(100)))
    recent = Recent(log)
    first = [f.stored.id for f in recent.look()]
    assert first == list(range(100 - len(first), 100))
    assert 1 <= len(first) < 6
    write(log, *(stored(id) for id in range(100, 200)))
    assert recent.look()[-1].stored.id == 199
    log.write_bytes(line(1, stored(5)))
    assert [f.stored.id for f in recent.look()] == [5]
