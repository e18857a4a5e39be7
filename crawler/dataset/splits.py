"""Reads what people write for the parts of a data set: `train=.98,val=.02`. Pure."""

from __future__ import annotations

import math
import re

from crawler.dataset.stops import Refused

DEFAULT = (("train", 1.0),)
"""One part has the name that loaders expect."""


def parse_splits(text: str) -> tuple[tuple[str, float], ...]:
    """Names and shares in the order given. Raises Refused unless the shares are positive and make one."""
    if not text.strip():
        return DEFAULT
    found: list[tuple[str, float]] = []
    for part in text.split(","):
        name, equals, share = (piece.strip() for piece in part.partition("="))
        if not equals or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
            raise Refused(f"--splits {part!r}: write NAME=SHARE, the name in small letters, digits and _")
        if name in dict(found):
            raise Refused(f"--splits: {name} twice")
        found.append((name, _share(part, share)))
    whole = math.fsum(share for _, share in found)
    if abs(whole - 1) > 1e-6:
        raise Refused(f"--splits: the shares make {whole:g}, not 1")
    return tuple(found)


def _share(part: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise Refused(f"--splits {part!r}: a share is a number above 0 and at most 1")
    return share
