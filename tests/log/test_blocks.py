"""Lines read and taken in many at once: as one by one, whatever they say, and wherever they are cut into blocks."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.disk import Disk
from crawler.events import Closed, Described, Event, Failed, Gone, Line, Stored, Throttled, Voided
from crawler.log.blocks import alone, read
from crawler.log.codec import Glimpse, decode, encode, seal, skim
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image, Page, WorkId
from crawler.rules.block import Block
from crawler.rules.naming import image_path
from crawler.rules.replay import State

LOGS = ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
PAGES: dict[WorkId, tuple[Page, ...]] = {1: (0,), 2: (0, 1), 3: ("zip",), 4: (), 1005: (0, 1, 2), "k": (0,), "l": (0,)}
T = "2026-01-02T03:04:05.678Z"


def described(id: WorkId) -> Described:
    return Described(id, tuple(Image(page, "u", None, 1, 2) for page in PAGES[id]), {"title": '"event":"stored"'})


def stored(id: WorkId, page: Page) -> Stored:
    """Of an image at most one content of `stored` stands: the law leans on it."""
    path = image_path(id, page, "zip" if page == "zip" else "webp" if page == 1 else "jpg")
    size = 10 + len(path) + (7 if page == "zip" else 3 * page)
    return Stored(id, page, path, size, "0" * 64, "image/png", 1, None, ("original", "regular")[size % 2], 'u"é')


ids = st.sampled_from(list(PAGES))
numbers = st.sampled_from([id for id in PAGES if isinstance(id, int)])
images = st.sampled_from([(id, page) for id, pages in PAGES.items() for page in (*pages, *((9,) if id == 2 else ()))])
an_event: st.SearchStrategy[Event] = st.one_of(
    images.map(lambda image: stored(*image)),
    images.map(lambda image: stored(*image)),
    st.builds(described, numbers),
    st.builds(described, numbers),
    st.builds(Gone, ids, st.sampled_from(["purged", "not_found"])),
    st.builds(Failed, ids, st.none() | st.just(0), st.just("idle"), st.none(), st.just(1), st.booleans()),
    st.builds(Throttled, st.just("h"), st.sampled_from([0.5, 1.0]), st.none(), st.just("slow")),
    st.just(Closed("finished", {})),
)


@st.composite
def logs(draw: st.DrawFn, *, voiding: bool = True) -> list[Line]:
    """Lines of two logs; some of them are voided by later ones. Often works are whole: that is most of a log."""
    events = draw(st.lists(an_event, max_size=12))
    for work in draw(st.lists(ids, max_size=5, unique=True)):
        events += [stored(work, page) for page in PAGES[work]] + ([described(work)] if isinstance(work, int) else [])
    order = draw(st.permutations(events))
    lines: list[Line] = []
    last = dict.fromkeys(LOGS, 0)
    for n, event in enumerate(order):
        log = LOGS[draw(st.integers(0, 1))]
        last[log] += 1
        lines.append(Line(log, last[log], f"2026-01-01T00:{n % 7:02}:00.000Z", event))
    for line in draw(st.lists(st.sampled_from(lines), max_size=2, unique_by=id)) if lines and voiding else []:
        log = LOGS[0]
        last[log] += 1
        known = getattr(line.event, "id", None) if draw(st.booleans()) else None
        lines.append(Line(log, last[log], T, Voided(line.log, line.seq, "repair", known)))
    return lines


def raw_of(line: Line) -> bytes:
    assert line.event is not None
    return encode(line.log, line.seq, line.t, line.event)[:-1]


def told(block: Block) -> list[Glimpse | Line]:
    """What a block says, line by line."""
    by_place: dict[int, Glimpse | Line] = {}
    for at, (moment, id, page, size, quality) in zip(block.stored_at, block.stored(set()), strict=True):
        by_place[at] = Glimpse(moment[1], moment[2], moment[0], id, None, page, size, quality)
    for at, (moment, id, found) in zip(block.described_at, block.described(set()), strict=True):
        by_place[at] = Glimpse(moment[1], moment[2], moment[0], id, found)
    others = iter(block.others)
    return [by_place[at] if at in by_place else next(others) for at in range(len(block.raws))]


@settings(deadline=None, max_examples=150)
@given(logs(voiding=False))
def test_a_block_says_what_its_lines_say(lines: list[Line]) -> None:
    """As encode writes them lines are read in one go, whatever they are; each is what it is alone, and has its file."""
    raws = [raw_of(line) for line in lines]
    block = read(raws)
    assert block is not None
    assert told(block) == [skim(raw) for raw in raws]
    assert list(zip(block.logs, block.seqs, block.ts, strict=True)) == [(line.log, line.seq, line.t) for line in lines]
    assert list(block.files) == [(e.path, e.bytes) for line in lines if isinstance(e := line.event, Stored)]
    for raw in raws:
        one = alone(raw)
        assert one is not None
        assert told(one) == [skim(raw)]


odd = st.one_of(
    st.sampled_from([True, None, -1, 0, 3, 2**63, 1.0, "", "..", "zip", "7", [], {}, [{}], {"page": 0}]),
    st.sampled_from([[{"page": page, "url": "u"}] for page in (-1, True, 0.0, "zip", "x", None, [])]),
    st.sampled_from([[{"page": 0}], [{"url": "u"}], [[]], [None], "ab"]),
)
KEYS = "log seq t id page path bytes sha256 mime quality width url images work event more"
keys = st.sampled_from(KEYS.split())


@settings(deadline=None, max_examples=500)
@given(st.sampled_from([stored(1, 0), stored(3, "zip"), stored("k", 0), described(2)]), st.data())
def test_an_odd_line_is_read_as_it_is_alone_or_not_at_all(event: Event, data: st.DataObject) -> None:
    """A line whose checksum is right, a key of which is another, is missing, or is one more: a block has what `skim`
    has of it, and what is no line to `skim` is in no block."""
    fields_: dict[str, Any] = orjson.loads(encode(LOGS[0], 2, T, event))
    del fields_["crc"]
    for key in data.draw(st.lists(keys, min_size=1, max_size=2)):
        if data.draw(st.booleans()):
            fields_[key] = data.draw(odd)
        elif key != "seq":
            fields_.pop(key, None)
    raw = seal(fields_)[:-1]
    before, after = (raw_of(Line(LOGS[0], seq, T, stored(1005, seq - 1))) for seq in (1, 3))
    said = skim(raw)
    one, block = alone(raw), read([before, raw, after])
    assert (one is None) == (said is None)
    for found, at in ((one, 0), (block, 1)):
        assert found is None or same(told(found)[at], said)


def same(one: Glimpse | Line, other: Glimpse | Line | None) -> bool:
    """A line that `skim` reads in full, as it does where a key is one more, is the same line."""
    if isinstance(one, Glimpse) and isinstance(other, Line):
        event, line = other.event, (other.log, other.seq, other.t)
        if isinstance(event, Described):
            return one == Glimpse(*line, event.id, event.images)
        return isinstance(event, Stored) and one == Glimpse(
            *line, event.id, None, event.page, event.bytes, event.quality
        )
    return one == other


@pytest.mark.parametrize("where", [0, 1, 2])
def test_bytes_that_are_no_line_are_in_no_block(where: int) -> None:
    """Of every line each byte counts, also those that nobody reads; what stands behind a work's metadata too."""
    raws = [
        raw_of(Line(LOGS[0], 1 + n, T, event)) for n, event in enumerate([described(2), stored(2, 0), stored(2, 1)])
    ]
    good = raws[where]
    for at in range(len(good)):
        raws[where] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        assert read(raws) is alone(raws[where]) is None
    for bad in (b"", good + b" ", good[1:], seal({"seq": 1}), b"[]", good + b"," + good):
        raws[where] = bad
        assert read(raws) is alone(bad) is None
    cut = seal(orjson.loads(good[: good.index(b',"crc"')] + b"}") | {"work": 1})[:-1]  # of an image: a key too many
    raws[where] = cut
    assert read(raws) is None or where == 0


def blocks_of(raws: Sequence[bytes]) -> list[Block]:
    block = read(raws)
    found = [block] if block is not None else [alone(raw) for raw in raws]
    return [block for block in found if block is not None]


def view(state: State) -> dict[str, Any] | None:
    """All that a state keeps."""
    frozen = state.freeze()
    if frozen is None:
        return None
    kept = {field.name: getattr(frozen, field.name) for field in fields(frozen)}
    return kept | {"unfinished": dict(frozen.unfinished), "totals": state.totals()}


@settings(deadline=None, max_examples=400)
@given(logs(), st.randoms(use_true_random=False), st.booleans(), st.data())
def test_blocks_fold_as_their_lines_do(
    lines: list[Line], dice: random.Random, knowing: bool, data: st.DataObject
) -> None:
    """In any order, repeated, and cut into blocks anywhere: the state is that of the lines one by one, also where
    lines are voided that were known to be or were not."""
    again = lines + (data.draw(st.lists(st.sampled_from(lines), max_size=10)) if lines else [])
    if data.draw(st.booleans()):
        dice.shuffle(again)
    voided = {(e.log, e.seq) for line in lines if isinstance(e := line.event, Voided)} if knowing else set()
    plain, folded = State(voided), State(voided)
    while again:
        count = data.draw(st.integers(1, len(again)))
        for line in again[:count]:
            plain.apply(line)
        for block in blocks_of([raw_of(line) for line in again[:count]]):
            folded.take(block)
        again = again[count:]
        assert view(folded) == view(plain)
        assert folded.stale == plain.stale


@pytest.mark.parametrize(
    "events",
    [
        [described(2), stored(2, 0), stored(2, 1), stored(2, 9)],  # a page that nobody described
        [described(2), stored(2, 0), stored(2, 0), stored(2, 1)],  # an image twice, at two places in time
        [described(2), described(2), stored(2, 0), stored(2, 1)],
        [described(4), described(4)],
        [stored("k", 0), stored("k", 0)],
        [Described("k", (), {}), stored(1, 0)],  # a link is its one image, whatever is said of it
        [Described(1, (Image(0, "u"), Image(0, "v")), {}), stored(1, 0)],  # never whole: it has two
    ],
)
def test_blocks_of_what_is_hardly_ever_written(events: list[Event]) -> None:
    """One block of them says what the lines say one by one."""
    plain, folded = State(), State()
    raws = of_other(*events)
    for raw in raws:
        line = decode(raw)
        assert line is not None
        plain.apply(line)
    block = read(raws)
    assert block is not None
    folded.take(block)
    assert view(folded) == view(plain)


def test_a_work_that_is_whole_in_a_block_is_never_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a log goes the short way: works described and stored in one block cost no call for a line."""
    events = [event for id in (1, 2, 3, 4, 1005) for event in (described(id), *(stored(id, p) for p in PAGES[id]))]
    block = read([raw_of(Line(LOGS[0], seq, T, event)) for seq, event in enumerate(events[::-1], 1)])
    assert block is not None
    state = State()
    for name in ("stored", "described", "apply"):
        monkeypatch.setattr(State, name, None)
    state.take(block)
    assert (state.totals().done, state.totals().images) == (5, 7)


async def opened(folder: Path) -> Log:
    return await Log.open(folder, LogSettings(), Disk())


def of_other(*events: Event, log: str = LOGS[0], first: int = 1) -> list[bytes]:
    return [raw_of(Line(log, seq, T, event)) for seq, event in enumerate(events, first)]


def test_what_is_merged_is_in_the_log_as_it_was(tmp_path: Path) -> None:
    """Lines of two logs: byte for byte, told in order, each once; known ones are passed over; the log reopened has the
    same state."""
    raws = of_other(described(2), stored(2, 0), Gone(1, "purged"), stored(2, 1)) + of_other(
        stored(1005, 0), log=LOGS[1]
    )

    async def run() -> None:
        log = await opened(tmp_path)
        heard: list[Event] = []
        log.committed = heard.extend
        first, both = read(raws[:2]), read(raws)
        assert first is not None
        assert both is not None
        assert [block.raws for block in log.merge(first)] == [raws[:2]]
        assert [list(block.raws) for block in log.merge(both)] == [[raw] for raw in raws[2:]]
        assert list(log.merge(both)) == []
        assert (log.last_of(LOGS[0]), log.last_of(LOGS[1])) == (4, 1)
        await log.commit()
        assert heard == [line.event for raw in raws if (line := decode(raw)) is not None]
        seen = view(log.state)
        await log.close()
        assert (tmp_path / "log.jsonl").read_bytes() == b"".join(raw + b"\n" for raw in raws)
        again = await opened(tmp_path)
        assert view(again.state) == seen
        await again.close()

    asyncio.run(run())


def test_of_each_log_no_line_is_left_out(tmp_path: Path) -> None:
    """Behind a gap nothing is taken, and what came before it is; nor are lines of the log itself."""

    async def run() -> None:
        log = await opened(tmp_path)
        log.note(Gone(9, "purged"))
        for raws in (
            of_other(described(1)) + of_other(stored(1, 0), first=3),
            of_other(stored(1, 0), first=4),
            of_other(stored(1, 0), log=log.id, first=2),
            of_other(stored(2, 0), log=LOGS[1]) + of_other(stored(1, 0), log=log.id, first=2),
        ):
            block = read(raws)
            assert block is not None
            with pytest.raises(ValueError, match=r"of another log|missing before"):
                list(log.merge(block))
            assert (log.last_of(LOGS[0]), log.last_of(LOGS[1])) == (1, 0)
        await log.close()
        assert len((tmp_path / "log.jsonl").read_bytes().splitlines()) == 2

    asyncio.run(run())
