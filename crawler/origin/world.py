"""The stand-in's world: what every id and every URL is, and what a correct crawler must end with. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from crawler.origin import body, families, people
from crawler.origin.carried import Carried
from crawler.origin.dice import Dice
from crawler.origin.links import (
    IMAGES,
    RENDITIONS,
    SCALES,
    STATIC,
    ZIPS,
    image_path,
    on,
    zip_path,
)
from crawler.origin.listing import Listing
from crawler.origin.paint import MIMES, animation, picture
from crawler.origin.plain import Plain, plain
from crawler.origin.search import Searches
from crawler.origin.tags import Soil, members
from crawler.origin.work import JST, Mix, OriginWork, make_work, moment_of

Page = int | Literal["zip"]
_WORK = re.compile(r"/img/\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d/(\d{1,18})(?:-[0-9a-f]{32})?_")
_FRAME = re.compile(r"_(?:p|ugoira)(\d{1,4})[_.]")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of an image host. `status` is 200, or what it answers for ever; `mime` follows the URL, not the bytes."""

    status: int
    path: str = ""
    mime: str = ""
    modified: datetime = datetime(2020, 1, 1, tzinfo=JST)
    recipe: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedImage:
    """A file that must lie in the data set. `quality` is the rendition that was to be had; sizes from the bytes."""

    page: Page
    url: str
    sha256: str
    bytes: int
    mime: str
    ext: str
    quality: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a correct crawler ends with for one id, filters left aside (they read the fields below).

    `outcome` is done, gone (`reason` not_found or restricted) or failed (some images are nowhere to be had: `lost`).
    """

    id: int | str
    outcome: Literal["done", "gone", "failed"]
    reason: str = ""
    kind: str = ""
    title: str = ""
    x_restrict: int = 0
    sanity: int = 0
    ai_type: int = 0
    page_count: int = 0
    bookmarks: int = 0
    tags: tuple[str, ...] = ()
    images: Mapping[Page, ExpectedImage] = field(default_factory=dict[Page, ExpectedImage])
    lost: tuple[int, ...] = ()


class World:
    """Every answer is a function of `seed`, `mix`, `listing` and the question: no state, no clock."""

    def __init__(self, seed: int = 0, mix: Mix | None = None, listing: Listing | None = None) -> None:
        self.seed = seed
        self.mix = mix or Mix()
        self.listing = listing or Listing()
        self._soil = Soil(self.seed, self.mix, self.listing.scale)
        self._carried = Carried(self._soil, self.listing.tags)
        self.searches = Searches(self._soil, self.listing, self.work)

    def work(self, id: int) -> OriginWork:
        """The work that `id` is; any whole number has one, most of them alive."""
        return families.family_work(self.seed, self.mix, id) or make_work(self.seed, self.mix, id)

    def tagged(self, id: int) -> OriginWork:
        """The work with those of the known tags that hold it."""
        work, tags = self.work(id), self._carried.of(id)
        return replace(work, tags=work.tags + tuple((tag, "", "") for tag in tags)) if tags else work

    def description(self, id: int) -> str:
        """The HTML that the author of work `id` left."""
        return body.description(self.seed, id)

    def detail(self, id: int, *, session: bool = False) -> bytes | None:
        """The JSON of `/ajax/illust/{id}`, None for a dead one."""
        work = self.tagged(id)
        return body.envelope(body.detail(self.seed, work, session=session)) if work.alive else None

    def pages(self, id: int, *, session: bool = False) -> bytes | None:
        """The JSON of `/ajax/illust/{id}/pages`, None for a dead one."""
        work = self.work(id)
        return body.envelope(body.pages(work, session=session)) if work.alive else None

    def ugoira_meta(self, id: int, *, session: bool = False) -> bytes | None:
        """The JSON of `/ajax/illust/{id}/ugoira_meta`, None unless it is an ugoira that this session may see."""
        work = self.work(id)
        if not work.delays or (work.hidden and not session):
            return None
        return body.envelope(body.ugoira_meta(work))

    def image_bytes(self, id: int, page: Page, rendition: str = "original") -> bytes:
        """The bytes of a page's rendition (one of links.RENDITIONS); for page "zip" of one of links.ZIPS, or original.

        Says nothing about whether the site serves them: see `asset`. Raises LookupError for a dead work.
        """
        work = self.work(id)
        if not work.alive:
            raise LookupError(f"work {id} is dead in world {self.seed}")
        if page == "zip":
            return self.paint(self._zip(work, ZIPS[0] if rendition == "original" else rendition).recipe)
        return self.paint(self._rendition(work, page, rendition).recipe)

    def asset(self, host: str, path: str) -> Asset:
        """What lies at `path` (query included) of an image host, status 404 if nothing does."""
        found = plain(self.seed, host, path, self.mix.dead)
        if found:
            return self._plain(found, path)
        if host == STATIC and path.startswith("/common/images/"):
            return Asset(200, path, "image/png", recipe=("picture", ("static", path), 180, 180, "png", False))
        number = _WORK.search(path) if host == IMAGES else None
        work = self.work(int(number[1])) if number else None
        if work is None or not work.alive or work.placeholder:
            return Asset(404)
        frame = _FRAME.search(path)
        return self._named(work, path, int(frame[1]) if frame else 0)

    def paint(self, recipe: tuple[Any, ...]) -> bytes:
        """The bytes that an asset's recipe stands for; the only costly thing here (a millisecond or two;
        a family's drawings some forty)."""
        what, key, width, height, *rest = recipe
        if what == "zip":
            return animation(key, width, height, rest[0])
        if what == "drawn":
            return families.picture((key[0], key[1], key[2]), width, height, rest[0])
        return picture(key, width, height, rest[0], big=rest[1])

    def expected(self, id: int, *, session: bool = False, quality: str = "original", fallback: bool = True) -> Expected:
        """What a correct crawler ends with for `id`, given its session and `[site]` settings."""
        work = self.tagged(id)
        if not work.alive:
            return Expected(id, "gone", "not_found")
        restricted = bool(work.placeholder) or (work.hidden and not session)
        images: dict[Page, ExpectedImage] = {}
        lost: list[int] = []
        if not restricted and work.delays:
            name = ZIPS[0] if quality == "original" else ZIPS[1]
            images["zip"] = self._had("zip", self._zip(work, name), quality, "zip")
        elif not restricted:
            for number, page in enumerate(work.pages):
                had = self._best(work, number, quality, fallback)
                if had is None:
                    lost.append(number)
                else:
                    kind = page.kind if had[1] == "original" else "jpg"
                    images[number] = self._had(number, *had, kind)
        return Expected(
            id=id,
            outcome="gone" if restricted else "failed" if lost else "done",
            reason="restricted" if restricted else "",
            kind=work.kind,
            title=work.title,
            x_restrict=work.x_restrict,
            sanity=work.sanity,
            ai_type=work.ai_type,
            page_count=len(work.pages),
            bookmarks=work.bookmarks,
            tags=tuple(tag[0] for tag in work.tags),
            images=images,
            lost=tuple(lost),
        )

    def expected_tag(
        self, tag: str, match: str = "exact", mode: str = "all", since: str = "", until: str = "", fresh: int = 0
    ) -> frozenset[int]:
        """The ids that a search for `tag` must give, masked rows included: each is looked at, none found by place.

        `match` is exact or partial, `mode` all, safe or r18; the days are YYYY-MM-DD, inclusive; "" = no bound.
        """
        first = date.fromisoformat(since) if since else date.min
        last = date.fromisoformat(until) if until else date.max
        ids = members(self._soil, tag, exact=match == "exact", mode=mode, fresh=fresh)
        return frozenset(id for id in ids if not (since or until) or first <= moment_of(id).date() <= last)

    def expected_user(self, uid: int) -> frozenset[int]:
        """The ids of all works of a user that live."""
        return frozenset(work.id for work in people.works_of(self.seed, self.mix, uid, self.work))

    def expected_bookmarks(self, uid: int, *, hidden: bool = False, session: bool = True) -> list[int]:
        """The ids that a user's bookmarks show, in their order: those not masked for the session."""
        ids = people.readable(self.seed, self.mix, uid, hidden=hidden)
        return [id for id in ids if (work := self.work(id)).alive and (session or not work.x_restrict)]

    def expected_links(self, id: int) -> tuple[int, ...]:
        """The works that the description of `id` links to, in whatever form; of dead ones nothing can be read."""
        return body.linked(self.seed, id) if self.work(id).alive else ()

    def expected_url(self, url: str) -> Expected:
        """What a correct crawler ends with for a plain URL; the id is the first 16 hex digits of its SHA-256."""
        host, _, path = url.removeprefix("https://").partition("/")
        id = hashlib.sha256(url.encode()).hexdigest()[:16]
        found = plain(self.seed, host, "/" + path, self.mix.dead)
        if found is None or not found.alive:
            return Expected(id, "gone", "not_found")
        asset = self._plain(found, "/" + path)
        image = self._had(0, asset, "original", found.kind, host=host)
        return Expected(id, "done", page_count=1, images={0: image})

    def _best(self, work: OriginWork, page: int, quality: str, fallback: bool) -> tuple[Asset, str] | None:
        """The rendition that is to be had, and its name."""
        if quality == "thumb" and len(work.pages) > 1:
            wanted = "thumb_mini"  # the pages list names no other
        else:
            wanted = quality
        asset = self._rendition(work, page, wanted)
        if asset.status == 200:
            return asset, quality
        asset = self._rendition(work, page, "regular")
        return (asset, "regular") if fallback and quality == "original" and asset.status == 200 else None

    def _had(self, page: Page, asset: Asset, quality: str, kind: str, host: str = IMAGES) -> ExpectedImage:
        data = self.paint(asset.recipe)
        digest = hashlib.sha256(data).hexdigest()
        return ExpectedImage(page, on(host, asset.path), digest, len(data), MIMES[kind], kind, quality)

    def _named(self, work: OriginWork, path: str, page: int) -> Asset:
        """The file of `work` that is called exactly `path`."""
        if work.delays and "/img-zip-ugoira/" in path:
            found = [self._zip(work, name) for name in ZIPS]
        elif page >= (len(work.delays) or len(work.pages)):
            return Asset(404)
        else:
            found = [self._rendition(work, page, rendition) for rendition in RENDITIONS]
        return next((asset for asset in found if asset.path == path), Asset(404))

    def _rendition(self, work: OriginWork, page: int, rendition: str) -> Asset:
        drawn = work.pages[0 if work.delays else page]
        path = image_path(work, page, rendition)
        scale = SCALES[rendition]
        width, height = max(8, int(drawn.width * scale)), max(8, int(drawn.height * scale))
        if rendition in ("thumb", "mini", "thumb_mini"):
            width = height = min(width, height)
        original = rendition == "original"
        status = drawn.broken or 200 if original else 404 if drawn.lost else 200
        kind = drawn.kind if original else "jpg"
        what = "drawn" if families.member(self.seed, work.id) else "picture"
        recipe = (what, (self.seed, work.id, page), width, height, kind, drawn.big and original)
        return Asset(status, path, MIMES[path.rpartition(".")[2]], self._modified(work), recipe)

    def _zip(self, work: OriginWork, name: str) -> Asset:
        width, height = (work.pages[0].width, work.pages[0].height) if name == ZIPS[0] else (160, 120)
        recipe = ("zip", (self.seed, work.id, "zip"), width * 2 // 3, height * 2 // 3, len(work.delays))
        return Asset(200, zip_path(work, name), MIMES["zip"], self._modified(work), recipe)

    def _modified(self, work: OriginWork) -> datetime:
        """Close to the path's date and not equal to it (pixiv.md 3.4)."""
        return work.uploaded + timedelta(seconds=Dice(self.seed, "modified", work.id).between(-9000, 9000))

    def _plain(self, found: Plain, path: str) -> Asset:
        width, height = (max(16, int(side * self.mix.scale)) for side in (found.width, found.height))
        recipe = ("picture", found.key, width, height, found.kind, found.big)
        return Asset(200 if found.alive else 404, path, MIMES[found.ext], recipe=recipe)
