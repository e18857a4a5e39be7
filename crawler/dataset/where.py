"""Filters rows by an expression over their columns, as SQL writes it. Reads nothing but the row.

SQLite evaluates the expression against one row at a time: a language people know, complete, and one that can be shut
in (`set_authorizer`): no table, no file, no setting can be reached from it.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from crawler.dataset.columns import COLUMNS
from crawler.dataset.stops import Refused

_NAMES = tuple(column.name for column in COLUMNS)
_WRONG = (sqlite3.Error, sqlite3.Warning, ValueError)  # Warning: several statements; ValueError: no UTF-8
_STEPS = 1_000_000
"""Steps of SQLite's machine that one row may take: an expression that counts to infinity ends there."""


class Where:
    """`SELECT`-free SQL that must hold for a row, as in `bookmarks >= 1000 AND tag('original')`.

    Columns are those of `columns.COLUMNS`; `tags` and `tags_en` are text, a tag a line; `tag('x')` says whether the
    work has a tag, or a translation, x, in any case of letters. A column that is not known (NULL) fulfils nothing.
    Raises Refused for what is no such expression.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._base = sqlite3.connect(":memory:", isolation_level=None)
        self._tags: frozenset[str] = frozenset()
        self._base.create_function("tag", 1, self._tagged)
        slots = ", ".join(f"?{at} AS {name}" for at, name in enumerate(_NAMES, 1))
        self._base.set_authorizer(_authorize)
        self._queries = [f"SELECT coalesce(({text}\n), 0) <> 0 FROM (SELECT {slots})" for text in expressions]  # noqa: S608 - shut in, see above
        self._left = 0
        self._base.set_progress_handler(self._step, 1000)
        for text, query in zip(expressions, self._queries, strict=True):
            self._left = _STEPS
            try:
                self._base.execute(query, (None,) * len(_NAMES)).fetchall()
            except _WRONG as error:
                raise Refused(_complaint(text, str(error))) from None

    def __call__(self, values: Mapping[str, Any]) -> bool:
        """Whether a row fulfils every expression. Raises Refused where one cannot be evaluated."""
        if not self._queries:
            return True
        tags, english = values["tags"] or (), values["tags_en"] or ()
        self._tags = frozenset(name.casefold() for name in (*tags, *english) if name)
        row = [values[name] for name in _NAMES]
        row[_NAMES.index("tags")], row[_NAMES.index("tags_en")] = "\n".join(tags), "\n".join(english)
        for query in self._queries:
            self._left = _STEPS
            try:
                if not self._base.execute(query, row).fetchone()[0]:
                    return False
            except _WRONG as error:
                raise Refused(f"--where: {error}, at image {values['key']}") from None
        return True

    def close(self) -> None:
        """Give the engine back."""
        self._base.close()

    def _tagged(self, name: object) -> bool:
        return str(name).casefold() in self._tags

    def _step(self) -> int:
        self._left -= 1000
        return int(self._left <= 0)


def _authorize(action: int, first: str | None, second: str | None, _base: str | None, _trigger: str | None) -> int:
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if second in ("load_extension", "random", "randomblob") else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and not (first or "").startswith("sqlite_"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _complaint(text: str, why: str) -> str:
    named = re.search(r"no such column: \"?(\w+)", why)
    near = difflib.get_close_matches(named[1], _NAMES, 1) if named else []
    hint = f"did you mean {near[0]}?" if near else f"columns: {', '.join(_NAMES)}"
    return f"--where {text!r}: {why}; {hint}"
