"""How the stand-in lists works: its settings, and the row that a work has in every list (pixiv.md 1.5, 2.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.origin.body import TYPES, Json, user_name
from crawler.origin.links import IMAGES, STATIC, image_path, on
from crawler.origin.work import OriginWork


@dataclass(frozen=True, slots=True)
class Listing:
    """How searches behave. Pages after `cap_pages` repeat that one; a page has `rows`, advertisements among them if
    `ads`; `scale` multiplies what tags hold. Of all different searches, `empty_share` are answered with 200 and an
    empty list the first `empty_times` they are asked; every `new_every` searches (0: never) each tag gets a new work.
    Details name those of `tags` that hold the work (a row names only the tag that was searched).
    """

    cap_pages: int = 1000
    rows: int = 60
    ads: bool = True
    scale: float = 1.0
    empty_share: float = 0.0
    empty_times: int = 1
    new_every: int = 0
    tags: tuple[str, ...] = ()


def row(work: OriginWork, *, session: bool, also: tuple[str, ...] = ()) -> Json:
    """A work in a list, with the tags `also` besides its own. Masked if it is dead, or R-18 without a session."""
    if not work.alive:
        return _masked(work, "unknown")
    if work.x_restrict and not session:
        return _masked(work, "r18")
    thumb = f"/common/images/{work.placeholder}" if work.placeholder else image_path(work, 0, "thumb")
    tags = [tag[0] for tag in work.tags]
    moment = work.uploaded.isoformat()
    found: Json = {
        "id": str(work.id),
        "title": work.title,
        "illustType": TYPES[work.kind],
        "xRestrict": work.x_restrict,
        "restrict": 0,
        "sl": work.sanity,
        "url": on(STATIC if work.placeholder else IMAGES, thumb),
        "description": "",
        "tags": tags + [tag for tag in also if tag not in tags],
        "userId": str(work.user_id),
        "userName": user_name(work.user_id),
        "width": work.pages[0].width,
        "height": work.pages[0].height,
        "pageCount": len(work.pages),
        "isBookmarkable": True,
        "bookmarkData": None,
        "alt": f"{', '.join(tags[:1])} / {work.title} / {work.uploaded:%B %d, %Y}",
        "titleCaptionTranslation": {"workTitle": None, "workCaption": None},
        "createDate": moment,
        "updateDate": moment,
        "isUnlisted": False,
        "isMasked": False,
        "aiType": work.ai_type,
    }
    if work.id % 11:
        found["profileImageUrl"] = on(STATIC, "/common/images/no_profile_s.png")
    return found


def zones(path: str) -> Json:
    """Advertisement slots: navigation that must not end in a log."""
    names = ("header", "footer", "logo", "ad_logo", "infeed")
    return {name: {"url": f"https://ads.example/show?zone_id={name}&format=js&s=1&uri={path}"} for name in names}


def extra(title: str, path: str) -> Json:
    """What search engines are told."""
    card = {"description": title, "image": "https://embed.example/decorate.php", "title": f"{title} - pixiv"}
    meta: Json = {"title": f"{title} - pixiv", "description": "pixiv", "canonical": f"https://www.pixiv.net{path}"}
    meta |= {"ogp": card | {"type": "article"}, "twitter": card | {"card": "summary"}, "descriptionHeader": title}
    return {"meta": meta | {"alternateLanguages": {"ja": meta["canonical"]}}}


def _masked(work: OriginWork, reason: str) -> Json:
    """A row that says next to nothing: its id is a number if the work is gone, and a string if it is only hidden."""
    known = reason != "unknown"
    return {
        "id": str(work.id) if known else work.id,
        "title": "-----",
        "illustType": 0,
        "xRestrict": work.x_restrict if known else 0,
        "restrict": 0,
        "sl": work.sanity if known else 0,
        "url": on(STATIC, f"/common/images/limit_{reason}_360.png"),
        "description": "",
        "tags": [],
        "userId": str(work.user_id) if known else 0,
        "userName": "-----",
        "width": 100,
        "height": 100,
        "pageCount": 1,
        "isBookmarkable": False,
        "bookmarkData": None,
        "alt": "",
        "titleCaptionTranslation": {"workTitle": None, "workCaption": None},
        "createDate": "1970-01-01T00:00:00+09:00",
        "updateDate": "1970-01-01T00:00:00+09:00",
        "isUnlisted": False,
        "isMasked": True,
        "maskReason": reason,
        "aiType": 0,
    }
