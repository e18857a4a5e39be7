"""A description as plain text in pieces, those marked that name a certain work. Pure; nothing of the HTML is left."""

from __future__ import annotations

from crawler.sources.links import read_links
from crawler.words import clean

MOST = 6000
"""Characters of a description that are shown."""
Piece = tuple[str, bool]


def pieces(html: str, other: int) -> list[Piece]:
    """The text of a description, in order; True: this names work `other`, as a link or in words (pixiv.md 2.2)."""
    reading = read_links(html)
    named = [(link.start, link.end) for link in reading.links if link.kind == "work" and link.id == other]
    text, found, at = reading.text[:MOST], list[Piece](), 0
    for start, end in [*named, (len(text), len(text))]:
        for part, marked in ((text[at:start], False), (text[start:end], True)):
            if part:
                found.append(("\n".join(clean(line) for line in part.split("\n")), marked))
        at = max(at, end)
    return found if len(reading.text) <= MOST else [*found, ("…", False)]
