"""What a work of the stand-in is: made from (seed, mix, id) and nothing else, so an id's answer never changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from crawler.origin.dice import Dice
from crawler.origin.words import HOSTILE_TITLES, POPULAR, TAGS, TITLES

V = TypeVar("V")
JST = timezone(timedelta(hours=9))
DATES = (
    (0, datetime(2007, 9, 10, tzinfo=JST)),
    (1_000_000, datetime(2008, 6, 1, tzinfo=JST)),
    (10_000_000, datetime(2010, 4, 10, tzinfo=JST)),
    (30_000_000, datetime(2012, 9, 10, tzinfo=JST)),
    (50_000_000, datetime(2015, 4, 25, tzinfo=JST)),
    (70_000_000, datetime(2018, 8, 5, tzinfo=JST)),
    (90_000_000, datetime(2021, 5, 20, tzinfo=JST)),
    (144_000_000, datetime(2026, 4, 27, tzinfo=JST)),
)
"""When ids were given out (pixiv.md 6), roughly."""
NEW_A_DAY = 39_000
"""Ids given out a day after the last of DATES (pixiv.md 6)."""
PLACEHOLDERS = ("limit_sanity_level_360.png", "limit_unviewable_360.png", "limit_mypixiv_360.png")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Authors of about the same zeal: `users` of them, with numbers from `first` on."""

    first: int
    users: int


CROWDS = (Crowd(1_000_000, 1_000_003), Crowd(4_000_000, 200_003), Crowd(6_000_000, 40_009))
"""Each has a third of all ids: about 48, 240 and 1200 works for each author."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of what works are like. `dead` is of all ids, everything else of those that live.

    `r18`, `r18g` and `sanity` exclude each other, as do `ugoira` and `multi`, and as do the oddities from `broken` on.
    `lost` (original and every rendition broken for good) is 0: a crawler cannot get such a work whole.
    `scale` multiplies the sides of all pictures: small ones are painted fast. `edited_h` hours after they were first
    uploaded all works were uploaded anew: that is their date, and the one in the URLs of their files.
    """

    dead: float = 0.12
    r18: float = 0.075
    r18g: float = 0.015
    sanity: float = 0.045
    ugoira: float = 0.035
    multi: float = 0.22
    long: float = 0.025
    manga: float = 0.15
    big: float = 0.02
    broken: float = 0.03
    hashed: float = 0.025
    placeholder: float = 0.018
    mismatched: float = 0.035
    webp: float = 0.015
    gif: float = 0.03
    mixed: float = 0.02
    lost: float = 0.0
    scale: float = 1.0
    edited_h: int = 0


@dataclass(frozen=True, slots=True)
class OriginPage:
    """One page. `ext` is what its URL says, `kind` what its bytes are; `broken` is the original's status
    for ever, or 0; `lost` breaks the renditions too. `width` and `height` are the original's, in pixels."""

    ext: str
    kind: str
    width: int
    height: int
    broken: int = 0
    lost: bool = False
    big: bool = False


@dataclass(frozen=True, slots=True)
class OriginWork:
    """One work. `kind` is illust, manga or ugoira; `delays` (ms, one a frame) only for ugoira; `oddity` is the name of
    the share in Mix that made it odd; `uploaded` is Japan's time; `placeholder` a file name, or "" """

    id: int
    alive: bool
    kind: str = "illust"
    title: str = ""
    x_restrict: int = 0
    sanity: int = 2
    ai_type: int = 0
    bookmarks: int = 0
    user_id: int = 0
    tags: tuple[tuple[str, str, str], ...] = ()
    uploaded: datetime = DATES[0][1]
    digest: str = ""
    placeholder: str = ""
    oddity: str = ""
    pages: tuple[OriginPage, ...] = ()
    delays: tuple[int, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether those without a session see null URLs (pixiv.md 2.1)."""
        return self.x_restrict > 0 or self.sanity >= 4

    @property
    def features(self) -> frozenset[str]:
        """Names of all that is special about it, as in Mix; `plain` if nothing is."""
        if not self.alive:
            return frozenset({"dead"})
        found = {self.oddity, {1: "r18", 2: "r18g"}.get(self.x_restrict, "sanity" if self.hidden else "")}
        found |= {"manga" if self.kind == "manga" else "", "ugoira" if self.delays else ""}
        found |= {"multi" if len(self.pages) > 1 else "", "long" if len(self.pages) > 20 else ""}
        found |= {"big" if any(page.big for page in self.pages) else ""}
        return frozenset(found - {""}) or frozenset({"plain"})


def make_work(seed: int, mix: Mix, id: int) -> OriginWork:
    """The work that `id` is in the world of `seed`."""
    dice = Dice(seed, "work", id)
    if dice.chance(mix.dead):
        return OriginWork(id, alive=False)
    x_restrict, sanity = _access(dice, mix)
    ugoira = dice.chance(mix.ugoira)
    oddity = _oddity(dice, mix, ugoira)
    if oddity == "placeholder" and (x_restrict or sanity >= 4):
        oddity = ""  # what is hidden anyway shows nulls, not placeholders
    pages = _pages(dice, mix, oddity, ugoira)
    manga = dice.chance(mix.manga)
    delays = tuple(dice.pick((40, 60, 80, 120, 500)) for _ in range(dice.between(2, 12)))
    bookmarks = int(10 ** dice.real(0, 4.7)) - 1
    return OriginWork(
        id=id,
        alive=True,
        kind="ugoira" if ugoira else "manga" if manga else "illust",
        title=dice.pick(HOSTILE_TITLES) if dice.chance(0.06) else dice.pick(TITLES),
        x_restrict=x_restrict,
        sanity=sanity,
        ai_type=dice.pick((0, 0, 0, 0, 0, 1, 1, 1, 1, 2)),
        bookmarks=bookmarks,
        user_id=_spare(dice, user_of(seed, id)),
        tags=_tags(dice, x_restrict, ugoira, bookmarks),
        uploaded=_spare(dice, moment_of(id)) + timedelta(hours=mix.edited_h),
        digest=dice.hex(32) if oddity == "hashed" else "",
        placeholder=dice.pick(PLACEHOLDERS) if oddity == "placeholder" else "",
        oddity=oddity,
        pages=pages,
        delays=delays if ugoira else (),
    )


def _access(dice: Dice, mix: Mix) -> tuple[int, int]:
    """(xRestrict, sl). Draws the same number of times whatever comes out, so that mixes differ in nothing else."""
    draw, level, fresh = dice.unit(), dice.pick((4, 6)), dice.chance(0.05)
    if draw < mix.r18g:
        return 2, 6
    if draw < mix.r18g + mix.r18:
        return 1, 6
    if draw < mix.r18g + mix.r18 + mix.sanity:
        return 0, level
    return 0, 0 if fresh else 2


def _oddity(dice: Dice, mix: Mix, ugoira: bool) -> str:
    draw = dice.unit()
    for name in ("lost", "placeholder", "hashed", "broken", "mismatched", "webp", "gif", "mixed"):
        draw -= getattr(mix, name)
        if draw < 0:
            return "" if ugoira and name not in ("placeholder", "hashed") else name
    return ""


def _pages(dice: Dice, mix: Mix, oddity: str, ugoira: bool) -> tuple[OriginPage, ...]:
    multi, long, small, large = dice.chance(mix.multi), dice.chance(mix.long), dice.unit(), dice.between(45, 62)
    count = 1
    if not ugoira and (multi or oddity == "mixed"):
        count = large if long else 2 + int(small**3 * 19)
    ext = dice.pick(("jpg", "jpg", "jpg", "png", "png"))
    odd_page = dice.between(0, count - 1)
    status = dice.pick((404, 500))
    shape = (dice.between(260, 560), dice.between(240, 520))
    pages: list[OriginPage] = []
    for number in range(count):
        odd = number == odd_page
        size = (shape[0] + 7 * (number % 5), shape[1] + 11 * (number % 3))
        size = (max(16, int(size[0] * mix.scale)), max(16, int(size[1] * mix.scale)))
        big = dice.chance(mix.big) and not ugoira
        pages.append(_page(oddity if odd or oddity in ("gif", "mixed") else "", ext, size, big, number, status))
    return tuple(pages)


def _page(oddity: str, ext: str, size: tuple[int, int], big: bool, number: int, status: int) -> OriginPage:
    kind = ext
    if oddity == "gif":
        ext = kind = "gif"
    elif oddity == "mixed":
        ext = kind = ("jpg", "png", "gif")[number % 3]
    elif oddity == "mismatched":
        kind = {"jpg": "png", "png": "jpg"}[ext]
    elif oddity == "webp":
        kind = "webp"
    if big and kind in ("jpg", "png"):
        size = (size[0] + 200, size[1] + 150)
    lost = oddity == "lost"
    broken = status if oddity in ("broken", "lost") else 0
    return OriginPage(ext, kind, *size, broken=broken, lost=lost, big=big and kind in ("jpg", "png"))


def _tags(dice: Dice, x_restrict: int, ugoira: bool, bookmarks: int) -> tuple[tuple[str, str, str], ...]:
    if dice.chance(0.03):
        return ()
    found = [(("R-18", "R-18G")[x_restrict - 1], "", "")] if x_restrict else []
    if ugoira:
        found.append(("うごイラ", "ugoira", "ugoira"))
    found += dice.some(TAGS, dice.between(1, 8))
    reached = [tag for tag in POPULAR if bookmarks >= int(tag.removesuffix("users入り"))]
    if reached:
        found.append(
            (f"オリジナル{reached[-1]}", "", "original " + reached[-1].removesuffix("users入り") + "+ bookmarks")
        )
    return tuple(found)


def moment_of(id: int) -> datetime:
    """When `id` was given out, to the second: a higher id is always later (pixiv.md 6; in captures of searches too)."""
    for (low, start), (high, end) in pairwise(DATES):
        if id < high:
            return start + timedelta(seconds=int((end - start).total_seconds()) * (id - low) // (high - low))
    after = min(id - DATES[-1][0], 1_000_000_000)
    return DATES[-1][1] + timedelta(seconds=after * 86_400 // NEW_A_DAY)


def first_of(day: date) -> int:
    """The lowest id that was given out on `day` (Japan's) or later."""
    start = datetime.combine(day, time(), JST)
    low, high = 0, DATES[-1][0] + 1_000_000_000
    while low < high:
        middle = (low + high) // 2
        if moment_of(middle) >= start:
            high = middle
        else:
            low = middle + 1
    return low


def glance(seed: int, mix: Mix, id: int) -> int:
    """The xRestrict of a work, -1 for a dead one: a tenth of what `make_work` costs."""
    dice = Dice(seed, "work", id)
    return -1 if dice.chance(mix.dead) else _access(dice, mix)[0]


def user_of(seed: int, id: int) -> int:
    """Who uploaded `id`; `people.works_of` is the inverse."""
    crowd = CROWDS[id % len(CROWDS)]
    return crowd.first + (id // len(CROWDS) + crowd_shift(seed, crowd)) % crowd.users


@lru_cache(256)
def crowd_shift(seed: int, crowd: Crowd) -> int:
    """Which author of `crowd` has its first id."""
    return Dice(seed, "users", crowd.first).word() % crowd.users


def _spare(dice: Dice, value: V) -> V:
    """`value`, for a draw that nothing needs any more: all that is drawn after it stays what it was."""
    dice.word()
    return value
