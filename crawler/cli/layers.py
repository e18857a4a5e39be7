"""The places a setting can come from: file, environment, flags. Each is read on its own; all faults are told."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from crawler.cli.keys import ENVIRONMENT_PREFIX, SESSION, SESSION_VARIABLE, Key, keys, nearest, nearest_key, sections
from crawler.cli.toml import lines_of
from crawler.store.address import is_address

FILES = (
    "source.path",
    "output.dir",
    "output.work_dir",
    "site.session_file",
    "network.ca_file",
    "collect.path",
    "collect.out",
)
"""Keys that name files: relative to the config file's folder in a file, to the working folder elsewhere."""
OTHER_VARIABLES = ("CRAWLER_DEBUG", "CRAWLER_FAILPOINT")
"""Variables of ours that are no settings: traces for bug reports, and planned deaths for tests."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LIST = re.compile(r"\s*([0-9]+|https?://\S+)\s*(\n|$)")
"""The beginning of a list of ids or URLs, given where a config belongs."""
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting came from. `where`: "FILE:LINE", "CRAWLER_X", "--x"; of a default "", or the key it follows."""

    kind: Literal["default", "file", "environment", "flag"]
    where: str = ""

    def rank(self) -> tuple[int, int]:
        """Sorts complaints: a file's by line, then the environment's, then those about flags."""
        line = self.where.rpartition(":")[2]
        return ("default", "file", "environment", "flag").index(self.kind), int(line) if line.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault, its place, and the key it is about ("" for a fault of a whole file)."""

    origin: Origin
    key: str
    text: str

    def line(self) -> str:
        """The fault as one line for people; a flag and a variable say the key themselves."""
        if self.key and self.origin.kind == "file":
            return f"{self.origin.where}: {self.key}: {self.text}"
        return f"{self.origin.where or self.key}: {self.text}"


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody set. For one entry of a table, `entry` is its name."""

    key: Key
    value: Any
    origin: Origin
    entry: str | None = None


@dataclass(slots=True)
class Layer:
    """What one place says: values and faults.

    `heads`: where each section begins, for faults about what is missing. `unread`: the place could not be read.
    """

    given: list[Given] = field(default_factory=list[Given])
    problems: list[Problem] = field(default_factory=list[Problem])
    heads: dict[str, Origin] = field(default_factory=dict[str, Origin])
    unread: bool = False

    def take(self, key: Key, value: Any, origin: Origin, base: str, entry: str | None = None) -> None:
        """Keep a value if it may stand, else the complaint. Files become absolute, below `base`."""
        value = _frozen(value)
        name, wrong = key.name, ""
        if entry is None:
            wrong = key.complaint(value)
        else:
            entry = entry.lower()
            name, wrong = f"{key.name}.{entry}", key.complaint({entry: value})
        if wrong:
            self.complain(origin, name, wrong)
            return
        if key.name in FILES:
            value = _absolute(value, base)
        self.given.append(Given(key, value, origin, entry))

    def complain(self, origin: Origin, key: str, text: str) -> None:
        """Note a fault."""
        self.problems.append(Problem(origin, key, text))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, cast("list[Any]", value))) if isinstance(value, list) else value


def _absolute(path: Any, base: str) -> Any:
    if isinstance(path, tuple):
        return tuple(_absolute(part, base) for part in cast("tuple[str, ...]", path))
    if path in ("", "-") or is_address(str(path)):
        return str(path)
    return os.path.abspath(os.path.join(base, os.path.expanduser(path)))


def from_file(config: Path) -> Layer:
    """The settings of a TOML file."""
    layer, label = Layer(), str(config)
    text = _read(config, label, layer)
    if text is None:
        layer.unread = True
        return layer
    try:
        tree = tomllib.loads(text)
        lines = lines_of(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n", 0, len(text.rstrip())) + 1
        hint = f"; to crawl a list, say --source.path {label}" if _LIST.match(text) else ""
        layer.complain(Origin("file", f"{label}:{line}"), "", f"not TOML: {_PLACE.sub('', str(error))}{hint}")
        layer.unread = True
        return layer
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        layer.complain(Origin("file", f"{label}:1"), "", "not a config: nested too deeply, or a number too long")
        layer.unread = True
        return layer
    base = os.path.dirname(os.path.abspath(config))
    layer.heads[""] = Origin("file", f"{label}:1")
    _FileReader(layer, label, lines, base).section(tree, ())
    return layer


def _read(config: Path, label: str, layer: Layer) -> str | None:
    def complain(text: str, place: str = "") -> None:
        layer.complain(Origin("file", label + place), "", text)

    try:
        return config.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        complain(f"no such file; `crawler init {label}` writes one")
    except IsADirectoryError:
        complain("is a folder; a config is a file, and `crawler init FILE` writes one")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        complain("not UTF-8 text", f":{line}")
    except (OSError, ValueError) as error:
        complain(f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return None


@dataclass(frozen=True, slots=True)
class _FileReader:
    layer: Layer
    label: str
    lines: Mapping[tuple[str, ...], int]
    base: str

    def origin(self, path: tuple[str, ...]) -> Origin:
        while path and path not in self.lines:
            path = path[:-1]
        return Origin("file", f"{self.label}:{self.lines.get(path, 1)}")

    def section(self, table: Mapping[str, Any], path: tuple[str, ...]) -> None:
        if path:
            self.layer.heads[".".join(path)] = self.origin(path)
        for name, value in table.items():
            self.item((*path, name), value)

    def item(self, path: tuple[str, ...], value: Any) -> None:
        name, origin = ".".join(path), self.origin(path)
        key = keys().get(name)
        if key is not None and key.shape == "table" and isinstance(value, dict) and value:
            for entry, text in cast("dict[str, Any]", value).items():
                for parts, leaf in _flat((entry,), text):
                    self.layer.take(key, leaf, self.origin((*path, *parts)), self.base, ".".join(parts))
        elif key is not None:
            self.layer.take(key, value, origin, self.base)
        elif name in sections():
            if isinstance(value, dict):
                self.section(cast("dict[str, Any]", value), path)
            else:
                self.layer.complain(origin, name, f"is a section: write [{name}] above its keys")
        elif name == SESSION:
            self.layer.complain(origin, name, _no_session("in a config file"))
        elif isinstance(value, dict) and value:
            self.section(cast("dict[str, Any]", value), path)
        else:
            self.layer.complain(origin, name, no_such_key(name))


def _flat(parts: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A host whose dots were not quoted (`resolve.www.example.org = …`) arrives as tables in tables."""
    if isinstance(value, dict) and value:
        for part, inner in cast("dict[str, Any]", value).items():
            yield from _flat((*parts, part), inner)
    else:
        yield parts, value


def no_such_key(name: str) -> str:
    """The complaint about an unknown key, with the nearest real one."""
    guess = nearest_key(name)
    return f"no such key; did you mean {guess}?" if guess else "no such key; `crawler init` writes a file with all"


def _no_session(where: str) -> str:
    return (
        f"is never taken {where}, where others can read it: put it in a file of mode 0600 "
        f"named by site.session_file, or in {SESSION_VARIABLE}"
    )


def from_environment(environ: Mapping[str, str]) -> Layer:
    """The settings among environment variables. The session is not one of them: see `crawler.cli.session`."""
    layer = Layer()
    table = {key.variable: key for key in keys().values()}
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in (*OTHER_VARIABLES, SESSION_VARIABLE):
            continue
        origin = Origin("environment", variable)
        key, entry = table.get(variable), None
        if key is None:
            key = next((k for v, k in table.items() if k.shape == "table" and variable.startswith(v + "__")), None)
            entry = variable[len(key.variable) + 2 :] if key else None
        if key is None:
            guess = nearest(variable.lower(), [v.lower() for v in (*table, *OTHER_VARIABLES, SESSION_VARIABLE)])
            hint = f"; did you mean {guess.upper()}?" if guess else ""
            layer.complain(origin, "", f"no such setting{hint}")
        else:
            read_text(layer, key, environ[variable], origin, entry)
    return layer


def from_flags(flags: Mapping[str, str | Sequence[str]]) -> Layer:
    """The settings among flags: dotted key (and `.entry` for tables) to text, or texts for a repeated flag."""
    layer = Layer()
    for name, text in flags.items():
        origin = Origin("flag", f"--{name}")
        key, entry = keys().get(name), None
        if key is None:
            key = next((k for k in keys().values() if k.shape == "table" and name.startswith(k.name + ".")), None)
            entry = name[len(key.name) + 1 :] if key else None
        if name == SESSION:
            layer.complain(origin, name, _no_session("on the command line"))
        elif key is None:
            layer.complain(origin, name, no_such_key(name))
        else:
            read_text(layer, key, text, origin, entry)
    return layer


def read_text(layer: Layer, key: Key, text: str | Sequence[str], origin: Origin, entry: str | None) -> None:
    """Take a setting given as text (or several, for lists): as `value_of` reads it."""
    value: Any
    if entry is not None:
        value = text
    elif isinstance(text, str):
        value = value_of(key, text)
    elif len(text) == 1:
        value = value_of(key, text[0])
    else:
        value = tuple(text)
    if key.shape == "table" and entry is None and isinstance(value, dict):
        value = {host.lower(): target for host, target in cast("dict[str, Any]", value).items()}
    layer.take(key, value, origin, os.getcwd(), entry)


def value_of(key: Key, text: str) -> Any:
    """The value a text stands for; the text itself where it stands for none (then it fails the key's own check)."""
    plain = text.strip()
    match key.shape:
        case "flag":
            return {"true": True, "false": False}.get(plain.lower(), text)
        case "whole":
            return int(plain) if _WHOLE.fullmatch(plain) and len(plain) < 1000 else text
        case "number":
            return float(plain) if _NUMBER.fullmatch(plain) else text
        case "text" | "choice":
            return text
        case "texts" | "choices" | "text_or_texts":
            listed = _inline(plain) if plain.startswith("[") and plain.endswith("]") else None
            if listed is None:
                return text if key.shape == "text_or_texts" else (text,)
            return listed
        case "table":
            tree = _inline(plain) if plain.startswith("{") else None
            return text if tree is None else tree


def _inline(text: str) -> Any:
    """A TOML value on its own; None where it is none."""
    try:
        tree = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return None
    return _frozen(tree["value"]) if tree.keys() == {"value"} else None
