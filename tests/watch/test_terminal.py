"""Laws of the screen: it fits, nothing from the site gets through raw, it costs next to nothing."""

import asyncio
import io
import re
import time
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import API, BUSY, HOSTILE, IMAGES, NOON, later, snapshots, tracked

from crawler.fetch.exchange import Day
from crawler.progress import Note, Snapshot
from crawler.simulate.loop import run_virtual
from crawler.watch.show import watch
from crawler.watch.style import fit, pad
from crawler.watch.terminal import Place, frame
from crawler.words import clean

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen(io.StringIO):
    """A terminal as far as Python can tell."""

    def isatty(self) -> bool:
        return True


def drawn(now: Snapshot, width: int = 80, height: int = 40) -> list[str]:
    track = tracked(*(later(now, i - 100, works=i - 100, images=2 * (i - 100)) for i in range(100)), now)
    trouble = Note(NOON - 60, "throttled", "", "www.pixiv.net now 0.31/s")
    return [line.plain.rstrip() for line in frame(now, track, Place(width, height, UTC), trouble)]


def test_the_screen_at_80_columns() -> None:
    """How far, how long still, what the limit is, what went wrong last: all on one screen of 80 x 24."""
    assert drawn(BUSY, 80, 24) == [
        " crawler  data/popular                                     crawling, 7 h 00 min",
        "",
        " works     ━━━━━━━━━━━━━━━━────────────────   52.0 %  139,444 of 268,118 listed",
        " images    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━─   99.8 %  231,004 of 231,400 known",
        "",
        " time left 34 to 37 h   API 34 to 37 h, images 28 to 32 h",
        " limit     API budget 0.6/s   32 works in flight",
        " speed     60.0 works/min   2.0 images/s   2.00 kB/s   ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇",
        " so far    441 GB in 231,004 images   12,000 requests, 412 repeated",
        " trouble   11:59:00  www.pixiv.net now 0.31/s",
        "",
        " outcomes  ━ 98,211 done   ━ 41,022 gone   ━ 211 failed   ─ 128,674 to do",
        "           not found 38,822   restricted 1,900   filtered 300   truncated 180",
        "",
        " host               rate               queue  open     asked  refused    reply",
        " www.pixiv.net      0.6/s                 28     2   120,439       14   213 ms",
        " i.pximg.net        1/s                    3     4   300,439        2",
        "",
        " 11:59:57  stored     12345678   p0 2.31 MB",
        " 11:59:59  failed     59120035   p2 truncated",
    ]


def test_a_block_is_said_where_it_matters() -> None:
    """In the limit and at the host, with the time of day."""
    text = "\n".join(drawn(replace(BUSY, hosts=(replace(API, blocked_s=92.0), IMAGES)), 100))
    assert "limit     API blocked until 12:01" in text
    assert "blocked to 12:01" in text


def test_a_spent_day_is_said_where_it_matters() -> None:
    """In the limit with its day, and at the host."""
    spent = replace(API, daily=Day(500, 500, 0, 0, 7200.0))
    text = "\n".join(drawn(replace(BUSY, hosts=(spent, IMAGES)), 100))
    assert "limit     daily budget of www.pixiv.net spent until 2026-01-01 14:00" in text
    assert "spent to 14:00" in text


def test_of_a_long_path_the_end_is_shown() -> None:
    """The part of a path that tells runs apart is its last."""
    first = drawn(replace(BUSY, directory="/a" * 80 + "/popular"), 80)[0]
    assert first.startswith(" crawler  …")
    assert "/popular " in first


@settings(max_examples=80, deadline=None)
@given(snapshots(), st.integers(60, 200), st.integers(2, 60))
def test_any_run_fits_any_screen(now: Snapshot, width: int, height: int) -> None:
    """No line is wider than the screen, no screen is full, nothing raw gets through; whatever the site's words are."""
    lines = frame(now, tracked(now), Place(width, height, UTC), now.notes[-1] if now.notes else None)
    assert len(lines) <= max(1, height - 1)
    for line in lines:
        assert line.cell_len <= width
        assert clean(line.plain) == line.plain


@given(st.text(), st.integers(0, 60))
def test_fitted_text_fits(text: str, cells: int) -> None:
    """Wide letters count as two; padding is exact."""
    from rich.cells import cell_len

    text = clean(text)
    assert cell_len(fit(text, cells)) <= cells
    assert cell_len(pad(text, cells)) == cells


def show_for(seconds: float, now: Snapshot, screen: Screen, mode: str = "auto") -> float:
    """Shows a moving run for a while of made-up time; the processor seconds that a look took."""

    async def main() -> float:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, done.set)
        began, cpu = loop.time(), time.process_time()
        steps = 0

        def pull() -> Snapshot:
            nonlocal steps
            steps += 1
            return later(now, loop.time() - began, works=steps, images=3 * steps)

        await watch(mode, pull, done, stream=screen, every_s=0.05)
        return (time.process_time() - cpu) / steps

    return run_virtual(main())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")


@pytest.mark.usefixtures("terminal")
def test_the_display_draws_and_leaves_the_bars() -> None:
    """On a terminal `auto` is the screen; hostile words are harmless; at the end the bars stay, the cursor is back."""
    hostile = tuple(Note(NOON, "failed", str(i), words) for i, words in enumerate(HOSTILE))
    screen = Screen()
    show_for(0.3, replace(BUSY, notes=hostile), screen)
    text = screen.getvalue()
    assert "\x1b[32m" in text
    assert text.rindex("\x1b[?25h") > text.rindex("works")
    bare = CODES.sub("", text)
    assert "\x1b" not in bare
    assert not set(bare) & set("\u202e\u2066\x07\x85\u2028")
    last = bare[bare.rindex(" works ") :]
    assert "time left" not in last
    assert "listed" in last


@pytest.mark.usefixtures("terminal")
def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR the screen moves the cursor, and sets no colour nor weight."""
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    show_for(0.2, BUSY, screen)
    assert not re.search(r"\x1b\[[0-9;]*m", screen.getvalue().replace("\x1b[0m", ""))


@pytest.mark.usefixtures("terminal")
def test_the_display_costs_little() -> None:
    """A redraw that changed takes a few milliseconds of processor: at 2.5 a second about one per cent of a core."""
    costs = [show_for(0.5, BUSY, Screen()) for _ in range(3)]
    assert min(costs) < 0.03  # measured 0.003; the bound leaves room for a slow and busy machine


@pytest.mark.usefixtures("terminal")
def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cursor cannot move, `auto` prints lines without a code."""
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    show_for(0.1, BUSY, screen)
    assert "\x1b" not in screen.getvalue()
    assert "works 139," in screen.getvalue()
