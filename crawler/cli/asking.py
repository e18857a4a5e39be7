"""The questions of `crawler init` on a terminal: each with a default and its reason, and no answer taken unseen."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crawler.cli.errors import UsageError
from crawler.cli.keys import keys
from crawler.cli.layers import Origin
from crawler.settings import Settings
from crawler.store.address import is_address, missing_extra, problem
from crawler.words import clean, count, duration, plural, size

if TYPE_CHECKING:
    from crawler.cli.estimate import Estimate

T = TypeVar("T")

_KINDS = ("ids", "pairs", "urls")
_INDENT = " " * 5
_LOOK_BYTES = 65_536
_KNOWN_LIMIT = 0.8
"""Metadata requests a second that the site lets one account make for long (pixiv.md 0)."""
_RATINGS = {
    "0": "all ages",
    "1": "all ages and R-18",
    "2": "all ages, R-18 and R-18G",
}


class Wrong(Exception):
    """An answer that cannot stand; the text says why and what would."""


def at_terminal() -> bool:
    """Whether somebody is there to be asked: both what is asked and what is answered is on a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass
class Asking:
    """One conversation. `answers` has the config's keys that were answered for, as the file at `config` takes them."""

    config: str
    defaults: dict[str, Any]
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    ids: int | None = None
    asked: int = 0
    _absent: str = ""

    def all(self) -> dict[str, Any]:
        """Ask everything. Raises UsageError when the answers end early."""
        _say("Enter takes what stands in [brackets]; nothing is written before the last answer.")
        self._list()
        self._folder()
        if self.answers["source.kind"] != "urls":
            self._session()
        self._speed()
        if self.answers["source.kind"] != "urls":
            self._rating()
        return self.answers

    # -- the questions -----------------------------------------------------------------------------

    def _list(self) -> None:
        self._head(
            "Where is the list of what to fetch?",
            "A text or csv file, one entry a line: ids or links of pixiv works, pairs of them, or URLs of images.",
        )
        path = kind = ""
        while not kind:
            path = self._ask(_only_list() or self.defaults["source.path"], self._list_file)
            _say(f"     And what is on it? {' | '.join(_KINDS)}")
            kind = self._ask(_looks_like(path), _kind)
            if os.path.isfile(path):
                try:
                    self.ids = _count(path, kind)
                except Wrong as wrong:
                    _say(f"     {wrong} So, once more: where is the list?")
                    kind = ""
        self.answers |= {"source.path": self._written(path), "source.kind": kind}
        if kind == "urls":
            self.answers["site.name"] = "urls"

    def _list_file(self, text: str) -> str:
        path = self._path("source.path", text)
        if path == "-" or os.path.isfile(path):
            return path
        if os.path.isdir(path):
            raise Wrong("That is a folder; the list is a file.")
        if os.path.exists(path):
            return path  # a pipe, say: counted when it is read
        if path != self._absent:
            self._absent = path
            raise Wrong("There is no such file. Another name, or the same again if you will put it there later.")
        return path

    def _folder(self) -> None:
        self._head(
            "Where do the images go?",
            "A folder of its own, for images, log.jsonl and status.json."
            + (f" Your list has about {size(needed)}." if (needed := self._bytes()) else ""),
        )
        self.answers["output.dir"] = self._written(self._ask(self.defaults["output.dir"], self._home))

    def _home(self, text: str) -> str:
        if is_address(text):
            if wrong := problem(text) or missing_extra():
                raise Wrong(f"It {wrong}." if wrong == problem(text) else f"{wrong}.")
            return text
        path = self._path("output.dir", text)
        near = path
        while not os.path.exists(near):
            near = os.path.dirname(near)
        if not os.path.isdir(near):
            raise Wrong(f"{clean(near)} is a file; a folder is wanted.")
        if not os.access(near, os.W_OK | os.X_OK):
            raise Wrong(f"You may not write to {clean(near)}.")
        free = shutil.disk_usage(near).free
        if free < self._bytes():
            _say(
                f"     {size(free)} are free there: a run stops when they are used up, and goes on when there is room."
            )
        if os.path.exists(os.path.join(path, "log.jsonl")):
            _say("     There is a crawl in it already: what it has is kept and not asked for again.")
        return path

    def _session(self) -> None:
        self._head(
            "Do you want to crawl as somebody who is logged in?",
            "Logged out, the site hides what is not for all ages, and of popular works also about a third of what is. "
            "With a session more is seen, at the risk of that account: use one that you can lose.",
            "If so: a file of mode 0600 with the value of the cookie PHPSESSID and nothing else. The site alone gets "
            "it; it is never shown.",
        )
        path = self._ask("none", self._session_file)
        if path:
            self.answers["site.session_file"] = self._written(path)

    def _session_file(self, text: str) -> str:
        from crawler.cli import session

        if text.strip().lower() in ("none", "no", "n"):
            return ""
        path = self._path("site.session_file", text)
        try:
            session.find(path, Origin("flag"), {})
        except session.BadSession as bad:
            # What was typed is not repeated: it may be the session itself.
            raise Wrong(f"That will not do: {bad}. Mend it in another window, or `none`.") from None
        return path

    def _speed(self) -> None:
        urls = self.answers["source.kind"] == "urls"
        polite = Settings().limits
        self._head(
            "How fast?",
            f"polite: {polite.images.rate:g} image a second from each host, more gently where a host asks for that."
            if urls
            else f"polite: {polite.api.rate:g} metadata requests and {polite.images.rate:g} image a second, "
            "which accounts survive.",
            "Or a number of your own, images a second from each host."
            if urls
            else "Or two numbers of your own: metadata requests and images a second, as in `0.5 2`.",
            *self._takes(polite.api.rate, polite.images.rate),
        )
        rates = self._ask("polite", lambda text: _rates(text, 1 if urls else 2))
        self.answers |= rates
        api = rates.get("limits.api.rate", 0)
        if rates:
            _say(*(f"     {line}" for line in self._takes(api, rates["limits.images.rate"])))
        if api > _KNOWN_LIMIT:
            _say(f"     Beyond about {_KNOWN_LIMIT} a second the site blocks for minutes, and warns accounts.")

    def _takes(self, api: float, images: float) -> list[str]:
        """How long the list takes at these rates, as a line; none where it was not counted, or nothing bounds it."""
        seconds = self._estimate(api, images).total_s if self.ids else None
        return [] if seconds is None else [f"So your list takes about {duration(seconds)}."]

    def _bytes(self) -> int:
        """How much the list has, as far as can be known; 0 where it was not counted."""
        return self._estimate(0, 0).bytes if self.ids else 0

    def _estimate(self, api: float, images: float) -> Estimate:
        from crawler.cli.estimate import Left, estimate

        site = {"name": "urls"} if self.answers["source.kind"] == "urls" else {}
        limits = {"api": {"rate": api}, "images": {"rate": images}}
        left = Left(new=self.ids or 0, undescribed=0, described=0, images_left=0)
        return estimate(left, Settings.model_validate({"site": site, "limits": limits}))

    def _rating(self) -> None:
        logged_out = (
            " Without a session the site hides them, though." if "site.session_file" not in self.answers else ""
        )
        self._head(
            "Which works may be taken?",
            *(f"{number}: {what}" for number, what in _RATINGS.items()),
            f"More than all ages is something you ask for.{logged_out}",
        )
        self.answers["filter.max_x_restrict"] = int(self._ask("0", _rating))

    # -- how they are asked ------------------------------------------------------------------------

    def _head(self, question: str, *why: str) -> None:
        self.asked += 1
        _say("", f"{self.asked}.   {question}", *map(_wrapped, why))

    def _ask(self, default: str, check: Callable[[str], T]) -> T:
        while True:
            print(f"     [{clean(default)}] > ", end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline()
            if not line.endswith("\n"):
                raise UsageError("the answers ended; nothing was written")
            try:
                return check(line.strip() or default)
            except Wrong as wrong:
                _say(f"     {wrong}")

    def _path(self, key: str, text: str) -> str:
        if complaint := keys()[key].complaint(text):
            raise Wrong(f"It {complaint}.")
        return text if text == "-" else os.path.abspath(os.path.expanduser(text))

    def _written(self, path: str) -> str:
        """A path as the config has it: relative to the config's folder where it lies below it."""
        home = os.path.dirname(os.path.abspath(self.config))
        if path == "-" or is_address(path) or os.path.commonpath([home, path]) != home:
            return path
        return os.path.relpath(path, home)


def _only_list() -> str:
    """The one file here that can be a list; "" where there are none or several. What others may not read is none."""
    with os.scandir() as entries:
        found = [
            entry.name
            for entry in entries
            if entry.name.endswith((".txt", ".csv")) and entry.is_file() and entry.stat().st_mode & 0o040
        ]
    return found[0] if len(found) == 1 else ""


def _kind(text: str) -> str:
    kind = text.lower()
    if kind not in _KINDS:
        raise Wrong(f"One of {', '.join(_KINDS)}.")
    return kind


def _rating(text: str) -> str:
    if text not in _RATINGS:
        raise Wrong("0, 1 or 2.")
    return text


def _rates(text: str, wanted: int) -> dict[str, Any]:
    """The keys that an answer sets. Raises Wrong."""
    from crawler.cli.layers import value_of

    if text.lower() == "polite":
        return {}
    parts = text.replace(",", " ").split()
    if len(parts) != wanted:
        raise Wrong("`polite`, or one number." if wanted == 1 else "`polite`, or two numbers, as in `0.5 2`.")
    names = ("limits.api.rate", "limits.images.rate")[-wanted:]
    found = {name: value_of(keys()[name], part) for name, part in zip(names, parts, strict=True)}
    for name, value in found.items():
        if complaint := keys()[name].complaint(value):
            raise Wrong(f"{name} {complaint}; 0 is no limit.")
    return found


def _looks_like(path: str) -> str:
    """The kind that most of the first lines of a list are of; `ids` where there is no telling."""
    from crawler.sources.ids import Problem, parse_id, without_comment

    try:
        with open(path, "rb") as file:
            text = file.read(_LOOK_BYTES).decode("utf-8", "replace")
    except OSError:
        return "ids"
    lines = [line for raw in text.splitlines() if (line := without_comment(raw))][:200]
    votes: dict[str, int] = dict.fromkeys(_KINDS, 0)
    for line in lines:
        cells = line.replace("\t", ",").split(",")
        works = [cell for cell in cells if not isinstance(parse_id(cell.strip().strip('"')), Problem)]
        if len(works) == 2:
            votes["pairs"] += 1
        elif works:
            votes["ids"] += 1
        elif any(cell.strip().strip('"').startswith(("http://", "https://")) for cell in cells):
            votes["urls"] += 1
    return max(votes, key=lambda kind: votes[kind])


def _count(path: str, kind: str) -> int:
    """How many different ids are on a list. Raises Wrong when it holds none, or cannot be read."""
    import asyncio

    from crawler.sources.lines import SourceError
    from crawler.sources.settings import SourceSettings
    from crawler.sources.source import open_source

    with tempfile.TemporaryDirectory(prefix="crawler-init-") as spool:
        try:
            census = asyncio.run(
                open_source(SourceSettings.model_validate({"kind": kind, "path": path}), Path(spool)).count()
            )
        except SourceError as error:
            raise Wrong(str(error)) from None
    if census.hopeless:
        raise Wrong(f"Not one of its lines is such an entry ({census.problems[0]}).")
    odd = f"; {plural(census.malformed, 'line')} malformed, which `crawler plan` names" if census.malformed else ""
    twice = f", {count(census.duplicates)} more of them again" if census.duplicates else ""
    noun = "URL" if kind == "urls" else "work"
    _say(f"     {plural(census.ids, noun)}{twice}{odd}.")
    return census.ids


def _wrapped(text: str) -> str:
    width = max(40, min(shutil.get_terminal_size().columns, 100)) - 1
    return textwrap.fill(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr)
