"""Reading a log from disk: cut anywhere it heals, damaged anywhere it says where, and nothing wrong is ever read."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from crawler.events import Described, Event, Failed, Gone, Line, Opened, Stored, Voided
from crawler.log import reader
from crawler.log.codec import encode
from crawler.log.reader import LogDamaged, replay, scan, voided
from crawler.model import Image
from crawler.rules.naming import image_path

SAMPLES = Path(__file__).parent / "samples"
A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def stored(id: int, page: int) -> Stored:
    return Stored(id, page, image_path(id, page, "png"), 9, "0" * 64, "image/png", 1, 1, "original", "https://i/x")


def events(log: str) -> list[Event]:
    return [
        Opened(log, 1, "0", {"path": "ids.txt", "digest": "d", "ids": 5}, "s"),
        Gone(1, "not_found"),
        Described(2, (Image(0, "https://i/a"), Image(1, "https://i/b")), {"title": "夜 \u2028 \n"}),
        stored(2, 0),
        stored(2, 1),
        Failed(3, None, "idle", None, 5, False),
        Described(4, (Image(0, "https://i/c"),), {"title": '"event":"voided"', "inner": {"event": "voided"}}),
        stored(4, 0),
    ]


def written(log: str = A) -> list[bytes]:
    return [encode(log, n, f"2026-01-01T00:00:{n:02}.000Z", e) for n, e in enumerate(events(log), 1)]


def seen(path: Path) -> tuple[list[tuple[str, int]], LogDamaged | None, bool]:
    """Names of the lines read, the damage if any, and whether a torn tail was found."""
    names: list[tuple[str, int]] = []
    lines = scan(path)
    try:
        names.extend((line.log, line.seq) for _, line in lines)
    except LogDamaged as damage:
        return names, damage, False
    return names, None, lines.good < lines.end


@pytest.fixture(params=[7, 300, 1 << 20])
def any_chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces in which files are read must not matter."""
    monkeypatch.setattr(reader, "_CHUNK", request.param)


@pytest.mark.usefixtures("any_chunk")
def test_a_log_cut_at_any_byte_is_a_prefix(tmp_path: Path) -> None:
    """Cut at every byte, exactly the lines that are whole are read, and the rest is a torn tail."""
    lines = written()
    whole = b"".join(lines)
    path = tmp_path / "log.jsonl"
    path.write_bytes(whole)
    ends = [len(b"".join(lines[:n])) for n in range(len(lines) + 1)]
    step = 1 if reader._CHUNK == 300 else 7
    for cut in [*range(0, len(whole), step), len(whole)]:
        path.write_bytes(whole[:cut])
        got = scan(path)
        count = len(list(got))
        # A last line that lacks nothing but its newline is whole.
        assert count == max(n for n, end in enumerate(ends) if end - (n > 0) <= cut)
        assert got.end == cut
        assert got.good == min(ends[count], cut)
        assert got.open_ended == (count > 0 and ends[count] == cut + 1)


def test_no_bit_flip_is_silent(tmp_path: Path) -> None:
    """With bits flipped anywhere, no wrong line is read: either damage is told, or a torn tail is."""
    lines = written()
    whole = b"".join(lines)
    path = tmp_path / "log.jsonl"
    path.write_bytes(whole)
    dice = random.Random(3)
    damaged = torn = 0
    for _ in range(20_000):
        bad = bytearray(whole)
        places = sorted(dice.randrange(len(whole)) for _ in range(1 + (dice.random() < 0.2)))
        for place in places:
            bad[place] ^= 1 << dice.randrange(8)
        if bytes(bad) == whole:
            continue
        with path.open("r+b") as file:  # in place: emptying a file first costs a write to the disk
            file.write(bad)
        names, damage, is_torn = seen(path)
        first = whole[: places[0]].count(b"\n")
        assert names == [(A, n) for n in range(1, first + 1)]
        assert (damage is not None) != is_torn
        if damage is not None:
            damaged += 1
            assert damage.offset == len(b"".join(lines[:first]))
        else:
            torn += 1
            assert places[-1] >= len(b"".join(lines[:first]))
    assert damaged > 10_000
    assert torn > 1000


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_garbage_anywhere_is_damage_or_torn(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever bytes take the place of others, the lines read are a prefix of those written."""
    path = tmp_path_factory.getbasetemp() / "garbage.jsonl"
    whole = b"".join(written())
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 400)))
    filler = data.draw(st.one_of(st.binary(max_size=50), st.just(bytes(4096)), st.just(b"0\n"), st.just(b"\n")))
    path.write_bytes(whole[:start] + filler + whole[end:])
    names, damage, is_torn = seen(path)
    assert names == [(A, n) for n in range(1, len(names) + 1)]
    if len(names) < 8:
        assert damage is not None or is_torn or path.read_bytes() == b"".join(written()[: len(names)])


def test_damage_names_file_offset_and_remedy(tmp_path: Path) -> None:
    """The words tell what is wrong, where, that nothing was lost by us, and what to do; exit code 7."""
    lines = written()
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(lines[:2]) + b"x" * 10 + b"\n" + b"".join(lines[2:]))
    with pytest.raises(LogDamaged) as caught:
        replay(path)
    at = len(lines[0] + lines[1])
    assert f"{path}: damaged at byte {at}:" in str(caught.value)
    assert "nothing was thrown away" in str(caught.value)
    assert f"run crawler verify {tmp_path} --repair" in str(caught.value)
    assert (caught.value.code, caught.value.reason, caught.value.offset) == (7, "log_damaged", at)


def test_a_missing_line_is_damage(tmp_path: Path) -> None:
    """A line that is gone without a trace shows in `seq`, first line included; a voided one is not missed."""
    lines = written()
    path = tmp_path / "log.jsonl"
    for lost in (0, 3):
        path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
        _, damage, _ = seen(path)
        assert damage is not None
        assert damage.offset == len(b"".join(lines[:lost]))
        with path.open("ab") as file:
            file.write(encode(A, 9, "t", Voided(A, lost + 1, "damaged")))
        assert seen(path) == ([(A, n) for n in range(1, 10) if n != lost + 1], None, False)


def test_logs_merge_by_concatenation(tmp_path: Path) -> None:
    """Logs of several workers in one file, lines repeated or in another order: sound, and the same state."""
    a, b = written(A), written(B)
    path = tmp_path / "log.jsonl"
    states = []
    for parts in (a + b, b + a, a + a + b, [x for pair in zip(a, b, strict=True) for x in pair], (a + b)[::-1]):
        path.write_bytes(b"".join(parts))
        names, damage, is_torn = seen(path)
        assert (len(names), damage, is_torn) == (len(parts), None, False)
        states.append(replay(path))
    assert len({str(state.totals()) for state in states}) == 1
    assert states[0].totals().done == 2


@pytest.mark.usefixtures("any_chunk")
def test_voided_lines_are_found_beforehand(tmp_path: Path) -> None:
    """The quick pass finds what `voided` lines name, and is not fooled by what a site wrote."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b"".join(written()) + encode(A, 9, "t", Voided(A, 8, "repair")) + encode(A, 10, "t", Voided(B, 3, "x"))
    )
    assert voided(path) == {(A, 8), (B, 3)}
    assert replay(path).totals().done == 1


@pytest.mark.usefixtures("any_chunk")
def test_reading_may_start_at_any_line(tmp_path: Path) -> None:
    """From a line's offset on, the lines from there on are read, each with its offset."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(written()))
    whole = list(scan(path))
    for n, (offset, _) in enumerate(whole):
        assert list(scan(path, offset)) == whole[n:]
    assert list(scan(path, path.stat().st_size)) == []


def test_reading_changes_nothing_and_minds_no_torn_tail(tmp_path: Path) -> None:
    """`status` reads a log while a run writes it: half a line at the end is normal, and left alone."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(written())[:-5])
    path.chmod(0o444)
    before = path.read_bytes()
    assert replay(path).totals().done == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_of_version_1_is_read_for_ever() -> None:
    """The sample that the first version wrote means what it meant then. Never change the sample."""
    state = replay(SAMPLES / "v1.jsonl")
    totals = state.totals()
    assert (totals.listed, totals.done, totals.gone, totals.failed, totals.pending) == (9, 3, 2, 2, 2)
    assert (totals.images, totals.bytes, totals.expected_images) == (5, 5012, 7)
    assert totals.reasons == {"filtered": 1, "idle": 1, "not_found": 2}
    assert totals.qualities == {"original": 4, "regular": 1}
    assert (totals.failed_images_permanent, totals.failed_works_temporary) == (1, 1)
    assert state.throttled["api.example"].rate == 0.3
    assert state.closed is not None
    assert state.closed.reason == "drained"
    assert state.source == {"path": "more.txt", "digest": "d2", "ids": 9}
    assert state.todo(106) is not None
    lines: list[Line] = [line for _, line in scan(SAMPLES / "v1.jsonl")]
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert sum(line.event is None for line in lines) == 1


def test_a_log_of_version_1_that_was_asked_again_is_read_for_ever(tmp_path: Path) -> None:
    """The second sample has every kind of line, a re-check, a repair and two logs in one. Never change the sample."""
    path = tmp_path / "log.jsonl"
    path.write_bytes((SAMPLES / "v1-recheck.jsonl").read_bytes())
    lines: list[Line] = [line for _, line in scan(path)]
    kinds = Counter(line.event.event for line in lines if line.event)
    assert kinds == {
        "opened": 3,
        "listed": 1,
        "described": 4,
        "stored": 7,
        "gone": 6,
        "failed": 3,
        "voided": 7,
        "throttled": 1,
        "closed": 2,
    }
    state = replay(path)
    totals = state.totals(BitMap64(range(201, 207)))
    assert (totals.listed, totals.done, totals.gone, totals.failed, totals.pending) == (6, 3, 3, 0, 0)
    assert (totals.images, totals.bytes) == (6, 1000 + 2001 + 2002 + 1003 + 1005 + 777)
    assert totals.reasons == {"filtered": 1, "not_found": 1, "purged": 1}
    assert totals.qualities == {"original": 5, "regular": 1}
    assert totals.changed == 1
    totals = state.totals()
    assert (totals.listed, totals.done, totals.gone, totals.failed, totals.pending) == (4, 1, 1, 1, 1)
    assert (totals.reasons, totals.failed_images_permanent) == ({"not_found": 1, "too_large": 1}, 1)
    assert state.todo("0d00000000000000") is not None
    assert state.throttled["api.example"].rate == 0.6
    assert state.source == {"path": ["a.txt", "b.txt"], "digest": "d2", "ids": 4}
