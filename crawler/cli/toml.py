"""TOML that the standard library does not do: the line of each key, and values written out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

Path = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' + r"|'''.*?'''(?:'{0,2})" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'",
    re.DOTALL,
)


def lines_of(text: str) -> Mapping[Path, int]:
    """The 1-based line of each key and each table header, by path; text that tomllib accepts.

    The first place wins where a path has several (a table that dotted keys go on with).
    """
    scanner = _Scanner(text)
    # A grammar that grew (TOML 1.1) must not end a command: then the places found so far have to do.
    with suppress(ValueError):
        scanner.document()
    return scanner.lines


class _Scanner:
    """Walks valid TOML by its grammar, keeping of it only where keys stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self.blank()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.blank()

    def header(self) -> Path:
        self.move(2 if self.text.startswith("[[", self.at) else 1)
        line = self.line
        table = self.key()
        self.lines.setdefault(table, line)
        self.move(1)
        if self.text.startswith("]", self.at):
            self.move(1)
        return table

    def pair(self, table: Path) -> None:
        line = self.line
        path = table + self.key()
        for end in range(len(table) + 1, len(path) + 1):
            self.lines.setdefault(path[:end], line)
        self.move(1)  # =
        self.spaces()
        self.value(path)

    def key(self) -> Path:
        parts: list[str] = []
        while True:
            self.spaces()
            found = _BARE.match(self.text, self.at)
            if found:
                parts.append(found[0])
            else:
                found = _STRING.match(self.text, self.at)
                if found is None:
                    raise ValueError(f"no key at character {self.at}")
                parts.append(next(iter(tomllib.loads(f"{found[0]} = 0"))))
            self.move(len(found[0]))
            self.spaces()
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.move(1)

    def value(self, path: Path) -> None:
        first = self.text[self.at : self.at + 1]
        if first == "[":
            self.listed("]", path)
        elif first == "{":
            self.listed("}", path)
        else:
            found = (_STRING if first in ('"', "'") else _SCALAR).match(self.text, self.at)
            self.move((len(found[0]) if found else 0) or 1)  # always onward, whatever the text

    def listed(self, close: str, path: Path) -> None:
        """An array's items or an inline table's pairs, up to its closing bracket."""
        self.move(1)
        self.blank()
        while not self.text.startswith(close, self.at):
            if close == "}":
                self.pair(path)
            else:
                self.value((*path, "[]"))  # keys of tables in arrays have no path of their own
            self.blank()
            if self.text.startswith(",", self.at):
                self.move(1)
                self.blank()
        self.move(1)

    def spaces(self) -> None:
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1

    def blank(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in " \t\r\n":
                self.move(1)
            else:
                return

    def move(self, characters: int) -> None:
        if self.at >= len(self.text):
            raise ValueError("the text ends inside a statement")
        self.line += self.text.count("\n", self.at, self.at + characters)
        self.at += characters


def write(value: object) -> str:
    """A value as TOML on one line: text, number, truth, list or table of those."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to write out thousands of decimal digits.
        return str(value) if value.bit_length() < 10_000 else hex(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{_text(k)} = {write(v)}" for k, v in pairs.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(write, cast("list[object]", value))) + "]"
    return str(value)


def _text(value: str) -> str:
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped and JSON leaves.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def show(value: object, most: int = 60) -> str:
    """A value as in a message: as TOML, never longer than `most` characters, no control character in it."""
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in write(value))
    return text if len(text) <= most else text[: most - 1] + "…"
