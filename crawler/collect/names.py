"""Which lists are to be read: the names in tag files and in the config, with what is wrong told by file and line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crawler.collect.settings import CollectSettings
from crawler.sources.ids import Problem, parse_id
from crawler.sources.lines import SourceError, Tally, read_lines, text_of

LONGEST = 200
"""Characters of a tag; the site's own have at most thirty."""
PROBLEMS_SHOWN = 20


@dataclass(slots=True)
class Names:
    """The names in order, each once; how often one came again; what is malformed (at most 20, and how many more)."""

    names: list[str] = field(default_factory=list[str])
    duplicates: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    more_problems: int = 0
    digest: str = ""

    def add(self, name: str | Problem, seen: set[str]) -> None:
        """Take a name, or what is wrong with one, in."""
        if isinstance(name, Problem):
            if len(self.problems) < PROBLEMS_SHOWN:
                self.problems.append(name)
            else:
                self.more_problems += 1
        elif name in seen:
            self.duplicates += 1
        else:
            seen.add(name)
            self.names.append(name)


def read_names(settings: CollectSettings) -> Names:
    """The lists that the settings name: of files, one a line, `#` before a comment, then of `collect.tags`.

    Reads the disk. Raises SourceError for a file that cannot be read.
    """
    found, seen, tally = Names(), set[str](), Tally()
    paths = (settings.path,) if isinstance(settings.path, str) else settings.path
    for path in paths:
        if not path:
            continue
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}; nothing was asked of any site") from error
        for line, raw in enumerate(read_lines(io.BytesIO(data), path, Tally()), 1):
            text = text_of(raw)
            name = text if isinstance(text, Problem) else _name(text, settings.kind)
            if isinstance(name, Problem):
                name = Problem(name.why, name.text, path, line)
            if name:
                found.add(name, seen)
        tally.add(data)
    for number, text in enumerate(settings.tags, 1):
        name = _name(text, settings.kind) or Problem("empty")
        tally.add(text.encode() + b"\n")
        found.add(
            Problem(name.why, name.text, f"collect.tags, item {number}") if isinstance(name, Problem) else name, seen
        )
    found.digest = tally.sha256.hexdigest()
    return found


def told(names: Names) -> Iterator[str]:
    """What is wrong with the names, a line each."""
    yield from map(str, names.problems)
    if names.more_problems:
        yield f"... and {names.more_problems:,} more malformed lines"


def _name(text: str, kind: str) -> str | Problem:
    """The name on a line; "" for a blank line or a comment."""
    text = text.strip().lstrip("\ufeff").strip()
    if not text or text.startswith("#"):
        return ""
    if kind == "links":
        id = parse_id(text)
        return id if isinstance(id, Problem) else str(id)
    if kind in ("users", "bookmarks"):
        return _user(text)
    if len(text) > LONGEST:
        return Problem(f"a tag of more than {LONGEST} characters", text)
    if not all(c.isprintable() or c in " \u3000" for c in text):
        return Problem("a character that no tag has: one tag a line, and nothing else", text)
    if text.strip(".") == "":
        return Problem("only dots: no search can be made for it", text)
    return text


def _user(text: str) -> str | Problem:
    """A user's number, bare or as a link to the user's page."""
    digits = text
    for mark in ("/users/", "member.php?id=", "/u/"):
        if mark in text:
            digits = text.partition(mark)[2].partition("/")[0].partition("?")[0].partition("&")[0]
    if digits.isascii() and digits.isdigit() and len(digits) < 18 and 0 < int(digits) < 2**53:
        return str(int(digits))
    return Problem("neither the number of a user nor a link to one", text)
