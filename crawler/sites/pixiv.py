"""The site pixiv: what to ask for a work, and what its replies say. Pure: requests out, descriptions in.

One request describes a work of one page, two any other: the sizes and extensions of further pages are asked for, not
guessed. What the site hides from the session is `restricted`; nothing is derived from thumbnails (pixiv.md 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import orjson

from crawler.fetch.exchange import Request
from crawler.hidden import Hidden
from crawler.model import Absent, Description, Failure, Image, Kind, WorkId
from crawler.sites.pixiv_reply import body_of
from crawler.sites.pixiv_work import KINDS, Glance, kept, number, work_of
from crawler.sites.settings import SiteSettings
from crawler.sites.site import Ask

__all__ = ["Pixiv", "work_of"]

HOST = "www.pixiv.net"
"""Where metadata comes from; images come from others."""
HOME = f"https://{HOST}/"
_REPLY_BYTES = 1024 * 1024
_SESSION = re.compile(r"[!#-+\--:<-\[\]-~]*")
"""What a cookie's value may hold (RFC 6265 4.1.1); a line break in it would write headers of its own."""
_URL = re.compile(
    r"https?://(?:[a-z0-9-]{1,63}\.){1,8}(?:pximg|pixiv)\.net(?::\d{1,5})?/[!-\[\]-~]{1,2000}", re.IGNORECASE
)
"""Image URLs are taken from these hosts only (pixiv.md 3): a reply must not send the crawler elsewhere."""
_ORIGINAL = re.compile(r"https://i\.pximg\.net/img-original/img/[0-9/]{1,40}_p[0-9]{1,4}\.(?:jpg|png|gif)").fullmatch
_REGULAR = re.compile(r"https://i\.pximg\.net/img-master/img/[0-9/]{1,40}_p[0-9]{1,4}_master1200\.jpg").fullmatch
"""Nearly all of those, told four times faster."""
_PLACEHOLDER = re.compile(r"https?://s\.pximg\.net[:/]|.*/common/images/limit_", re.IGNORECASE)
"""Pictures that stand for a picture that is not shown (pixiv.md 3.5)."""
_SIDES = range(1, 10**9)
_DEEPEST = 100
"""Nesting of metadata beyond which it could not be logged: orjson writes 254 levels and reads more."""


_NO_BODY = (Absent, Failure)
_OF_ANSWERS = {"Accept": "application/json", "Referer": HOME}
_OF_IMAGES = {"Referer": HOME, "Accept-Encoding": "identity"}


class Pixiv:
    """`session` is the value of PHPSESSID or ""; it goes to the API only, never to image hosts.

    `accept` is the filter: asked once the work is known and before more requests are made. Raises ValueError (without
    the value in it) for a session that no cookie can hold.
    """

    def __init__(self, settings: SiteSettings, session: str, accept: Callable[[Glance], Absent | None]) -> None:
        if not _SESSION.fullmatch(session):
            raise ValueError("the session is not the value of a cookie: a blank, quote, comma, semicolon or line break")
        self.quality = settings.quality
        self.fallback = settings.fallback and settings.quality == "original"
        self.accept = accept
        self.secret: Mapping[str, str] = {"Cookie": Hidden(f"PHPSESSID={session}")} if session else {}

    def describe(self, id: WorkId) -> Ask:
        return _Detail(self, int(id))

    def image_request(self, image: Image) -> Request:
        """The CDN wants the site as Referer and no cookie (pixiv.md 3.3)."""
        return Request(image.url, "images", _OF_IMAGES)

    def api_request(self, path: str) -> Request:
        return Request(HOME + path, "api", _OF_ANSWERS, self.secret, _REPLY_BYTES)


class _Detail(NamedTuple):
    """pixiv.md 1.1: metadata, and the URLs of page 0."""

    site: Pixiv
    id: int

    def request(self) -> Request:
        return self.site.api_request(f"ajax/illust/{self.id}")

    def read(self, status: int, content_type: str, body: bytes) -> Ask | Description | Absent | Failure:
        said = body_of(status, content_type, body, session=bool(self.site.secret))
        if isinstance(said, _NO_BODY):
            return said
        if not isinstance(said, dict):
            return _bad("`body` is a list")
        raw = cast(dict[str, Any], said)
        id = raw.get("id", raw.get("illustId"))
        if id != str(self.id) and number(id) != self.id:
            return _bad(f"asked for {self.id}, `id` is {raw.get('id')!r:.40}")
        image = _usual_image(self.site, 0, raw)
        if image is None and (shown := _hidden(raw.get("urls"), "original")) is not None:
            return shown
        try:
            work = Glance(raw)
        except ValueError as why:
            if number(raw.get("illustType")) not in KINDS:  # a number, and none that is known
                return Absent("unsupported")
            return _bad(str(why))
        return self.site.accept(work) or self._expand(work, raw, image)

    def _expand(self, work: Glance, raw: dict[str, Any], image: Image | Failure | None) -> Ask | Description | Failure:
        metadata = kept(raw)
        if not _loggable(metadata):
            return _bad("metadata is nested too deeply")
        if work.kind == "ugoira":
            return _Ugoira(self.site, self.id, metadata)
        if work.page_count > 1:
            return _Pages(self.site, self.id, metadata)
        if image is None:
            image = _image(self.site, 0, raw["urls"], raw)
        return image if isinstance(image, Failure) else Description((image,), metadata)


class _Pages(NamedTuple):
    """pixiv.md 1.2: the URLs and sizes of all pages. Their number is believed over `pageCount`: revisions change it."""

    site: Pixiv
    id: int
    metadata: Mapping[str, Any]

    def request(self) -> Request:
        return self.site.api_request(f"ajax/illust/{self.id}/pages")

    def read(self, status: int, content_type: str, body: bytes) -> Ask | Description | Absent | Failure:
        said = _of_known_work(body_of(status, content_type, body, session=bool(self.site.secret)), status)
        if isinstance(said, _NO_BODY):
            return said
        if not isinstance(said, list) or not said:
            return _bad("no pages")
        pages = [_object(entry) for entry in cast(list[object], said)]
        images = [_usual_image(self.site, place, page) for place, page in enumerate(pages)]
        if None not in images:
            return Description(cast("tuple[Image, ...]", tuple(images)), self.metadata)
        return self._look_closer(pages)

    def _look_closer(self, pages: list[dict[str, Any]]) -> Description | Absent | Failure:
        hidden = [_hidden(page.get("urls"), "original") for page in pages]
        if all(isinstance(one, Absent) for one in hidden):
            return Absent("restricted")
        images: list[Image] = []
        for place, (page, missing) in enumerate(zip(pages, hidden, strict=True)):
            if isinstance(missing, Absent):  # said of some pages only: it may pass (pixiv.md 3.5, GD#4327)
                return _bad(f"page {place} is hidden, others are not")
            image = missing or _image(self.site, place, page["urls"], page)
            if isinstance(image, Failure):
                return image
            images.append(image)
        return Description(tuple(images), self.metadata)


class _Ugoira(NamedTuple):
    """pixiv.md 1.3: the zip of an animation's frames, and how long each is shown.

    The zip has no size of its own, and `width` and `height` of such works may be wrong (pixiv.md 2), so none is given.
    """

    site: Pixiv
    id: int
    metadata: Mapping[str, Any]

    def request(self) -> Request:
        return self.site.api_request(f"ajax/illust/{self.id}/ugoira_meta")

    def read(self, status: int, content_type: str, body: bytes) -> Ask | Description | Absent | Failure:
        said = _of_known_work(body_of(status, content_type, body, session=bool(self.site.secret)), status)
        if isinstance(said, _NO_BODY):
            return said
        meta = _object(said)
        frames = meta.get("frames")
        if not isinstance(frames, list) or not frames:
            return _bad("`frames` is missing or empty")
        if not all(isinstance(_object(frame).get("file"), str) for frame in cast(list[object], frames)):
            return _bad("`frames`: a frame without `file`")
        small, large = meta.get("src"), meta.get("originalSrc")
        hidden = _hidden({name: meta[name] for name in ("src", "originalSrc") if name in meta}, "originalSrc")
        if hidden is not None:
            return hidden
        name, url = ("originalSrc", large) if self.site.quality == "original" else ("src", small)
        if not _good(url):
            return _bad(f"`{name}` is {url!r:.80}")
        spare = small if self.site.fallback and _good(small) and small != url else None
        metadata = {**self.metadata, "ugoira": meta}
        if not _loggable(metadata):
            return _bad("metadata is nested too deeply")
        return Description((Image("zip", cast(str, url), cast("str | None", spare)),), metadata)


def _of_known_work(said: Any | Absent | Failure, status: int) -> Any | Absent | Failure:
    # The work was there a moment ago: that it is gone is for its own endpoint to say, in a later run. The kinds
    # NOT_FOUND and, of a page hidden among others, PLACEHOLDER would be final.
    if isinstance(said, Absent) and said.reason == "not_found":
        return Failure(Kind.BAD_REPLY, "the work is there, its files are not listed", status)
    return said


def _hidden(urls: object, essential: str) -> Absent | Failure | None:
    """Absent when the site shows none of the renditions (all null, or placeholders), None when it shows some."""
    if not isinstance(urls, dict) or essential not in urls:
        return _bad(f"`{essential}` is missing among the URLs")
    shown = [url for url in cast(dict[str, object], urls).values() if url is not None]
    if all(isinstance(url, str) and _PLACEHOLDER.match(url) for url in shown):
        return Absent("restricted")
    return None


def _usual_image(site: Pixiv, page: int, said: Mapping[str, Any]) -> Image | None:
    """The page, where all that is said of it is as it nearly always is: then it is the same as `_image` would give,
    and nothing of it is hidden."""
    try:
        urls: Any = said["urls"]
        url, regular, width, height = urls["original"], urls["regular"], said["width"], said["height"]
        if _ORIGINAL(url) is None or _REGULAR(regular) is None or site.quality != "original":
            return None
    except (KeyError, TypeError):
        return None
    if type(width) is type(height) is int and width in _SIDES and height in _SIDES:
        return Image(page, url, regular if site.fallback else None, width, height)
    return None


def _image(site: Pixiv, page: int, urls: Mapping[str, Any], size: Mapping[str, Any]) -> Image | Failure:
    """The page in the quality wanted. In /pages the smallest rendition is `thumb_mini`, there is no `thumb`."""
    url = urls.get(site.quality)
    if url is None and site.quality == "thumb":
        url = urls.get("thumb_mini")
    if not _good(url):
        return _bad(f"page {page}: `urls.{site.quality}` is {url!r:.80}")
    regular = urls.get("regular") if site.fallback else None
    spare = cast(str, regular) if _good(regular) and regular != url else None
    return Image(page, cast(str, url), spare, number(size.get("width")) or None, number(size.get("height")) or None)


def _good(url: object) -> bool:
    return isinstance(url, str) and _URL.fullmatch(url) is not None and _PLACEHOLDER.match(url) is None


def _loggable(metadata: Mapping[str, Any]) -> bool:
    # What orjson reads it need not write: it goes deeper into what it reads. Padding leaves room for the log's own.
    try:
        written = orjson.dumps(metadata)
        if written.count(b"{") + written.count(b"[") <= _DEEPEST:
            return True  # what opens nothing more often cannot be deeper
        padded: object = metadata
        for _ in range(254 - _DEEPEST):
            padded = [padded]
        orjson.dumps(padded)
    except TypeError:
        return False
    return True


def _object(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _bad(detail: str) -> Failure:
    return Failure(Kind.BAD_REPLY, detail, 200)
