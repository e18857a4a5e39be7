"""Users of the stand-in: all works of one, and what one has bookmarked (pixiv.md 1.6, 1.7). Pure.

GET https://www.pixiv.net/ajax/user/{uid}/profile/all
GET https://www.pixiv.net/ajax/user/{uid}/illusts/bookmarks?tag=&offset=0&limit=48&rest=show

Users are the authors of works (`work.CROWDS`) and numbers below 100,000, who have no works of their own; all others
have left: 404. Bookmarks come newest first, in no order of ids; `rest=hide` is for the owner of the session alone,
whose number is what stands before `_` in it. Some bookmarked works are dead and masked by now; of a hundred, one or two
are left out of the list though `total` counts them. 400: a limit above 100, another's hidden ones, what is no number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from crawler.origin import families
from crawler.origin.body import Json, envelope
from crawler.origin.dice import Dice
from crawler.origin.listing import extra, row, zones
from crawler.origin.strands import Strand
from crawler.origin.tags import LAST
from crawler.origin.work import CROWDS, Mix, OriginWork, crowd_shift, glance

PATH = re.compile(r"/ajax/user/([^/]+)/(profile/all|illusts/bookmarks)")
LEFT = b'{"error":true,"message":"User has left pixiv or the user ID does not exist.","body":[]}'
READERS = 100_000
"""Numbers below this are users without works."""
MAX_LIMIT = 100


def is_user(uid: int) -> bool:
    """Whether there is such a user."""
    return 0 < uid < READERS or any(crowd.first <= uid < crowd.first + crowd.users for crowd in CROWDS)


def works_of(seed: int, mix: Mix, uid: int, work: Callable[[int], OriginWork]) -> list[OriginWork]:
    """All living works of a user, newest first; none for one who has left."""
    found: set[int] = set()
    for remainder, crowd in enumerate(CROWDS):
        if not crowd.first <= uid < crowd.first + crowd.users:
            continue
        lowest = (uid - crowd.first - crowd_shift(seed, crowd)) % crowd.users
        ids = range(lowest * len(CROWDS) + remainder, LAST, crowd.users * len(CROWDS))
        found.update(id for id in ids if id > 0 and glance(seed, mix, id) >= 0)
        for id in ids:  # who drew a family's lines may have coloured them too, and others' works there are not theirs
            one = families.member(seed, id)
            if one:
                found.update(other.id for other in families.family(seed, one.family))
    works = (work(id) for id in sorted(found, reverse=True))
    return [one for one in works if one.alive and one.user_id == uid]


def profile(seed: int, mix: Mix, uid: int, work: Callable[[int], OriginWork]) -> bytes | None:
    """The JSON of all works of a user, R-18 ones included; None: no such user."""
    if not is_user(uid):
        return None
    works = works_of(seed, mix, uid, work)
    manga = {str(work.id): None for work in works if work.kind == "manga"}
    illusts = {str(work.id): None for work in works if work.kind != "manga"}
    public = {"illust": bookmarked(seed, uid, hidden=False).count, "novel": 0}
    private = {"illust": 0, "novel": 0}
    # What is empty is a list here and an object else, as PHP has it.
    body: Json = {"illusts": illusts or [], "manga": manga or [], "novels": [], "mangaSeries": [], "novelSeries": []}
    body |= {"pickup": [], "bookmarkCount": {"public": public, "private": private}}
    body |= {"externalSiteWorksStatus": {"booth": False, "sketch": False, "vroidHub": False}}
    body["request"] = {"showRequestTab": False, "postWorks": {"artworks": [], "novels": []}}
    return envelope(body)


def bookmarked(seed: int, uid: int, *, hidden: bool) -> Strand:
    """What a user has bookmarked, dead works included, by id: see `bookmark_at` for the order of the list."""
    key = f"bookmarks {uid} {hidden}"
    dice = Dice(seed, key)
    count = 0 if dice.chance(0.15) or not is_user(uid) else int(12 * (1 - dice.unit()) ** -1.1)
    count = min(count, 3000) // (4 if hidden else 1)
    return Strand(key, 1000, (LAST - 1000) // max(1, count), count, want="any")


def bookmark_at(seed: int, mix: Mix, strand: Strand, place: int) -> int:
    """The id at `place` of a list of bookmarks; 0: left out of it."""
    dice = Dice(seed, strand.key, "order")
    step = dice.between(1, strand.count)
    while math.gcd(step, strand.count) > 1:
        step += 1
    if Dice(seed, strand.key, "left out", place).chance(0.015):
        return 0
    return strand.member(seed, mix, (dice.word() + place * step) % strand.count)


def readable(seed: int, mix: Mix, uid: int, *, hidden: bool) -> list[int]:
    """All ids in a user's list of bookmarks, as it has them, dead ones included."""
    strand = bookmarked(seed, uid, hidden=hidden)
    return [id for place in range(strand.count) if (id := bookmark_at(seed, mix, strand, place))]


def bookmarks(
    seed: int, mix: Mix, uid: int, query: str, session: str | None, work: Callable[[int], OriginWork]
) -> bytes | None:
    """The JSON of a page of bookmarks; None: it makes no sense. `session` is the one that is valid, if any."""
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    window = _window(asked)
    hidden = asked.get("rest", "show") == "hide"
    if window is None or (hidden and owner_of(session) != uid):
        return None
    strand = bookmarked(seed, uid, hidden=hidden)
    places = range(window[0], min(sum(window), strand.count))
    ids = [bookmark_at(seed, mix, strand, place) for place in places]
    own = owner_of(session) == uid
    works = [row(work(id), session=session is not None) for id in ids if id]
    for found in works if own else ():
        found["bookmarkData"] = {"id": f"{int(found['id']) * 7 % 10**11}", "private": hidden}
    path = f"/users/{uid}/bookmarks/artworks"
    body: Json = {"works": works, "total": strand.count, "zoneConfig": zones("bookmarks")}
    body |= {"extraData": extra(f"{uid}'s Bookmarks", path)}
    if own:
        body["bookmarkTags"] = []
    return envelope(body)


def owner_of(session: str | None) -> int | None:
    """The user whom a session is of."""
    head = (session or "").partition("_")[0]
    return int(head) if re.fullmatch(r"[0-9]{1,18}", head) else None


def _window(asked: Mapping[str, str]) -> tuple[int, int] | None:
    """Offset and limit."""
    offset, limit = asked.get("offset", "0"), asked.get("limit", "48")
    if not (re.fullmatch(r"[0-9]{1,9}", offset) and re.fullmatch(r"[0-9]{1,9}", limit)):
        return None
    return (
        (int(offset), int(limit))
        if 0 < int(limit) <= MAX_LIMIT and asked.get("rest", "show") in ("show", "hide")
        else None
    )
