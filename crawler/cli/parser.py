"""Reads command lines with argparse, strictly: no abbreviations, suggestions for what was mistyped."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from crawler.cli.errors import UsageError

TABLES = ("--network.resolve",)
"""Flags for tables: `--TABLE.ENTRY VALUE` sets one entry."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError instead of leaving the process."""

    def __init__(self, **options: Any) -> None:
        # "resolve": a command may give -v or -q a meaning of its own.
        options = {"allow_abbrev": False, "conflict_handler": "resolve"} | options
        super().__init__(formatter_class=_Formatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}\n`{self.prog} --help` tells what it takes")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments. Raises UsageError; SystemExit after --help."""
        argv = _entries(argv)
        # Mistyped options first: argparse would rather complain of what it takes to be missing.
        for argument in argv[: argv.index("--") if "--" in argv else len(argv)]:
            name = argument.partition("=")[0]
            if name.startswith("--") and " " not in name and name not in self._options():
                self.error(f"{name}: no such option{suggestion(name, self._options())}")
        args, rest = self.parse_known_args(argv)
        if rest:
            # What is too much may be a secret whose flag was mistyped.
            secret = any("session" in argument.lower() for argument in argv)
            self.error("too many arguments" if secret else f"{rest[0]}: not expected here")
        return args

    def _options(self) -> list[str]:
        # argparse has no public list of them; these names have stood since Python 2.7.
        own = list(vars(self)["_option_string_actions"])
        inner = [choice for action in vars(self)["_actions"] for choice in _parsers(action.choices)]
        return own + [name for parser in inner for name in parser._options()]


def _parsers(choices: object) -> list[Parser]:
    """The commands of a command."""
    if not isinstance(choices, dict):
        return []
    named = cast("dict[str, object]", choices)
    return [parser for parser in named.values() if isinstance(parser, Parser)]


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)


def suggestion(word: str, words: Sequence[str]) -> str:
    """`; did you mean X?`, or nothing where no word is near. A flag's last part alone will do: --rate."""
    found = difflib.get_close_matches(word, words, n=1)
    if not found:
        last = word.strip("-").rpartition(".")[2]
        found = [w for w in words if last and w.rpartition(".")[2] == last][:1]
    return f"; did you mean {found[0]}?" if found else ""


def _entries(argv: Sequence[str]) -> list[str]:
    """`--network.resolve.HOST X` (or `=X`) as argparse can take it: `--network.resolve=HOST=X`."""
    out: list[str] = []
    rest = iter(argv)
    for argument in rest:
        table = next((t for t in TABLES if argument.startswith(t + ".")), None)
        if table is None:
            out.append(argument)
            continue
        entry, equals, value = argument[len(table) + 1 :].partition("=")
        if not equals:
            value = next(rest, None) or ""
        out.append(f"{table}={entry}={value}")
    return out
