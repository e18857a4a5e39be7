"""Judgements: what they add up to, and that a line that was confirmed is there whatever happens."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.disk import Disk
from crawler.log.files import InUse
from crawler.pairs.judgements import Judged, Judgements, Noted, Pair, Undone, line_of, read
from crawler.pairs.ledger import JudgementsDamaged, Ledger, replay, salvage
from crawler.stop import StorageFailed

PAIRS = [Pair(n, 100 + n % 3) for n in range(1, 6)]
judged = st.builds(
    Judged,
    st.sampled_from(PAIRS),
    st.sampled_from(["yes", "no", "unsure"]),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.booleans(),
    st.just(""),
)
said = st.lists(st.one_of(judged, st.integers(1, 30)), max_size=30)


def lines(saying: list[Judged | int]) -> list[Noted]:
    """A log of it; a number takes back the line of that number."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found: list[Noted] = []
    for seq, one in enumerate(saying, 1):
        t = (start + timedelta(seconds=seq)).isoformat(timespec="milliseconds")
        found.append(Noted(t, "a" * 12, seq, one if isinstance(one, Judged) else Undone("a" * 12, one)))
    return found


def folded(noted: list[Noted]) -> Judgements:
    out = Judgements()
    for one in noted:
        out.apply(one)
    return out


def picture(judgements: Judgements) -> object:
    return judgements.count, [judgements.history(pair) for pair in PAIRS], sorted(map(repr, judgements.twice()))


@settings(deadline=None, max_examples=60)
@given(judged)
def test_a_line_says_what_was_said(one: Judged) -> None:
    """Writing and reading are inverse; a line with one byte changed is none."""
    noted = Noted("2026-01-01T00:00:00.000Z", "0123456789ab", 7, one)
    raw = line_of(noted)
    assert read(raw) == noted
    assert read(raw.replace(b'"seq":7', b'"seq":8')) is None


@settings(deadline=None, max_examples=80)
@given(said, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(saying: list[Judged | int], chance: random.Random) -> None:
    """The fold is the same in any order and with lines repeated: judgements merge by concatenation."""
    noted = lines(saying)
    mixed = noted + chance.sample(noted, len(noted) // 2)
    chance.shuffle(mixed)
    assert picture(folded(mixed)) == picture(folded(noted))


@settings(deadline=None, max_examples=80)
@given(said)
def test_the_last_that_stands_counts(saying: list[Judged | int]) -> None:
    """Of a pair the latest judgement counts that nobody took back; taking all back leaves nothing."""
    undone = {one for one in saying if isinstance(one, int)}
    found = folded(lines(saying))
    for pair in PAIRS:
        standing = [s for n, s in enumerate(saying, 1) if isinstance(s, Judged) and s.pair == pair and n not in undone]
        assert found.last(pair) == (standing[-1] if standing else None)
    assert found.count == sum(isinstance(s, Judged) and n not in undone for n, s in enumerate(saying, 1))
    everything = [*saying, *range(1, len(saying) + 1)]
    assert list(folded(lines(everything)).standing()) == []


def yes(n: int, key: str = "") -> Judged:
    return Judged(Pair(n, n + 1000), "yes", key=key)


def test_what_was_said_is_there_again(tmp_path: Path) -> None:
    """A new process reads every line; a key that was used is known; time and numbers go on."""
    path = tmp_path / "pairs" / "judgements.jsonl"
    ledger = Ledger(path, Disk())
    for n in range(5):
        ledger.write(yes(n, f"tabtab-{n}"))
    ledger.close()
    again = Ledger(path, Disk(), clock=lambda: datetime(1999, 1, 1, tzinfo=UTC))  # a clock that was set back
    assert again.judgements.count == 5
    assert again.judgements.keyed("tabtab-3") is not None
    noted = again.write(Judged(Pair(4, 1004), "no"))
    again.close()
    assert noted.seq == 6
    assert replay(path).last(Pair(4, 1004)) == noted.said


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Two reviews of one file would number lines twice: the second is refused, and may come when the first is gone."""
    path = tmp_path / "judgements.jsonl"
    first = Ledger(path, Disk())
    with pytest.raises(InUse):
        Ledger(path, Disk())
    first.close()
    Ledger(path, Disk()).close()


def test_a_file_cut_anywhere_heals(tmp_path: Path) -> None:
    """Cut at every byte: the lines before the cut stand, the rest is kept aside, and writing goes on."""
    whole = b"".join(line_of(noted) for noted in lines([yes(1), yes(2), 1]))
    ends = [n + 1 for n, byte in enumerate(whole) if byte == 10]
    for cut in range(0, len(whole), 3):
        path = tmp_path / f"{cut}" / "judgements.jsonl"
        path.parent.mkdir()
        path.write_bytes(whole[:cut])
        complete = sum(end - 1 <= cut for end in ends)  # a line needs no newline to be whole
        ledger = Ledger(path, Disk(sync=False))
        ledger.write(yes(7))
        ledger.close()
        found = [read(raw) for raw in path.read_bytes().splitlines()]
        assert len(found) == complete + 1
        assert None not in found
        torn = cut not in (0, *ends, *(end - 1 for end in ends))
        assert bool(ledger.warnings) == torn == bool(list(path.parent.glob("*torn*")))


def test_damage_is_refused_and_can_be_mended(tmp_path: Path) -> None:
    """A bad line before a good one: nothing is written; repair keeps the intact ones and the original."""
    path = tmp_path / "judgements.jsonl"
    noted = lines([yes(1), yes(2), yes(3), 3])
    raw = [line_of(one) for one in noted]
    path.write_bytes(raw[0] + raw[1].replace(b"yes", b"yEs") + raw[2] + raw[3])
    before = path.read_bytes()
    with pytest.raises(JudgementsDamaged, match=f"byte {len(raw[0])}"):
        Ledger(path, Disk())
    assert path.read_bytes() == before
    mended = salvage(path, Disk())
    assert mended is not None
    assert (mended[0], mended[1].read_bytes()) == (3, before)
    assert [s.pair for s in replay(path).standing()] == [Pair(1, 1001)]
    assert salvage(path, Disk()) is None


class Failing(Disk):
    """Its next sync of a file fails."""

    broken = False

    def sync(self, descriptor: int) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        super().sync(descriptor)


def test_a_failed_sync_is_never_taken_for_good(tmp_path: Path) -> None:
    """After it nothing more is written by this process: what the disk holds is not known."""
    disk = Failing()
    ledger = Ledger(tmp_path / "judgements.jsonl", disk)
    ledger.write(yes(1))
    disk.broken = True
    with pytest.raises(StorageFailed, match="could not be written"):
        ledger.write(yes(2))
    disk.broken = False
    with pytest.raises(StorageFailed):
        ledger.write(yes(3))
    ledger.close()
    assert replay(tmp_path / "judgements.jsonl").last(Pair(1, 1001)) is not None
