"""Replies in the site's shape, of this project's own making (pixiv.md 1 and 2)."""

from __future__ import annotations

import json
from typing import Any

ID = 123456789
DATE = "2024/05/06/07/08/09"
URLS = {
    "mini": f"https://i.pximg.net/c/48x48/custom-thumb/img/{DATE}/{ID}_p0_custom1200.jpg",
    "thumb": f"https://i.pximg.net/c/250x250_80_a2/custom-thumb/img/{DATE}/{ID}_p0_custom1200.jpg",
    "small": f"https://i.pximg.net/c/540x540_70/img-master/img/{DATE}/{ID}_p0_master1200.jpg",
    "regular": f"https://i.pximg.net/img-master/img/{DATE}/{ID}_p0_master1200.jpg",
    "original": f"https://i.pximg.net/img-original/img/{DATE}/{ID}_p0.png",
}
NO_URLS = dict.fromkeys(URLS)
LIMIT = "https://s.pximg.net/common/images/limit_r18_360.png"
GONE = b'{"error":true,"message":"","body":[]}'
REFUSED = b'{"error":true,"message":"An unknown error occurred","body":[]}'


def reply(body: Any, *, error: bool = False, message: str = "") -> bytes:
    return json.dumps({"error": error, "message": message, "body": body}).encode()


def work(**changes: Any) -> dict[str, Any]:
    """A work's body with every field that the site sends, and some of its noise."""
    tag = {"tag": "花", "locked": True, "deletable": False, "userId": "77", "userName": "n", "romaji": "hana"}
    return {
        "illustId": str(ID),
        "illustTitle": "A title",
        "illustComment": "See <a href='/jump.php?https%3A%2F%2Fexample.org'>this</a>",
        "id": str(ID),
        "title": "A title",
        "description": "See <a href='/jump.php?https%3A%2F%2Fexample.org'>this</a>",
        "illustType": 0,
        "createDate": "2024-05-05T22:08:00+00:00",
        "uploadDate": "2024-05-05T22:08:00+00:00",
        "restrict": 0,
        "xRestrict": 0,
        "sl": 2,
        "urls": URLS,
        "tags": {
            "authorId": "77",
            "isLocked": False,
            "tags": [tag | {"translation": {"en": "flower"}}, {"tag": "R-18", "locked": True, "deletable": False}],
            "writable": True,
        },
        "alt": "flower / A title",
        "userId": "77",
        "userName": "n",
        "userAccount": "nn",
        "userIllusts": {str(ID): {"id": str(ID), "title": "A title"}, "1": None},
        "likeData": False,
        "width": 1200,
        "height": 900,
        "pageCount": 1,
        "bookmarkCount": 12,
        "likeCount": 11,
        "commentCount": 3,
        "responseCount": 0,
        "viewCount": 400,
        "bookStyle": "0",
        "isHowto": False,
        "isOriginal": True,
        "imageResponseOutData": [],
        "imageResponseData": [],
        "imageResponseCount": 0,
        "pollData": None,
        "seriesNavData": None,
        "descriptionBoothId": None,
        "descriptionYoutubeId": None,
        "comicPromotion": None,
        "fanboxPromotion": {"userId": "77"},
        "contestBanners": [],
        "isBookmarkable": True,
        "bookmarkData": None,
        "contestData": None,
        "zoneConfig": {"header": {"url": "https://ads.example.net/"}},
        "extraData": {"meta": {"title": "t", "alternateLanguages": []}},
        "titleCaptionTranslation": {"workTitle": None, "workCaption": ""},
        "isUnlisted": False,
        "request": None,
        "commentOff": 0,
        "aiType": 1,
        "reuploadDate": None,
        "locationMask": False,
        "commissionLinkHidden": False,
        "isLoginOnly": False,
    } | changes


def page(number: int, ext: str = "png", **changes: Any) -> dict[str, Any]:
    """One entry of /pages."""
    urls = {
        "thumb_mini": f"https://i.pximg.net/c/128x128/img-master/img/{DATE}/{ID}_p{number}_square1200.jpg",
        "small": f"https://i.pximg.net/c/540x540_70/img-master/img/{DATE}/{ID}_p{number}_master1200.jpg",
        "regular": f"https://i.pximg.net/img-master/img/{DATE}/{ID}_p{number}_master1200.jpg",
        "original": f"https://i.pximg.net/img-original/img/{DATE}/{ID}_p{number}.{ext}",
    }
    return {"urls": urls, "width": 100 + number, "height": 200 + number} | changes


def ugoira(**changes: Any) -> dict[str, Any]:
    """The body of ugoira_meta."""
    return {
        "src": f"https://i.pximg.net/img-zip-ugoira/img/{DATE}/{ID}_ugoira600x600.zip",
        "originalSrc": f"https://i.pximg.net/img-zip-ugoira/img/{DATE}/{ID}_ugoira1920x1080.zip",
        "mime_type": "image/jpeg",
        "frames": [{"file": "000000.jpg", "delay": 60}, {"file": "000001.jpg", "delay": 0}],
    } | changes
