"""A snapshot is a shortcut and nothing else: with or without it, a log adds up to the same."""

from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_replay_fold import fold, logs, put, view, voids

from crawler.disk import Disk
from crawler.events import Closed, Described, Event, Failed, Line, Opened, Stored, Throttled, Voided
from crawler.log import snapshot
from crawler.log.codec import decode, encode
from crawler.log.reader import replay
from crawler.model import Image
from crawler.rules.frozen import pack, unpack
from crawler.rules.replay import State


def thawed(state: State) -> State:
    """The state, by way of bytes."""
    frozen = state.freeze()
    assert frozen is not None
    return State.thaw(unpack(b"".join(pack(frozen))))


def whole(state: State) -> dict[str, object]:
    """Everything that can be asked, and what only further lines would bring to light."""
    entries = {id: (entry.bit, entry.facts, entry.seen, entry.had, entry.lost) for id, entry in state._entries.items()}
    return view(state) | {"entries": entries, "voided": {k: v for k, v in state._voided.items() if v}}


@settings(deadline=None, max_examples=300)
@given(logs(), st.data())
def test_a_state_survives_its_bytes_and_goes_on(lines: list[Line], data: st.DataObject) -> None:
    """Frozen after any line and thawed it is the same, and folds what comes after as if nothing had been, or says
    that it cannot (a line was voided whose fact is no longer held apart).
    """
    cut = data.draw(st.integers(0, len(lines)))
    again = data.draw(st.lists(st.sampled_from(lines), max_size=5)) if lines else []
    state = fold(lines[:cut])
    copy = thawed(state)
    assert whole(copy) == whole(state)
    for line in [*lines[cut:], *again]:
        copy.apply(line)
        state.apply(line)
    assert copy.stale == state.stale
    assert whole(copy) == whole(state)
    assert copy.stale or view(copy) == view(fold(lines))
    assert not copy.stale or any(isinstance(line.event, Voided) for line in [*lines[cut:], *again])


@settings(deadline=None, max_examples=150)
@given(logs(), st.data())
def test_a_log_with_a_snapshot_is_the_log(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Line], data: st.DataObject
) -> None:
    """A snapshot after any line of a log, whatever comes after it, never changes what is read."""
    path = tmp_path_factory.getbasetemp() / "with" / "log.jsonl"
    (path.parent / ".crawl").mkdir(parents=True, exist_ok=True)
    raws = [raw_of(line) for line in lines]
    cut = data.draw(st.integers(0, len(lines)))
    path.write_bytes(b"".join(raws))
    frozen = fold(lines[:cut], voids(lines[:cut])).freeze()
    assert frozen is not None
    last = {log: max(line.seq for line in lines[:cut] if line.log == log) for log in {line.log for line in lines[:cut]}}
    snapshot.save(Disk(sync=False), path, frozen, len(b"".join(raws[:cut])), last)
    assert view(replay(path)) == view(fold(lines))


def raw_of(line: Line) -> bytes:
    event = line.event or Closed("x", {})
    if isinstance(event, Opened):
        event = replace(event, log=line.log)
    raw = encode(line.log, line.seq, line.t, event)
    if line.event is None:  # of a later version
        body = raw[: raw.rindex(b',"crc":')].replace(b'"closed"', b'"dreamt"')
        raw = b'%b,"crc":"%08x"}\n' % (body, crc32(body))
    return raw


ODD = "\ud800 夜 \n"


@pytest.mark.parametrize(
    "event",
    [
        Described(5, (Image(0, ODD, ODD), Image(1, "v", None, 2**70, 1)), {"x": ODD}),
        Stored(5, 0, "images/005/5_p0.png", 9, "0" * 64, "image/png", 1, 1, ODD, "u"),
        Failed(5, "zip", ODD, None, 5, False, ODD),
        Throttled(ODD, 0.5, None, ODD),
        Closed(ODD, {"x": float("nan")}),
    ],
)
def test_what_the_log_cannot_hold_the_snapshot_cannot_either(event: Event) -> None:
    """Strings and numbers that JSON has no place for are replaced in both alike."""
    raw = encode("a", 1, "t", event)
    line = decode(raw)
    assert line is not None
    state = fold([line])
    assert whole(thawed(fold([Line("a", 1, "t", event)])))["entries"] == whole(state)["entries"]


def test_many_unfinished_works_come_back() -> None:
    """More than one part of them, of both sites."""
    events = [Failed(id if id % 2 else str(id), None, "idle", None, 5, False) for id in range(1, 2500)]
    state = fold(put(*events))
    assert whole(thawed(state)) == whole(state)
    assert len(whole(state)["entries"]) == 2499  # type: ignore[arg-type]


@settings(deadline=None, max_examples=100)
@given(logs(), st.data())
def test_other_bytes_are_refused(lines: list[Line], data: st.DataObject) -> None:
    """What was cut off does not pass for a state."""
    frozen = fold(lines).freeze()
    assert frozen is not None
    packed = b"".join(pack(frozen))
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        unpack(packed[:cut])
