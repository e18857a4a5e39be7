"""Text that is a secret: sent and compared as any other, and not shown."""

from __future__ import annotations

from typing import SupportsIndex


class Hidden(str):
    """Its repr is what tracebacks with local variables, debuggers and logs of arguments show: that, and the repr of all
    that holds it, says ***. Cut into pieces it stays hidden; joined to other text it does not: say so again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, at: SupportsIndex | slice) -> Hidden:
        return Hidden(super().__getitem__(at))
