"""How things look: colours by meaning, text fitted to cells, and consoles that respect NO_COLOR and pipes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO

from rich.cells import cell_len, chop_cells
from rich.console import Console, RenderableType
from rich.text import Text

from crawler.watch.streams import is_terminal

# Only the sixteen colours that a terminal's theme defines, and never white or black: readable on light and dark alike.
GOOD, GONE, BAD, WAIT, FAINT, STRONG = "green", "cyan", "red", "yellow", "dim", "bold"
EVENT = {
    "opened": STRONG,
    "closed": STRONG,
    "described": "blue",
    "stored": GOOD,
    "gone": GONE,
    "failed": BAD,
    "voided": "magenta",
    "throttled": WAIT,
    "spent": WAIT,
    "listed": FAINT,
    "damaged": BAD,
}
_WIDEST = 132


def console(stream: IO[str] | None = None, width: int | None = None) -> Console:
    """A console for `stream` (default: stdout): no codes when piped, no colours under NO_COLOR, no guesses in text."""
    out: IO[str] = sys.stdout if stream is None else stream
    plain = bool(os.environ.get("NO_COLOR"))
    made = Console(
        file=out,
        width=width,
        color_system=None if plain else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not is_terminal(out),
    )
    if width is None and made.is_terminal:
        made.width = max(40, min(_WIDEST, made.width))
    return made


def say(what: RenderableType, stream: IO[str] | None = None) -> None:
    """Prints a result: styled on a terminal, plain when piped."""
    console(stream).print(what)


def fit(text: str, cells: int) -> str:
    """`text` in at most `cells` cells, wide letters counted as two; what was cut is marked with an ellipsis."""
    if cell_len(text) <= cells:
        return text
    if cells <= 1:
        return "…"[: max(0, cells)]
    return chop_cells(text, cells - 1)[0] + "…"


def fit_end(text: str, cells: int) -> str:
    """Like `fit`, but the end is kept: for paths."""
    if cell_len(text) <= cells:
        return text
    while text and cell_len(text) >= cells:
        text = text[1:]
    return "…" + text if cells > 0 else ""


def pad(text: str, cells: int, right: bool = False) -> str:
    """`text` in exactly `cells` cells: cut or filled with spaces, on the left side when `right` is true."""
    text = fit(text, cells)
    space = " " * (cells - cell_len(text))
    return space + text if right else text + space


def joined(parts: Iterable[tuple[str, str]], gap: str = "   ") -> Text:
    """Styled pieces in a row, `gap` between them."""
    out = Text(no_wrap=True, overflow="ellipsis", end="")
    for text, style in parts:
        if out:
            out.append(gap)
        out.append(text, style)
    return out
