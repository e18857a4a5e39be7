"""Finding the lines of single works in a log, and choosing which are old enough to be asked again."""

import asyncio
import random
from pathlib import Path

import pytest
from pyroaring import BitMap64

from crawler.disk import Disk
from crawler.engine.past import Past
from crawler.engine.recheck import Recheck, choose
from crawler.events import Described, Event, Failed, Gone, Line, Stored, Throttled
from crawler.log.reader import replay, scan
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image, WorkId, bit_of
from crawler.rules.naming import image_path

DAY = 86400.0


def write(root: Path, events: list[tuple[float, Event]]) -> Path:
    """A log with these events at these times (UTC seconds)."""

    async def go() -> None:
        log = await Log.open(root, LogSettings(), Disk(sync=False))
        for t, event in events:
            log.clock = lambda t=t: t
            log.note(event)
        await log.close()

    asyncio.run(go())
    return root / "log.jsonl"


def described(id: int, pages: int = 1, filler: int = 0) -> Described:
    return Described(id, tuple(Image(p, f"https://i/{id}/{p}") for p in range(pages)), {"x": "y" * filler})


def stored(id: WorkId, page: int = 0) -> Stored:
    return Stored(id, page, image_path(id, page, "png"), 1, "0" * 64, "image/png", 1, 1, "original", "u")


def test_every_line_of_a_work_is_found(tmp_path: Path) -> None:
    """In any mixture, with lines longer than a block: exactly the lines of the work, in the log's order."""
    dice = random.Random(1)
    ids: list[WorkId] = [*range(1, 40), "aa", "bb", 2**60]
    events: list[Event] = [Throttled("h", 1.0, None, "slow")]
    for _ in range(300):
        id = dice.choice(ids)
        kinds: list[Event] = [stored(id), Gone(id, "not_found"), Failed(id, None, "idle", None, 1, False)]
        if isinstance(id, int):
            kinds.append(described(id, dice.randrange(1, 5), dice.choice([0, 10, 70_000, 200_000])))
        events.append(dice.choice(kinds))
    path = write(tmp_path, [(1e9 + n, event) for n, event in enumerate(events)])
    wanted = ids[::2]
    past = Past(path, BitMap64(map(bit_of, wanted)))
    try:
        for id in ids:
            lines: list[Line] = [line for _, line in scan(path) if getattr(line.event, "id", None) == id]
            assert past.lines(id) == (lines if id in wanted else [])
    finally:
        past.close()


@pytest.mark.parametrize(
    ("which", "older_s", "chosen"),
    [
        ("gone", 0, {1, 2, 3}),
        ("restricted", 0, {2}),
        ("failed", 0, {5, 8}),
        ("all", 0, {1, 2, 3, 5, 6, 7, 8}),
        ("gone", 5 * DAY, {1, 2}),
        ("gone", 30 * DAY, set[int]()),
        ("all", 5 * DAY, {1, 2, 5, 6, 7}),
    ],
)
def test_who_is_chosen(tmp_path: Path, which: str, older_s: float, chosen: set[int]) -> None:
    """Gone, hidden, failed for good (a work or an image of it), or all, of the listed ones; never what was purged; and
    only answers that are old enough, where a failure for now is no answer."""
    now = 1_700_000_000.0
    old, new = now - 10 * DAY, now - DAY
    events: list[tuple[float, Event]] = [
        (old, Gone(1, "not_found")),
        (old, Gone(2, "restricted")),
        (new, Gone(3, "filtered", "ai")),
        (old, Gone(4, "purged")),
        (old, Failed(5, None, "bad_reply", None, 1, True)),
        (old, described(6)),
        (old, stored(6)),
        (old, described(7)),
        (new, Failed(7, 0, "idle", None, 5, False)),
        (old, described(8, 2)),
        (old, stored(8)),
        (new, Failed(8, 1, "not_found", 404, 1, True)),
        (old, Gone(99, "not_found")),
    ]
    path = write(tmp_path, events)
    recheck = Recheck(which, older_s)  # pyright: ignore[reportArgumentType] - the parameter's values are the names
    found, past = choose(recheck, replay(path), path, BitMap64(range(1, 11)), now)
    if past is not None:
        past.close()
    assert set(found) == chosen
