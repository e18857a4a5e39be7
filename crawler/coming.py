"""Settings that the design names and this version cannot obey yet: no mistakes, yet never ignored in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to say of a key that is known but not built: refused, or harmless and remarked upon ("" for nothing)."""

    refused: bool
    text: str


def judge(name: str, value: Any) -> Verdict | None:
    """A verdict on a key of a config file that no model has; None when nobody knows it."""
    if name == "cluster.workers":
        return (
            Verdict(False, "")
            if type(value) is int and value == 1
            else Verdict(True, "not available in this version: leave it at 1")
        )
    return None
