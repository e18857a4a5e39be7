"""The JSON that the stand-in answers with: in shape, oddities and escaping like the site's (pixiv.md 1, 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from crawler.origin import families
from crawler.origin.dice import Dice
from crawler.origin.links import IMAGES, RENDITIONS, ZIPS, on, urls, zip_path
from crawler.origin.words import NAMES, SENTENCES
from crawler.origin.work import OriginWork

Json = dict[str, Any]
TYPES = {"illust": 0, "manga": 1, "ugoira": 2}
NOT_FOUND = b'{"error":true,"message":"","body":[]}'
SESSION_REFUSED = b'{"error":true,"message":"An unknown error occurred","body":[]}'
INVALID = b'{"error":true,"message":"Invalid request.","body":[]}'
_PUNCTUATION = {"/": "\\/", "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "'": "\\u0027"}
_QUOTES = re.compile(r'\\\\|\\"')


def dump(value: object) -> bytes:
    """JSON as the site writes it: ASCII only, `/` as `\\/`, and quotes and angle brackets as `\\uXXXX`."""
    text = json.dumps(value, separators=(",", ":"))
    for mark, escape in _PUNCTUATION.items():  # none of these is JSON's own
        text = text.replace(mark, escape)
    return _QUOTES.sub(lambda found: "\\u0022" if found[0] == '\\"' else found[0], text).encode()


def envelope(body: object) -> bytes:
    """A good reply."""
    return dump({"error": False, "message": "", "body": body})


def pages(work: OriginWork, *, session: bool) -> list[Json]:
    """The body of `/ajax/illust/{id}/pages`."""
    names = ("thumb_mini", "small", "regular", "original")
    return [
        {"urls": urls(work, n, names, shown=session or not work.hidden), "width": page.width, "height": page.height}
        for n, page in enumerate(work.pages)
    ]


def ugoira_meta(work: OriginWork) -> Json:
    """The body of `/ajax/illust/{id}/ugoira_meta`."""
    large, small = (on(IMAGES, zip_path(work, name)) for name in ZIPS)
    frames = [{"file": f"{n:06d}.jpg", "delay": delay} for n, delay in enumerate(work.delays)]
    return {"src": small, "originalSrc": large, "mime_type": "image/jpeg", "frames": frames}


def detail(seed: int, work: OriginWork, *, session: bool) -> Json:
    """The body of `/ajax/illust/{id}`: 7 to 30 KB, most of it what a crawler has no use for."""
    dice = Dice(seed, "body", work.id)
    text, user = description(seed, work.id), user_name(work.user_id)
    created = (work.uploaded - timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:00+00:00")
    body: Json = {
        "illustId": str(work.id),
        "illustTitle": work.title,
        "illustComment": text,
        "id": str(work.id),
        "title": work.title,
        "description": text,
        "illustType": TYPES[work.kind],
        "createDate": created,
        "uploadDate": created,
        "restrict": 0,
        "xRestrict": work.x_restrict,
        "sl": work.sanity,
        "urls": urls(work, 0, RENDITIONS[4::-1], shown=session or not work.hidden),
        "tags": _tags(dice, work, user, session),
        "alt": " / ".join([", ".join(tag[2] or tag[0] for tag in work.tags[:3]), work.title]),
        "userId": str(work.user_id),
        "userName": user,
        "userAccount": f"user_{work.user_id}",
        "userIllusts": _user_illusts(dice, work, user),
        "likeData": False,
        "width": work.pages[0].width,
        "height": work.pages[0].height,
        "pageCount": len(work.pages),
        "bookmarkCount": work.bookmarks,
        "likeCount": work.bookmarks * 2 // 3,
        "commentCount": work.bookmarks // 40,
        "responseCount": 0,
        "viewCount": work.bookmarks * 9 + dice.between(0, 300),
        "bookStyle": 0,
        "isHowto": False,
        "isOriginal": dice.chance(0.3),
    }
    body |= {"imageResponseOutData": [], "imageResponseData": [], "imageResponseCount": 0}
    body |= dict.fromkeys(("pollData", "seriesNavData", "descriptionBoothId", "descriptionYoutubeId", "comicPromotion"))
    body |= {"fanboxPromotion": None, "contestBanners": [], "isBookmarkable": True, "bookmarkData": None}
    body |= {"contestData": None, "zoneConfig": _zones(dice, work), "extraData": _extra(work, user)}
    body |= {"titleCaptionTranslation": {"workTitle": None, "workCaption": None}, "isUnlisted": False, "request": None}
    body |= {"commentOff": int(dice.chance(0.1)), "aiType": work.ai_type, "reuploadDate": None, "locationMask": False}
    body |= {"commissionLinkHidden": dice.chance(0.2), "isLoginOnly": False}
    if not session:
        body["noLoginData"] = {"breadcrumbs": {"successor": [], "current": {"en": work.title}}, "zengoIdWorks": []}
    return _with_oddities(dice, work, body)


def description(seed: int, id: int) -> str:
    """HTML as authors leave it: sentences, links out through jump.php, and links to works, users and old URLs."""
    told = families.description(seed, id)
    return "<br />".join(_told(seed, id)[0]) if told is None else told


def linked(seed: int, id: int) -> tuple[int, ...]:
    """The works that `description` links to, in whatever form."""
    one = families.member(seed, id)
    return one.links if one else _told(seed, id)[1]


def _told(seed: int, id: int) -> tuple[list[str], tuple[int, ...]]:
    """The parts of a description, and the works that they link to."""
    dice = Dice(seed, "description", id)
    if dice.chance(0.2):
        return [], ()
    other, site = (
        max(1, id - dice.between(1, 900)),
        f"http://{dice.pick(('blog', 'www'))}.example/{dice.hex(6)}?a=1&b=2",
    )
    links = (
        f'<a href="/jump.php?{quote(site, safe="")}" target="_blank">{site.replace("&", "&amp;")}</a>',
        f'<strong><a href="https://www.pixiv.net/en/artworks/{other}">illust/{other}</a></strong>',
        f'<strong><a href="https://www.pixiv.net/artworks/{other}">illust/{other}</a></strong>',
        f'<strong><a href="https://www.pixiv.net/en/users/{other}">user/{other}</a></strong>',
        f"http://www.pixiv.net/member_illust.php?mode=medium&amp;illust_id={other}",
        f'<a href="/jump.php?url={quote(f"https://www.pixiv.net/i/{other}", safe="")}" target="_blank">i/{other}</a>',
        f"pixiv #{other}",
        '<strong><a href="https://twitter.com/nobody_example" target="_blank">twitter/nobody_example</a></strong>',
    )
    sentences, drawn = dice.some(SENTENCES, dice.between(1, 3)), dice.some(links, dice.pick((0, 1, 1, 2)))
    works = (links[1], links[2], links[4], links[5], links[6])
    return sentences + drawn, (other,) if any(link in works for link in drawn) else ()


def user_name(user_id: int) -> str:
    """An author's name: not unique, and sometimes looking like markup."""
    return NAMES[user_id % len(NAMES)] + ("" if user_id % 3 else str(user_id % 100))


def _tags(dice: Dice, work: OriginWork, user: str, session: bool) -> Json:
    items: list[Json] = []
    for name, romaji, english in work.tags:
        own = dice.chance(0.6)
        item: Json = {"tag": name, "locked": own, "deletable": not own}
        if own:
            item["userId"] = str(work.user_id)
        if romaji:
            item["romaji"] = romaji
        if english:
            item["translation"] = {"en": english}
        if own:
            item["userName"] = user
        items.append(item)
    return {"authorId": str(work.user_id), "isLocked": False, "tags": items, "writable": session}


def _user_illusts(dice: Dice, work: OriginWork, user: str) -> Json:
    """The author's other works: nulls for all but a few, and the work itself."""
    count = int(60 + 1000 * dice.unit() ** 2)
    steps = dice.bytes(count)
    ids = {work.id, work.id + 17, max(1, work.id - 23)}
    ids.update(max(1, work.id + (step - 100) * 1709 + place) for place, step in enumerate(steps))
    found: Json = {str(id): None for id in sorted(ids, reverse=True)}
    for id in (work.id, work.id + 17, max(1, work.id - 23)):
        found[str(id)] = {
            "id": str(id),
            "title": work.title if id == work.id else "☆",
            "illustType": TYPES[work.kind],
            "xRestrict": work.x_restrict,
            "restrict": 0,
            "sl": work.sanity,
            "url": on("s.pximg.net", "/common/images/no_image.png"),
            "description": "",
            "tags": [tag[0] for tag in work.tags],
            "userId": str(work.user_id),
            "userName": user,
            "width": work.pages[0].width,
            "height": work.pages[0].height,
            "pageCount": 1,
            "isBookmarkable": True,
            "bookmarkData": None,
            "alt": "☆",
            "titleCaptionTranslation": {"workTitle": None, "workCaption": None},
            "createDate": work.uploaded.isoformat(),
            "updateDate": work.uploaded.isoformat(),
            "isUnlisted": False,
            "isMasked": False,
            "aiType": 0,
        }
    return found


def _zones(dice: Dice, work: OriginWork) -> Json:
    """Advertisement slots: navigation that must not end in a log."""
    names = (
        "responsive",
        "rectangle",
        "500x500",
        "header",
        "footer",
        "expandedFooter",
        "logo",
        "ad_logo",
        "relatedworks",
    )
    tail = f"&format=js&s=1&up=0&l=en&uri=%2Fajax%2Fillust%2F_PARAM_&illust_id={work.id}&K={dice.hex(10)}"
    return {name: {"url": f"https://ads.example/show?zone_id={name}{tail}&D={dice.hex(15)}"} for name in names}


def _extra(work: OriginWork, user: str) -> Json:
    page = f"https://www.pixiv.net/artworks/{work.id}"
    card = {
        "description": f"{work.title} by {user}",
        "image": "https://embed.example/decorate.php",
        "title": work.title,
    }
    languages: object = [] if work.hidden else {"ja": page, "en": page.replace("/artworks", "/en/artworks")}
    meta: Json = {
        "title": f"{work.title} - pixiv",
        "description": f"この作品 「{work.title}」 は「{user}」さんのイラストです。",
    }
    meta |= {"canonical": page, "alternateLanguages": languages, "descriptionHeader": work.title}
    return {"meta": meta | {"ogp": card | {"type": "article"}, "twitter": card | {"card": "summary_large_image"}}}


def _with_oddities(dice: Dice, work: OriginWork, body: Json) -> Json:
    """What varies over real captures (pixiv.md 8.5) and breaks a strict model."""
    age, style = dice.unit(), dice.unit()
    newer = ("aiType", "reuploadDate", "locationMask", "commissionLinkHidden", "isLoginOnly", "commentOff")
    if age < 0.25:
        gone: tuple[str, ...] = newer if work.ai_type == 0 else newer[1:]
        body = {key: value for key, value in body.items() if key not in gone}
        body["storableTags"] = [dice.hex(10) for _ in range(dice.between(0, 4))]
    if style < 0.3:
        body["bookStyle"] = "0"
    elif style < 0.5:
        del body["bookStyle"]
    if dice.chance(0.12):
        body["seriesNavData"] = _series(dice, work)
    if dice.chance(0.15):
        words = (None, "", "A translated title")
        body["titleCaptionTranslation"] = {"workTitle": dice.pick(words), "workCaption": dice.pick(words)}
    if dice.chance(0.04):
        choices = [{"id": n, "text": text, "count": dice.between(0, 99)} for n, text in enumerate(("赤", "青"), 1)]
        body["pollData"] = {"question": "どっち?", "choices": choices, "selectedValue": None, "total": 12}
    if dice.chance(0.06):
        body["descriptionYoutubeId"] = dice.hex(11)
    if dice.chance(0.06):
        body["fanboxPromotion"] = {"userName": user_name(work.user_id), "contentUrl": "https://fanbox.example/"}
    return body


def _series(dice: Dice, work: OriginWork) -> Mapping[str, object]:
    number = dice.between(1, 300_000)
    data: Json = {
        "seriesType": "manga",
        "seriesId": str(number) if dice.chance(0.5) else number,
        "title": "連載/Series",
    }
    data |= {"order": dice.between(1, 40), "isWatched": False, "isNotifying": False}
    neighbour = {"title": "前", "order": 1, "id": str(max(1, work.id - 5))}
    if dice.chance(0.5):
        data |= {"prev": neighbour, "next": None}
    return data
