"""A description as plain text in pieces, those marked that name a certain work. Pure; nothing of the HTML is left."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

from crawler.sources.ids import parse_id
from crawler.words import clean

MOST = 6000
"""Characters of a description that are shown."""
_BREAKS = frozenset({"br", "p", "div", "li"})
_HIDDEN = frozenset({"script", "style"})
_FULL_WIDTH = {0xFF10 + n: 48 + n for n in range(10)}
Piece = tuple[str, bool]


def pieces(html: str, other: int) -> list[Piece]:
    """The text of a description, in order; True: this names work `other`, as a link or in words."""
    reader = _Reader(other)
    reader.feed(html)
    reader.close()
    found: list[Piece] = []
    left = MOST
    for text, marked in reader.found:
        for raw, named in [(text, True)] if marked else _named(text, other):
            part = "\n".join(clean(line) for line in raw[:left].split("\n"))
            left -= len(part)
            if found and found[-1][1] == named:
                found[-1] = (found[-1][0] + part, named)
            elif part:
                found.append((part, named))
        if left <= 0:
            return [*found, ("…", False)]
    return found


def leads_to(href: str) -> int | None:
    """The work that a link of a description leads to (pixiv.md 2.2), None for any other link."""
    place = href.strip()
    if urlsplit_path(place).endswith("/jump.php") and "?" in place:
        place = unquote(place.partition("?")[2].removeprefix("url="))
    found = parse_id(place)
    return found if isinstance(found, int) else None


def urlsplit_path(place: str) -> str:
    """The path of a link, "" for what cannot be read."""
    try:
        return urlsplit(place).path
    except ValueError:
        return ""


def _named(text: str, other: int) -> list[Piece]:
    """The words around the number of the work, up to the next blank: `illust/N`, a pasted address, `pixiv #N`."""
    digits = text.translate(_FULL_WIDTH)  # one character for one: places stay
    found: list[Piece] = []
    done = 0
    pattern = rf"(?:pixiv\s?#\s?|(?:https?:)?[^\s　「」（）()、。→←：:,]{{0,120}}?(?<!\d)){other}(?!\d)[!-~]*"
    for match in re.finditer(pattern, digits):
        found += [(text[done : match.start()], False), (text[match.start() : match.end()], True)]
        done = match.end()
    return [*found, (text[done:], False)]


class _Reader(HTMLParser):
    def __init__(self, other: int) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Piece] = []
        self._other = other
        self._marked = False
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.found.append(("\n", False))
        if tag == "a":
            self._marked = leads_to(dict(attrs).get("href") or "") == self._other
        self._hidden += tag in _HIDDEN

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._marked = False
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append((data, self._marked))
