"""Reads one work id out of a line: a bare number, or any form of a link to a work. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

MAX_ID = 2**53 - 1
"""Ids stay exact in every JSON reader up to here; the site's own are far below (pixiv.md 6)."""
_USER = re.compile(r"//[^/?#\s]*@")
"""What a URL says of a user: a password is not repeated."""
SHOWN = 80
"""How much of a malformed line is shown to people, in characters."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that holds no id, and why. As text: `FILE:LINE: TEXT: why`; `line` counts from 1, 0 = not known."""

    why: str
    text: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = _USER.sub("//***@", self.text)
        return ": ".join(part for part in (escaped(place), shown(text), self.why) if part)


def escaped(text: str) -> str:
    """The text with everything that could move a cursor or turn the reading direction spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def shown(text: str) -> str:
    """The first SHOWN characters of a line, safe to print."""
    safe = escaped(text[: SHOWN + 1])
    return safe if len(safe) <= SHOWN else safe[: SHOWN - 1] + "…"


_COMMENT = re.compile(r"(?:^|\s)#")


def without_comment(text: str) -> str:
    """The text up to a `#` that begins it or follows a blank, without surrounding blanks (and byte order marks)."""
    text = text.strip().lstrip("\ufeff")
    if "#" in text and (mark := _COMMENT.search(text)):
        text = text[: mark.start()]
    return text.strip()


_LINK_ONLY = "a link-only work: the link does not tell its number"
_PIXIV_HOSTS = frozenset({"pixiv.net", "www.pixiv.net", "touch.pixiv.net", "sp.pixiv.net", "embed.pixiv.net"})
# Hosts of images, now and in the past (pixiv.md 3).
_IMAGE_HOST = re.compile(r"(?:i[\w-]*|tc-pximg\d+)\.pximg\.net|i\d\.pixiv\.net|img\d*\.pixiv\.net")
# pixiv.md "legacy forms authors paste", 1.1 and 1.2; any language before it.
_WORK_PATH = re.compile(
    r"/*(?:[a-z]{2,3}(?:[-_][a-z]{2,4})?/)?(?:artworks|illusts?|i|ajax/illust)/([0-9]+)(?:/pages|/ugoira_meta)?/*",
    re.IGNORECASE,
)
# File names of pixiv.md 3.1, the hash of private and link-only works, and the endings of the years before 2014.
_FILE_NAME = re.compile(
    r"([0-9]+)(?:-[0-9a-f]{32})?"
    r"(?:_(?:big_)?p[0-9]+|_ugoira[0-9x]+|_master1200|_square1200|_custom1200|_p[0-9]+_ugoira[0-9x]+|_[sm])*"
    r"\.(?:jpe?g|png|gif|webp|zip)",
    re.IGNORECASE,
)
_IMAGE_PATH = re.compile(r"/(?:img-original|img-master|img-zip-ugoira|custom-thumb)/img/|^/img\d*/(?:img/)?")
# What else the site shows, by how its path begins; the first match speaks.
_NOT_WORKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(r"/*(?:[a-z]{2}/)?" + pattern, re.IGNORECASE), why)
    for pattern, why in (
        (r"(?:ajax/illust|artworks|novels?)/unlisted/", _LINK_ONLY),
        (r"(?:users?/\d+/series|series|ajax/series)", "a series, not a work: list the works in it"),
        (r"(?:users?/|u/|member\.php|member_illust\.php\?id=)", "a user, not a work: list the user's works"),
        (r"(?:novels?|ajax/novel)(?:/|$)", "a novel: there are no images in it"),
        (r"(?:tags|search|ajax/search)(?:\.php|/)", "a search, not a work: `crawler collect` makes a list of it"),
        (r"ranking\.php", "a ranking, not a work"),
        (r"(?:artworks|i|illusts?)/?$", "the link has no number"),
    )
)


def parse_id(text: str) -> int | Problem:
    """The id of the work that a line names, 1 to 2^53 - 1, or why there is none. Never raises.

    Takes a bare decimal number, the site's links to a work in every form (pixiv.md "legacy forms authors paste"),
    image URLs and file names (pixiv.md 3.1). Blanks around it do not matter.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return _ranged(text)
    why = _plainly_wrong(text)
    if why:
        return Problem(why, text)
    found = _from_link(text)
    if isinstance(found, Problem):
        return Problem(found.why, text)
    return found


def _ranged(digits: str) -> int | Problem:
    digits = digits.lstrip("0")
    if not digits:
        return Problem("ids begin at 1", "0")
    if len(digits) > 16 or int(digits) > MAX_ID:
        return Problem(f"too large for an id (at most {MAX_ID})", digits)
    return int(digits)


def _plainly_wrong(text: str) -> str:
    """What is wrong with a text that is neither a number nor can be a link; empty if it can be a link."""
    if not text:
        return "empty"
    if text.isnumeric():
        return "digits that are not ASCII: write 0 to 9"
    if text[0] in "+-" and text[1:].isdigit():
        return "a sign: ids are plain numbers from 1 up"
    if re.fullmatch(r"[0-9]*\.[0-9]+|[0-9]+\.|[0-9.]+[eE][+-]?[0-9]+", text):
        return "a decimal number: ids are whole (did a spreadsheet save this?)"
    if re.fullmatch(r"[0-9]+\s*[,;\t].*", text, re.DOTALL):
        return "more than one field: name the file .csv, or set source.column"
    if re.search(r"\s", text):
        return "more than an id: one a line, and comments behind #"
    return ""


def _from_link(text: str, *, unwrap: bool = True) -> int | Problem:
    try:
        parts = urlsplit(_absolute(text.replace("&amp;", "&")))
        scheme, host, path, query = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.path, parts.query
    except ValueError:
        return Problem("not a link that can be read")
    if scheme == "pixiv":  # the app's own links: pixiv://illusts/N
        host, path = "www.pixiv.net", f"/{host}{path}"
    elif scheme not in ("http", "https"):
        return Problem("neither a number nor a link to a work")
    if _IMAGE_HOST.fullmatch(host):
        return _from_image(path)
    if host not in _PIXIV_HOSTS:
        return Problem(_foreign(host, text))
    if path.rstrip("/").endswith("/jump.php") and unwrap and query:
        return _from_link(unquote(query.removeprefix("url=")), unwrap=False)
    return _from_page(path, query)


def _absolute(text: str) -> str:
    """The link with scheme and host, whichever of them was left out."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return text
    if text.startswith("//"):
        return "https:" + text
    first = text.split("/", 1)[0]
    if "." in first and "/" in text and not first.endswith(".php"):
        return "https://" + text
    if _FILE_NAME.fullmatch(text):
        return "https://i.pximg.net/img-original/img/" + text
    if re.match(r"/*(?:[a-z]{2}/)?(?:artworks|illusts?|i|users?|novels?|tags|ajax)/|/*\w+\.php", text, re.IGNORECASE):
        return "https://www.pixiv.net/" + text.lstrip("/")
    return text


def _from_page(path: str, query: str) -> int | Problem:
    if found := _WORK_PATH.fullmatch(path):
        return _ranged(found[1])
    values = parse_qs(query, max_num_fields=None) if "illust_id" in query else {}
    if "illust_id" in values:
        value = values["illust_id"][0].strip()
        if value.isascii() and value.isdigit():
            return _ranged(value)
        return Problem("illust_id is not a number")
    whole = f"{path}?{query}" if query else path
    for pattern, why in _NOT_WORKS:
        if pattern.match(whole):
            return Problem(why)
    return Problem("a page of the site, but not a work's")


def _from_image(path: str) -> int | Problem:
    found = _FILE_NAME.fullmatch(path.rsplit("/", 1)[-1])
    if found and _IMAGE_PATH.search(path):
        return _ranged(found[1])
    return Problem("an image of the site, but not a work's")


def _foreign(host: str, text: str) -> str:
    if "." not in host:
        return "neither a number nor a link to a work"
    if host.endswith((".pixiv.net", ".pximg.net", ".fanbox.cc")) or host == "fanbox.cc":
        return f"{escaped(host)[:60]} is another service, not a work on www.pixiv.net"
    return f'not a link to pixiv but to {escaped(host)[:60]} (for image URLs of any host: source.kind = "urls")'
