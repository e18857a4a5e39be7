"""What ends a command before it began: the user's mistakes, as lines for standard error. Imports nothing slow."""

from __future__ import annotations

from crawler.errors import ConfigError

__all__ = ["ConfigError", "UsageError"]


class UsageError(Exception):
    """A command line that cannot be read; exit 2. The text is for people and shows no option's value."""
