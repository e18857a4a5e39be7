"""One line on a terminal that says how far a command is that works through many images."""

from __future__ import annotations

import sys
import time


class ProgressLine:
    """Rewritten once a second on stderr; `verb` says what is done ("checked"), `began` is of time.monotonic."""

    def __init__(self, verb: str, began: float, *, shown: bool) -> None:
        self._verb = verb
        self._began = self._last = began
        self._shown = shown
        self._wrote = False

    def tell(self, images: int, size: int, verb: str = "") -> None:
        """So many images and bytes so far. Another `verb` than before begins anew."""
        from crawler import words

        now = time.monotonic()
        if verb and verb != self._verb:
            self._verb, self._began = verb, now
        if not self._shown or now - self._last < 1:
            return
        self._last = now
        rate = words.size(size / (now - self._began))
        text = f"{self._verb} {words.plural(images, 'image')}, {words.size(size)}, {rate}/s"
        print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
        self._wrote = True

    def end(self) -> None:
        """Take the line away."""
        if self._wrote:
            print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)
            self._wrote = False
