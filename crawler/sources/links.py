"""The links in a description's HTML: to works and to users, in every form that authors left (pixiv.md 2.2). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from crawler.sources.ids import MAX_ID, parse_id

AROUND = 60
"""Characters before and after a link that are its surroundings."""
_WIDE = {0xFF01 + n: 0x21 + n for n in range(94)} | {0x3000: 0x20}
"""Full-width forms of ASCII, one character for one: places stay."""
_TAG = re.compile(
    r"""<!--[^<>]{0,4000}-->|<(/?)([A-Za-z][A-Za-z0-9]{0,20})((?:"[^"<>]{0,4000}"|'[^'<>]{0,4000}'|[^'"<>])*)>""",
)
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_BREAKS = frozenset({"br", "p", "div", "li"})
_UNSEEN = frozenset({"script", "style"})
_URL = r"[A-Za-z0-9_/?=&.%#:;~+-]"
_PLAIN = re.compile(
    # An address, its scheme whole, cut short (`ttp://`, so that it is no link) or missing.
    rf"(?<![A-Za-z0-9_.@-])(?:[a-z]{{2,5}}:)?(?://)?(?:[a-z0-9-]{{1,40}}\.){{0,3}}(?:pixiv|pximg)\.net/{_URL}{{1,2000}}"
    # The app's own.
    r"|\bpixiv://(?:illusts|users)/[0-9]{1,17}"
    # A path of the site without its host.
    rf"|(?<![\w.%=-])(?<!\w/)/?(?:[a-z]{{2}}/)?(?:(?:member|member_illust)\.php\?{_URL}{{1,300}}|artworks/[0-9]{{1,17}})"
    # A name.
    r"|(?<![\w.%=-])(?<!\w/)(?P<name>/?illusts?/|/i/|/?users?/|pixiv\s?\#\s?|illust_id\s?=\s?)(?P<number>[0-9]{1,17})(?![0-9])",
    re.IGNORECASE,
)
_USER = re.compile(r"/*(?:[a-z]{2}/)?(?:users?|u)/([0-9]{1,17})(?:/.*)?", re.IGNORECASE)
_WHAT = (
    ("member_illust", re.compile(r"member_illust\.php", re.IGNORECASE)),
    ("member", re.compile(r"member\.php", re.IGNORECASE)),
    ("artworks", re.compile(r"(?:^|/)artworks/", re.IGNORECASE)),
    ("i", re.compile(r"(?:^|/)i/[0-9]", re.IGNORECASE)),
    ("illust", re.compile(r"(?:^|/)illusts?/[0-9]", re.IGNORECASE)),
    ("users", re.compile(r"(?:^|/)(?:users?|u)/[0-9]", re.IGNORECASE)),
    ("image", re.compile(r"\.(?:jpe?g|png|gif|webp|zip)$", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a work or a user. `text` is what a reader sees of it, at `start` to `end` of the plain text.

    `form`: where it stands (`link`, `jump` for one that goes over /jump.php, `text` for one that nobody can click),
    and what it is: `artworks`, `member_illust`, `i`, `illust`, `pixiv #`, `image`, `users`, `member`, `other`.
    """

    kind: Literal["work", "user"]
    id: int
    form: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A description as people see it: its text, lines broken as they are, and the links in it, in order."""

    text: str
    links: tuple[Link, ...]

    def around(self, link: Link) -> tuple[str, str]:
        """What stands before and after a link, AROUND characters at most on each side."""
        return self.text[max(0, link.start - AROUND) : link.start], self.text[link.end : link.end + AROUND]

    def words(self, link: Link) -> str:
        """The link and what stands around it, on one line."""
        before, after = self.around(link)
        return " ".join(f"{before}{link.text}{after}".split())


def linked_works(description: str) -> list[int]:
    """The ids of works that a description's HTML links to or names, each once, in its order."""
    return list(dict.fromkeys(link.id for link in read_links(description).links if link.kind == "work"))


def read_links(description: str) -> Reading:
    """Every link to a work or a user in a description's HTML; what leads elsewhere is left out. Never raises."""
    text, anchors = _flattened(description)
    links: list[Link] = []
    unread, at = "", 0
    for start, end, href in anchors:
        link = _anchored(href, text[start:end], start, end)
        if link is not None:
            links.append(link)
            unread += text[at:start] + " " * (end - start)  # what it is called by is not read a second time
            at = end
    for match in _PLAIN.finditer((unread + text[at:]).translate(_WIDE)):
        link = _written(match, text)
        if link is not None:
            links.append(link)
    return Reading(text, tuple(sorted(links, key=lambda link: (link.start, link.end))))


def _flattened(html: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The plain text, and where in it something is linked to what."""
    parts: list[str] = []
    anchors: list[tuple[int, int, str]] = []
    size = at = 0
    opened: tuple[int, str] | None = None
    unseen = False

    def close() -> None:
        nonlocal opened
        if opened is not None:
            anchors.append((opened[0], size, opened[1]))
            opened = None

    def add(text: str) -> None:
        nonlocal size
        if not unseen:
            parts.append(text)
            size += len(text)

    for tag in _TAG.finditer(html):
        add(unescape(html[at : tag.start()]))
        at = tag.end()
        name = (tag[2] or "").lower()
        if name == "a":
            close()
            href = None if tag[1] else _HREF.search(tag[3])
            if href is not None:
                opened = (size, unescape(href[1] or href[2] or href[3] or "").strip())
        elif name in _BREAKS:
            add("\n")
        elif name in _UNSEEN:
            unseen = not tag[1]
    add(unescape(html[at:]))
    close()
    return "".join(parts), anchors


def _anchored(href: str, text: str, start: int, end: int) -> Link | None:
    """The link that an anchor is."""
    place = href.removeprefix("https://www.pixiv.net").removeprefix("http://www.pixiv.net")
    jumps = place.startswith(("/jump.php?", "jump.php?"))
    # Links to elsewhere go over jump.php, the whole query being the target (or `url=` and the target).
    target = unquote(place.partition("?")[2].removeprefix("url=")) if jumps else href
    named = _named(target.strip().translate(_WIDE))
    return None if named is None else Link(*named[:2], f"{'jump' if jumps else 'link'} {named[2]}", text, start, end)


def _written(match: re.Match[str], text: str) -> Link | None:
    """The link that stands in the text as words."""
    start, end = match.span()
    if match["name"]:
        kind = "user" if "user" in match["name"].lower() else "work"
        id = int(match["number"])
        what = "pixiv #" if "#" in match["name"] else "users" if kind == "user" else "illust"
        what = "i" if match["name"].lower() == "/i/" else what
        what = "member_illust" if "_id" in match["name"].lower() else what
        return Link(kind, id, f"text {what}", text[start:end], start, end) if 0 < id <= MAX_ID else None
    url = match[0].rstrip(".:;?&#~+-=%/")
    if re.match(r"[a-z]{2,5}://", url, re.IGNORECASE) and not url.lower().startswith(("http", "pixiv:")):
        url = "https://" + url.partition("://")[2]  # `ttp://`
    elif ":" in url.partition("/")[0] and "://" not in url:
        url = url.partition(":")[2]
    named = _named(url)
    end = start + len(match[0].rstrip(".:;?&#~+-=%/"))
    return None if named is None else Link(*named[:2], f"text {named[2]}", text[start:end], start, end)


def _named(target: str) -> tuple[Literal["work", "user"], int, str] | None:
    """What an address leads to: a work or a user, its id, and the form of the address."""
    if target.isdigit():
        return None  # a number by itself is an id in a list, not in a link
    what = next((name for name, pattern in _WHAT if pattern.search(target)), "other")
    id = parse_id(target)
    if isinstance(id, int):
        return "work", id, what
    user = _user(target)
    return None if user is None else ("user", user, what)


def _user(target: str) -> int | None:
    """The user whose page an address is: /users/N, /u/N, member.php?id=N, and the old lists of works."""
    try:
        parts = urlsplit(target.replace("&amp;", "&"))
        if (
            parts.netloc == ""
            and parts.scheme == ""
            and re.match(r"(?:[a-z0-9-]+\.)*pixiv\.net/", target, re.IGNORECASE)
        ):
            parts = urlsplit("https://" + target)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme == "pixiv":
        path = f"/{parts.netloc}{parts.path}"
    elif host in ("", "www.pixiv.net", "pixiv.net", "touch.pixiv.net", "sp.pixiv.net"):
        path = parts.path
    else:
        return None
    if path.endswith(("member.php", "member_illust.php")):
        digits = parse_qs(parts.query).get("id", [""])[0]
    else:
        found = _USER.fullmatch(path)
        digits = found[1] if found else ""
    return int(digits) if re.fullmatch("[0-9]{1,17}", digits) and 0 < int(digits) <= MAX_ID else None
