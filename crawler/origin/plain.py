"""Plain URL images: any path on the plain hosts, or below /plain/ on the image host, is a picture made from its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crawler.origin.dice import Dice
from crawler.origin.links import IMAGES, PLAIN_HOSTS

_EXT = re.compile(r"\.(jpe?g|png|gif|webp)(?=$|\?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plain:
    """An image that is known by its URL alone. `alive` False: 404 for ever. `ext` is the URL's, `kind` the bytes'."""

    key: tuple[str, ...]
    alive: bool
    ext: str
    kind: str
    width: int
    height: int
    big: bool


def plain(seed: int, host: str, path: str, dead: float) -> Plain | None:
    """What is at `path` (query included) of `host`; None if the host has no plain images there.

    A path without an extension that is known is a JPEG; a few paths hold another kind than they say.
    """
    if host not in PLAIN_HOSTS and not (host == IMAGES and path.startswith("/plain/")):
        return None
    dice = Dice(seed, "plain", host, path)
    found = _EXT.search(path)
    ext = (found[1].lower() if found else "jpg").replace("jpeg", "jpg")
    alive, odd, big = not dice.chance(dead), dice.chance(0.04), dice.chance(0.02)
    kind = dice.pick([other for other in ("jpg", "png", "gif", "webp") if other != ext]) if odd else ext
    size = (dice.between(240, 520), dice.between(220, 480))
    return Plain((str(seed), host, path), alive, ext, kind, *size, big)
