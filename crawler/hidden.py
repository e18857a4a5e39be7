"""Text that is a secret: sent and compared as any other, and not shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

_TELLING = 12
"""So many characters of a secret tell of it: fewer stand in many a word, and a session begins with a user's number."""


class Hidden(str):
    """Its repr is what tracebacks with local variables, debuggers and logs of arguments show: that, and the repr of all
    that holds it, says ***. Cut into pieces it stays hidden; joined to other text it does not: say so again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, at: SupportsIndex | slice) -> Hidden:
        return Hidden(super().__getitem__(at))


def without(text: str, secrets: Iterable[str]) -> str:
    """What a stranger said, to be shown or written down: if it repeats a secret, or how one begins, there is ***."""
    for secret in secrets:
        begin = secret[:_TELLING]
        at = text.find(begin) if len(begin) == _TELLING else -1
        while at >= 0:
            same = _TELLING
            while same < len(secret) and text[at + same : at + same + 1] == secret[same : same + 1]:
                same += 1
            text = f"{text[:at]}***{text[at + same :]}"
            at = text.find(begin, at)
    return text
