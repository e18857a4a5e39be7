"""The works that a description links to, in the order of its text (pixiv.md 2.2). Pure."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

from crawler.sources.ids import parse_id

_HREF = re.compile(r"""<a\s[^>]*?href=["']([^"']{1,2000})["']""", re.IGNORECASE)
_PLAIN = re.compile(
    r"""(?:https?:)?//(?:[a-z]{1,10}\.)?pixiv\.net/[^\s"'<>]{1,300}|\b(?:illust/|pixiv\s?\#\s?)(\d{1,16})\b""",
    re.IGNORECASE,
)


def linked_works(description: str) -> list[int]:
    """The ids of works that a description's HTML links to or names, each once; links of any other kind are left out."""
    found: dict[int, None] = {}
    for _, link in sorted([*_links(description), *_names(description)]):
        id = parse_id(link)
        if isinstance(id, int):
            found.setdefault(id)
    return list(found)


def _links(html: str) -> list[tuple[int, str]]:
    return [(match.start(), _target(unescape(match[1]))) for match in _HREF.finditer(html)]


def _names(html: str) -> list[tuple[int, str]]:
    """What is written as text, pasted by authors without a link."""
    text = re.sub(r"<[^>]*>", lambda tag: " " * len(tag[0]), html)
    return [(match.start(), match[1] or unescape(match[0])) for match in _PLAIN.finditer(text)]


def _target(href: str) -> str:
    """Where a link leads: links to elsewhere go over /jump.php?, the whole query being the target."""
    place = href.removeprefix("https://www.pixiv.net")
    if place.startswith("/jump.php?"):
        return unquote(place.removeprefix("/jump.php?").removeprefix("url="))
    return href
