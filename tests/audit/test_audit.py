"""Laws of holding files against the log, and of mending what is broken."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from crawler.audit.decode import Decoder
from crawler.audit.findings import Report
from crawler.audit.look import audit
from crawler.audit.mend import repair
from crawler.disk import Disk
from crawler.events import Described, Event, Gone, Opened, Stored, Voided
from crawler.log import files
from crawler.log.files import is_busy
from crawler.log.reader import LogDamaged, replay, scan
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image, Page, WorkId
from crawler.rules.naming import image_path


def picture(n: int, form: str = "png") -> bytes:
    """A small image, each `n` another one."""
    out = io.BytesIO()
    Picture.frombytes("RGB", (16, 16), random.Random(n).randbytes(768)).save(out, form)
    return out.getvalue()


def stored(root: Path, id: WorkId, page: Page, body: bytes, ext: str = "png") -> Stored:
    """Put a file where it belongs; the line that says so."""
    path = image_path(id, page, ext)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(body)
    digest = hashlib.sha256(body).hexdigest()
    return Stored(id, page, path, len(body), digest, "image/png", 16, 16, "original", f"https://a.example/{id}")


def described(id: int, pages: int) -> Described:
    """A work with that many pages."""
    return Described(id, tuple(Image(p, f"https://a.example/{id}/{p}") for p in range(pages)), {})


def opened(ids: int) -> Opened:
    """A run begins."""
    return Opened("", 1, "0", {"path": "x", "digest": "d", "ids": ids}, "s")


def note(root: Path, *events: Event) -> None:
    """Write lines with the real log."""

    async def go() -> None:
        log = await Log.open(root, LogSettings(), Disk(sync=False))
        for event in events:
            log.note(replace(event, log=log.id) if isinstance(event, Opened) else event)
        await log.close()

    asyncio.run(go())


def dataset(root: Path, works: int = 6, pages: int = 2) -> list[str]:
    """A finished crawl; the paths of its files in order."""
    events: list[Event] = [opened(works)]
    for id in range(1, works + 1):
        events += [described(id, pages), *(stored(root, id, p, picture(id * 10 + p)) for p in range(pages))]
    note(root, *events)
    return [event.path for event in events if isinstance(event, Stored)]


def damage(what: str) -> Callable[[Path], None]:
    """A way to spoil a file."""

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    def pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    return {
        "missing": Path.unlink,
        "truncated": lambda path: os.truncate(path, path.stat().st_size - 7),
        "wrong_size": lambda path: path.write_bytes(path.read_bytes() + b"more") and None,
        "wrong_digest": flip,
        "misplaced": folder,
        "misplaced ": pipe,
    }[what]


KINDS = ["missing", "truncated", "wrong_size", "wrong_digest", "misplaced", "misplaced "]


def queued(root: Path) -> dict[int, list[Page]]:
    """What a run would fetch now, by work."""
    state = replay(root / "log.jsonl")
    todo = {id: state.todo(id) for id in range(1, 50)}
    return {id: [i.page for i in t.images] for id, t in todo.items() if t is not None and t.images is not None}


def test_a_sound_data_set_is_sound(tmp_path: Path) -> None:
    """Every image there as the log says, nothing else: sound; partial files are no orphans."""
    dataset(tmp_path)
    (tmp_path / ".crawl" / "parts").mkdir()
    (tmp_path / ".crawl" / "parts" / "9_0.part").write_bytes(b"half")
    report = audit(tmp_path)
    assert report.sound
    assert (report.images, report.torn_bytes) == (12, 0)
    assert report.bytes == sum(p.stat().st_size for p in (tmp_path / "images").rglob("*.png"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_way_to_spoil_a_file_is_told_and_mended(tmp_path: Path, kind: str) -> None:
    """A spoilt file is named with what is wrong; repair queues exactly that image, and keeps the bad file."""
    paths = dataset(tmp_path)
    damage(kind)(tmp_path / paths[3])
    report = audit(tmp_path)
    assert [(f.what, f.path, f.image and (f.image.id, f.image.page)) for f in report.findings] == [
        (kind.strip(), paths[3], (2, 1))
    ]
    before = (tmp_path / "log.jsonl").read_bytes()
    mended = repair(tmp_path)
    assert (mended.queued, mended.moved, mended.left) == (1, int(kind != "missing"), 0)
    assert (tmp_path / "log.jsonl").read_bytes().startswith(before)
    assert queued(tmp_path) == {2: [1]}
    assert not (tmp_path / paths[3]).exists()
    kept = [p.name for p in (tmp_path / ".crawl" / "quarantine").glob("*")]
    assert kept == ([] if kind == "missing" else ["2_p1.png"])
    assert audit(tmp_path).sound
    assert repair(tmp_path).queued == 0


@given(st.dictionaries(st.integers(0, 11), st.sampled_from(KINDS)), st.integers(0, 2))
@settings(deadline=None, max_examples=25)
def test_repair_queues_exactly_what_is_broken(
    tmp_path_factory: pytest.TempPathFactory, spoilt: dict[int, str], orphans: int
) -> None:
    """Whatever is spoilt, no more and no less is queued again; orphans are moved away; then all is sound."""
    root = tmp_path_factory.mktemp("d")
    paths = dataset(root)
    for at, kind in spoilt.items():
        damage(kind)(root / paths[at])
    for n in range(orphans):
        (root / "images" / "001" / f"orphan{n}.txt").write_text("mine")
    report = audit(root)
    assert {f.path: f.what for f in report.findings if f.what != "orphan"} == {
        paths[at]: kind.strip() for at, kind in spoilt.items()
    }
    assert report.counts.get("orphan", 0) == orphans
    mended = repair(root)
    assert (mended.queued, mended.left) == (len(spoilt), 0)
    want: dict[int, list[int]] = {}
    for at in sorted(spoilt):
        want.setdefault(at // 2 + 1, []).append(at % 2)
    assert queued(root) == want
    assert audit(root).sound
    kept = [p.name for p in (root / ".crawl").glob("quarantine/orphan*")]
    assert sorted(kept) == [f"orphan{n}.txt" for n in range(orphans)]


def test_an_empty_or_absent_images_folder(tmp_path: Path) -> None:
    """A log without images is sound; one whose files are all gone misses each of them."""
    note(tmp_path, opened(1), Gone(1, "not_found"))
    assert audit(tmp_path).sound
    shutil.rmtree(tmp_path)
    dataset(tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert audit(tmp_path).counts == {"missing": 12}


def test_voided_lines_stand_for_nothing(tmp_path: Path) -> None:
    """A file whose line was voided is an orphan; voided and absent is no problem."""
    dataset(tmp_path, 2, 1)
    keys = {
        line.event.path: (line.log, line.seq)
        for _, line in scan(tmp_path / "log.jsonl")
        if isinstance(line.event, Stored)
    }
    note(tmp_path, *(Voided(*key, "test") for key in keys.values()))
    first, second = keys
    (tmp_path / second).unlink()
    report = audit(tmp_path)
    assert [(f.what, f.path) for f in report.findings] == [("orphan", first)]
    assert report.images == 0


def test_of_several_lines_the_latest_stands_and_all_fall(tmp_path: Path) -> None:
    """Of two lines for one image the later holds; a repair voids both, or the older would hold again."""
    old = stored(tmp_path, 1, 0, picture(1))
    new = stored(tmp_path, 1, 0, picture(2))
    note(tmp_path, opened(1), described(1, 1), old)
    time.sleep(0.002)
    note(tmp_path, new)
    assert audit(tmp_path).sound
    (tmp_path / new.path).unlink()
    assert repair(tmp_path).queued == 1
    assert queued(tmp_path) == {1: [0]}


def test_repeated_lines_are_one(tmp_path: Path) -> None:
    """Logs joined with overlap: a line that is there twice is checked once."""
    paths = dataset(tmp_path)
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes() * 2)
    assert (audit(tmp_path).images, audit(tmp_path).sound) == (12, True)
    (tmp_path / paths[0]).unlink()
    assert repair(tmp_path).queued == 1
    assert queued(tmp_path) == {1: [0]}


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "images/../../outside.png", "log.jsonl"])
def test_a_log_cannot_lead_out_of_images(tmp_path: Path, path: str) -> None:
    """A line whose path leaves images/ is damage: what it names is never opened, and never moved."""
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(1))
    root = tmp_path / "d"
    line = stored(root, 1, 0, picture(1))
    (root / line.path).unlink()
    note(root, opened(2), described(1, 1), Stored(1, 0, path, *line_rest(line)), Gone(2, "not_found"))
    with pytest.raises(LogDamaged, match="of another place"):
        audit(root)
    mended = repair(root)
    assert (mended.moved, mended.salvaged is not None and mended.salvaged.lost) == (0, 1)
    assert audit(root).sound
    assert outside.exists()
    assert queued(root) == {1: [0]}


def line_rest(line: Stored) -> tuple[Any, ...]:
    """The fields of a stored line behind its path."""
    return line.bytes, line.sha256, line.mime, line.width, line.height, line.quality, line.url


def test_site_urls_is_mended_too(tmp_path: Path) -> None:
    """An image with a name for an id, without a description, is queued again as well."""
    note(tmp_path, opened(1), stored(tmp_path, "00ff00ff00ff00ff", 0, picture(1)))
    assert audit(tmp_path).sound
    path = next((tmp_path / "images").rglob("*.png"))
    damage("truncated")(path)
    assert repair(tmp_path).queued == 1
    todo = replay(tmp_path / "log.jsonl").todo("00ff00ff00ff00ff")
    assert todo is not None
    assert todo.images is None


def test_looking_is_fine_during_a_run_and_mending_is_not(tmp_path: Path) -> None:
    """While a run holds the folder, verify reads and forgives what is not committed yet; repair changes nothing."""
    paths = dataset(tmp_path)
    (tmp_path / paths[0]).unlink()

    async def go() -> tuple[Report, int]:
        log = await Log.open(tmp_path, LogSettings(), Disk(sync=False))
        late = stored(tmp_path, 40, 0, picture(400))
        try:
            assert is_busy(tmp_path)
            report = await asyncio.to_thread(audit, tmp_path)
            with pytest.raises(files.InUse):
                await asyncio.to_thread(repair, tmp_path)
            log.note(late)
            return report, log.next_seq
        finally:
            await log.close()

    report, _ = asyncio.run(go())
    assert report.counts == {"missing": 1}
    assert not is_busy(tmp_path)


# -- decoding ----------------------------------------------------------------------------------------


def zipped(frames: list[bytes]) -> bytes:
    """A zip of frames, stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n, frame in enumerate(frames):
            archive.writestr(f"{n:06}.jpg", frame)
    return out.getvalue()


def test_decoding_finds_what_the_digest_cannot(tmp_path: Path) -> None:
    """With --decode, a file that is exactly what was stored but is no whole image is found, and its neighbours not."""
    cut = picture(3)
    cut = cut[: len(cut) // 2] + cut[-12:]
    bodies: list[tuple[Page, bytes, str]] = [
        (0, picture(1), "png"),
        (1, cut, "png"),
        (2, picture(2, "gif"), "gif"),
        (3, picture(2, "webp"), "webp"),
        (4, b"not an image at all", "jpg"),
    ]
    events: list[Event] = [stored(tmp_path, 1, page, body, ext) for page, body, ext in bodies]
    events.append(stored(tmp_path, 2, "zip", zipped([picture(5, "jpeg"), picture(6, "jpeg")]), "zip"))
    events.append(stored(tmp_path, 3, "zip", zipped([picture(5, "jpeg"), picture(6, "jpeg")[:400]]), "zip"))
    note(tmp_path, opened(3), *events)
    assert audit(tmp_path).sound
    report = audit(tmp_path, decode=True)
    assert {(f.what, f.path) for f in report.findings} == {
        ("undecodable", "images/001/1_p1.png"),
        ("undecodable", "images/001/1_p4.jpg"),
        ("undecodable", "images/003/3_ugoira.zip"),
    }
    assert "frame 000001.jpg" in next(f.why for f in report.findings if f.path.endswith("zip"))


def test_what_the_site_sends_broken_twice_is_left(tmp_path: Path) -> None:
    """An image that does not decode is fetched again once; when the same bytes come, it is left, and told apart."""
    bad = stored(tmp_path, 1, 0, b"not an image at all", "jpg")
    note(tmp_path, opened(1), described(1, 1), bad)
    assert repair(tmp_path, decode=True).queued == 1
    assert queued(tmp_path) == {1: [0]}
    note(tmp_path, stored(tmp_path, 1, 0, b"not an image at all", "jpg"))
    report = audit(tmp_path, decode=True)
    assert report.sound
    assert [path for path, _ in report.flawed] == [bad.path]
    assert repair(tmp_path, decode=True).queued == 0
    (tmp_path / bad.path).unlink()
    assert repair(tmp_path, decode=True).queued == 1
    note(tmp_path, stored(tmp_path, 1, 0, b"other bytes, no image either", "jpg"))
    assert audit(tmp_path, decode=True).counts == {"undecodable": 1}


def test_a_decoder_is_bounded_and_survives(tmp_path: Path) -> None:
    """An image that needs more memory or time than allowed is undecided, and the next one is decoded all the same."""
    big, small = tmp_path / "big.png", tmp_path / "small.png"
    Picture.new("RGB", (9000, 9000)).save(big)
    small.write_bytes(picture(1))
    decoder = Decoder(memory_bytes=300 << 20)
    hasty = Decoder(timeout_s=0.0)
    try:
        assert decoder.check(str(big))[0] == "undecided"
        assert decoder.check(str(small)) == ("fine", "")
        assert hasty.check(str(small))[0] == "undecided"
        worker = decoder._worker.process
        assert worker is not None
        worker.kill()
        worker.wait()
        assert decoder.check(str(small))[0] == "undecided"
        assert decoder.check(str(small)) == ("fine", "")
    finally:
        decoder.close()
        hasty.close()
