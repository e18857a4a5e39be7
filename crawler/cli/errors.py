"""What ends a command before it began: the user's mistakes, as lines for standard error. Imports nothing slow."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigError(Exception):
    """Settings that cannot be used; exit 2. `lines` are complete messages, `FILE:LINE: KEY: what is wrong` each."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class UsageError(Exception):
    """A command line that cannot be read; exit 2. The text is for people and shows no option's value."""
