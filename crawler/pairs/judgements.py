"""What people said of pairs: the lines of judgements.jsonl, and what they add up to. Pure.

The lines are framed as those of the log (`crawler.log.codec`): one JSON object each, with `log`, `seq`, `t` and a
checksum. The fold gives the same answer in any order and however often a line is repeated, so that the judgements of
two people merge by concatenation: of a pair the latest line counts that nobody took back.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from crawler.log.codec import seal, unseal

VERDICTS = ("yes", "no", "unsure")
T = TypeVar("T")


class Pair(NamedTuple):
    """A colouring and the sketch that it may be of, by their ids."""

    colored: int
    sketch: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Somebody judged a pair: `verdict` is yes, no or unsure. `pages` of colouring and sketch were looked at last.

    `again`: asked a second time, of somebody who was not shown the first answer. `key` is the asker's own name for
    this judgement: sent twice, it counts once.
    """

    pair: Pair
    verdict: str
    pages: tuple[int, int] = (0, 0)
    again: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """An earlier judgement, line `seq` of `log`, was taken back. `key` as of Judged."""

    log: str
    seq: int
    key: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Noted:
    """A line: said at `t` (UTC, ISO 8601, ms), line `seq` of `log`. Sorted by time. `said` None: not known here."""

    t: str
    log: str
    seq: int
    said: Judged | Undone | None = None


def line_of(noted: Noted) -> bytes:
    """The line, newline included."""
    line: dict[str, Any] = {"seq": noted.seq, "t": noted.t, "event": "", "log": noted.log}
    match noted.said:
        case Judged() as said:
            line |= {"event": "judged", "colored": said.pair.colored, "sketch": said.pair.sketch}
            line |= {"verdict": said.verdict, "colored_page": said.pages[0], "sketch_page": said.pages[1]}
            line |= {"again": said.again, "key": said.key}
        case Undone() as said:
            line |= {"event": "undone", "line": {"log": said.log, "seq": said.seq}, "key": said.key}
        case None:
            raise ValueError("a line that says nothing")
    return seal(line)


def read(raw: bytes) -> Noted | None:
    """The line in `raw`, None for bytes that are no intact line."""
    fields = unseal(raw)
    if fields is None:
        return None
    try:
        return Noted(_of(str, fields["t"]), _of(str, fields["log"]), _of(int, fields["seq"]), _said(fields))
    except (KeyError, TypeError):
        return None


def _said(fields: Mapping[str, Any]) -> Judged | Undone | None:
    match fields["event"]:
        case "judged":
            pages = (_of(int, fields.get("colored_page", 0)), _of(int, fields.get("sketch_page", 0)))
            pair = Pair(_of(int, fields["colored"]), _of(int, fields["sketch"]))
            again, key = _of(bool, fields.get("again", False)), _of(str, fields.get("key", ""))
            if fields["verdict"] not in VERDICTS or min(pair) < 0:
                return None
            return Judged(pair, fields["verdict"], pages, again, key)
        case "undone":
            line: Any = fields["line"]
            return Undone(_of(str, line["log"]), _of(int, line["seq"]), _of(str, fields.get("key", "")))
        case _:
            return None


def _of(kind: type[T], value: object) -> T:
    """The value, which can be anybody's. Raises TypeError for one that is not of this very type."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value


class Judgements:
    """The fold. `count`: judgements that stand, second ones too."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: dict[tuple[str, int], Noted] = {}
        self._undone: set[tuple[str, int]] = set()
        self._of: dict[Pair, list[Noted]] = {}
        self._keys: dict[str, Noted] = {}
        self._places: dict[tuple[str, int], int] = {}
        self._last: dict[Pair, Judged] = {}
        self._again: set[Pair] = set()

    def apply(self, noted: Noted) -> None:
        """Take a line in."""
        name = (noted.log, noted.seq)
        if name in self._lines:
            return
        self._places[name] = len(self._lines)
        self._lines[name] = noted
        match noted.said:
            case Judged() as said:
                insort(self._of.setdefault(said.pair, []), noted, key=_moment)
                self.count += name not in self._undone
                if said.again:
                    self._again.add(said.pair)
                self._settle(said.pair)
            case Undone() as said:
                undone = (said.log, said.seq)
                of = self._said(undone)
                if undone not in self._undone and isinstance(of, Judged):
                    self.count -= 1
                self._undone.add(undone)
                if isinstance(of, Judged):
                    self._settle(of.pair)
            case None:
                return
        if said.key:
            self._keys.setdefault(said.key, noted)

    def _said(self, name: tuple[str, int]) -> Judged | Undone | None:
        line = self._lines.get(name)
        return None if line is None else line.said

    def keyed(self, key: str) -> Noted | None:
        """The line that was asked for under this key."""
        return self._keys.get(key)

    def line(self, log: str, seq: int) -> Noted | None:
        """A line by its name."""
        return self._lines.get((log, seq))

    def stands(self, noted: Noted) -> bool:
        """Whether a judgement was not taken back."""
        return (noted.log, noted.seq) not in self._undone

    def history(self, pair: Pair) -> list[tuple[Noted, Judged]]:
        """What stands of a pair, oldest first."""
        lines = self._of.get(pair, ())
        return [(n, n.said) for n in lines if self.stands(n) and isinstance(n.said, Judged)]

    def _settle(self, pair: Pair) -> None:
        if history := self.history(pair):
            self._last[pair] = history[-1][1]
        else:
            self._last.pop(pair, None)

    def last(self, pair: Pair) -> Judged | None:
        """What counts for a pair."""
        return self._last.get(pair)

    def standing(self) -> Iterator[Judged]:
        """What counts for each pair that was judged."""
        return iter(self._last.values())

    def latest(self, number: int) -> list[tuple[Noted, Judged]]:
        """The latest judgements that stand, oldest first; a pair may be there twice."""
        lines = sorted((n for n in self._lines.values() if isinstance(n.said, Judged)), key=_moment)
        standing = [(n, n.said) for n in lines if self.stands(n) and isinstance(n.said, Judged)]
        return standing[-number:]

    def since(self, noted: Noted) -> int:
        """How many lines were taken in after this one."""
        return len(self._lines) - 1 - self._places[noted.log, noted.seq]

    def twice(self) -> Iterator[tuple[Judged, Judged]]:
        """Of pairs that were asked for a second time: what counted until then, and the second answer."""
        for pair in self._again:
            history = [said for _, said in self.history(pair)]
            at = next((n for n, said in enumerate(history) if said.again), 0)
            if at > 0:
                yield history[at - 1], history[at]


def _moment(noted: Noted) -> tuple[str, str, int]:
    return noted.t, noted.log, noted.seq
