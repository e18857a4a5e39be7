"""What is wrong with settings, told before anything is asked of any site. Imports nothing slow."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigError(Exception):
    """Settings that cannot be used; exit 2. `lines` are complete messages, `PLACE: KEY: what is wrong` each."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
