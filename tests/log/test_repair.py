"""Salvage of a damaged log: every intact line is kept, and the log is sound again."""

import asyncio
import random
from pathlib import Path

import pytest

from crawler.disk import Disk
from crawler.events import Described, Gone, Stored, Voided
from crawler.log.codec import decode, encode
from crawler.log.files import InUse
from crawler.log.reader import LogDamaged, replay, scan
from crawler.log.repair import salvage
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image
from crawler.stop import StorageFailed

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def lines(log: str, count: int = 12) -> list[bytes]:
    return [encode(log, n, f"2026-01-01T00:00:{n:02}.000Z", Gone(n, "not_found")) for n in range(1, count + 1)]


def test_every_intact_line_survives_any_damage(tmp_path: Path) -> None:
    """Whatever is broken, all lines that are intact are in the mended log in order, and the original is kept aside."""
    path = tmp_path / "log.jsonl"
    dice = random.Random(5)
    mended = 0
    for _ in range(40):
        whole = b"".join(lines(A) + lines(B) if dice.random() < 0.3 else lines(A))
        bad = bytearray(whole)
        for _ in range(1 + dice.randrange(4)):
            at = dice.randrange(len(bad))
            bad[at : at + dice.randrange(300)] = dice.randbytes(dice.randrange(60))
        path.write_bytes(bad)
        written = {raw[:-1] for raw in whole.splitlines(keepends=True)}
        intact = sorted((raw for raw in written if raw in bad), key=bad.index)
        result = salvage(tmp_path)
        if result is None:
            continue
        mended += 1
        assert result.original.read_bytes() == bad
        assert result.lines == len(intact)
        after = path.read_bytes().split(b"\n")[:-1]
        assert after[: len(intact)] == intact
        extra = [line.event for raw in after[len(intact) :] if (line := decode(raw)) is not None]
        assert len(extra) == result.lost == len(after) - len(intact)
        assert all(isinstance(event, Voided) and event.reason == "damaged" for event in extra)
        assert len(list(scan(path))) == len(after)
        assert salvage(tmp_path) is None
    assert mended > 10


def test_a_hit_newline_loses_no_line(tmp_path: Path) -> None:
    """Where the newline between two lines is another byte, is gone or is many, both lines are kept; it is damage even
    between the last two, where nothing intact comes after.
    """
    path = tmp_path / "log.jsonl"
    raws = lines(A, 4)
    for at in (1, 2, 3):
        for filler in (b"x", b"", b"\x00" * 9, b'{"seq":', b'"}', b"\r"):
            path.write_bytes(b"".join(raws[:at])[:-1] + filler + b"".join(raws[at:]))
            with pytest.raises(LogDamaged) as caught:
                replay(path)
            assert caught.value.offset == len(b"".join(raws[: at - 1]))
            result = salvage(tmp_path)
            assert result is not None
            assert (result.lines, result.lost, result.bad_bytes) == (4, 0, len(filler))
            assert path.read_bytes() == b"".join(raws)


def test_site_data_that_looks_like_a_line_is_no_line(tmp_path: Path) -> None:
    """Metadata with objects that begin and end like lines neither hides a line from repair nor becomes one."""
    path = tmp_path / "log.jsonl"
    meant = {"a": {"seq": 1, "crc": "00000000"}, "b": [{"seq": 2}], "c": {"x": 1, "crc": "89abcdef"}}
    odd = [encode(A, n, "t", Described(n, (Image(0, "u"),), meant)) for n in (1, 2, 3)]
    path.write_bytes(odd[0][:-1] + b"?" + odd[1][:-1] + b"?" + odd[2] + lines(A, 4)[3])
    result = salvage(tmp_path)
    assert result is not None
    assert (result.lines, result.lost, result.bad_bytes) == (4, 0, 2)
    assert path.read_bytes() == b"".join([*odd, lines(A, 4)[3]])


def test_what_was_lost_is_asked_for_again(tmp_path: Path) -> None:
    """A lost `stored` line makes its image missing, not its neighbours; the next run goes on in the same log."""
    stored = [
        Stored(1, page, f"images/001/1_p{page}.png", 9, "0" * 64, "image/png", 1, 1, "original", "u") for page in (0, 1)
    ]
    described = Described(1, (Image(0, "u"), Image(1, "v")), {})
    raws = [encode(A, n, "t", event) for n, event in enumerate([described, *stored, Gone(2, "not_found")], 1)]
    raws[1] = raws[1].replace(b"original", b"oRiginal")
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(raws))
    with pytest.raises(LogDamaged):
        replay(path)
    result = salvage(tmp_path)
    assert result is not None
    assert (result.lines, result.bad_bytes, result.lost) == (3, len(raws[1]), 1)
    todo = replay(path).todo(1)
    assert todo is not None
    assert todo.images == (Image(0, "u"),)

    async def work() -> None:
        log = await Log.open(tmp_path, LogSettings(), Disk())
        assert (log.id, log.next_seq, log.state.totals().gone) == (A, 6, 1)
        log.note(stored[0])
        assert log.state.totals().done == 1
        await log.close()

    asyncio.run(work())
    assert replay(path).totals().done == 1


def test_a_sound_or_torn_log_is_left_alone(tmp_path: Path) -> None:
    """What heals by itself is not repaired; no log at all is told."""
    path = tmp_path / "log.jsonl"
    with pytest.raises(FileNotFoundError):
        salvage(tmp_path)
    for content in (b"".join(lines(A)), b"".join(lines(A))[:-20], b""):
        path.write_bytes(content)
        assert salvage(tmp_path) is None
        assert path.read_bytes() == content


def test_a_log_in_use_is_not_repaired(tmp_path: Path) -> None:
    """Repair takes the same lock as a run."""

    async def work() -> None:
        log = await Log.open(tmp_path, LogSettings(), Disk())
        with pytest.raises(InUse):
            salvage(tmp_path)
        await log.close()

    asyncio.run(work())


def test_a_failed_repair_leaves_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the mended log cannot be written, the old one is as it was."""
    bad = b"".join([*lines(A)[:3], b"?\n", *lines(A)[3:]])
    path = tmp_path / "log.jsonl"
    path.write_bytes(bad)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageFailed):
        salvage(tmp_path)
    assert path.read_bytes() == bad
