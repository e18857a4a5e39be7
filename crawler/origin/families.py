"""Families of works: a line drawing, who coloured it, and works that only look as if they had. Pure.

Family n (0 to COUNT - 1) has the ids from SKETCHES + 8 n (the drawing first, then maybe another of the same artist, so
like it that only the lines tell them apart) and from COLORED + 8 n (colourings, then works that link to the drawing and
are none). All other ids there, and everywhere else, are works like any other. Links stand in descriptions in the forms
that authors used over the years (pixiv.md 2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from crawler.origin.dice import Dice
from crawler.origin.draw_pages import Page, colored_pages, painted, sketch_pages
from crawler.origin.paint import encoded
from crawler.origin.work import Mix, OriginPage, OriginWork, make_work, user_of

SKETCHES, COLORED, ROOM, COUNT = 120_000_000, 130_000_000, 8, 100_000
Role = Literal["sketch", "colored", "homage", "own"]
"""homage: links to the drawing, shows the same people in lines of its own. own: a colouring that links to its maker."""
TAGS_SKETCH = (
    ("線画", "sennga", "line art"),
    ("塗ってもいいのよ", "", "feel free to color"),
    ("ぬりえ", "nurie", "coloring"),
)
TAGS_COLORED = (("塗ってみた", "", "coloring practice"), ("塗らせていただきました", "", "colored with permission"))
TAGS_OTHER = (
    ("オリジナル", "orijinaru", "original"),
    ("女の子", "onnnanoko", "girl"),
    ("落書き", "rakugaki", "doodle"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A work of a family. `of` is the drawing that it is a colouring of (0: none), `links` the works that its
    description names; `pages` what it shows."""

    id: int
    family: int
    role: Role
    pages: tuple[Page, ...]
    of: int = 0
    links: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TruePair:
    """A colouring and its drawing. `pages`: (colored, sketch) pages that are a finished colouring and its lines."""

    colored: int
    sketch: int
    pages: frozenset[tuple[int, int]]


def family(seed: int, number: int) -> tuple[Member, ...]:
    """The works of a family, line drawings first. They may be dead, like any work."""
    dice, key = Dice(seed, "family", number), (seed, "family", number)
    first, coloring = SKETCHES + ROOM * number, COLORED + ROOM * number
    members = [Member(first, number, "sketch", sketch_pages(key))]
    twins = dice.chance(0.35)
    if twins:
        members.append(Member(first + 1, number, "sketch", sketch_pages((key, "twin"), key)))
    id = coloring
    for _ in range(dice.pick((1, 1, 1, 2, 2, 3))):
        links = (first, *_noise(dice, id, first))
        members.append(Member(id, number, "colored", colored_pages((key, id), key), first, links))
        id += 1
    if twins:
        # Names both, or the wrong one first: what the description says is not all.
        links = dice.pick(((first + 1,), (first, first + 1), (first + 1, first)))
        pages = colored_pages((key, id), (key, "twin"), key)
        members.append(Member(id, number, "colored", pages, first + 1, links))
        id += 1
    if dice.chance(0.4):
        pages = colored_pages((key, id), (key, id, "lines"), key)
        members.append(Member(id, number, "homage", pages, links=(first,)))
        id += 1
    if dice.chance(0.25):
        members.append(Member(id, number, "own", colored_pages((key, id), (key, id, "lines"))))
    if dice.chance(0.15):  # the artist is glad, and links back
        back = tuple(one.id for one in members if one.of == first)
        members[0] = replace(members[0], links=back)
    return tuple(members)


def _noise(dice: Dice, id: int, first: int) -> tuple[int, ...]:
    """Links that mean nothing: to itself, to an earlier work of anybody."""
    found = [id] if dice.chance(0.08) else []
    return tuple(found + ([first - dice.between(9, 9000)] if dice.chance(0.12) else []))


def member(seed: int, id: int) -> Member | None:
    """The member of a family that `id` is, None for any other work."""
    for start in (SKETCHES, COLORED):
        number = (id - start) // ROOM
        if 0 <= number < COUNT:
            return next((one for one in family(seed, number) if one.id == id), None)
    return None


def ids(seed: int, numbers: Iterable[int]) -> list[int]:
    """The ids of all works of these families."""
    return [one.id for number in numbers for one in family(seed, number)]


def true_pairs(seed: int, numbers: Iterable[int]) -> list[TruePair]:
    """Every colouring of these families with its drawing, dead ones too."""
    found: list[TruePair] = []
    for number in numbers:
        members = {one.id: one for one in family(seed, number)}
        for one in members.values():
            if one.of:
                found.append(TruePair(one.id, one.of, right_pages(one, members[one.of])))
    return found


def false_pairs(seed: int, numbers: Iterable[int]) -> list[tuple[int, int]]:
    """(colored, sketch) of these families that a link or a likeness suggests, and that are none."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        members = family(seed, number)
        drawings = [one.id for one in members if one.role == "sketch"]
        found += [(one.id, id) for one in members if one.role != "sketch" for id in drawings if id != one.of]
    return found


def right_pages(colored: Member, sketch: Member) -> frozenset[tuple[int, int]]:
    """The pairs of pages that show a finished colouring and its lines."""
    left = [n for n, page in enumerate(colored.pages) if page.kind in ("colour", "variant")]
    right = [n for n, page in enumerate(sketch.pages) if page.kind == "lines"]
    return frozenset((a, b) for a in left for b in right)


def family_work(seed: int, mix: Mix, id: int) -> OriginWork | None:
    """The work that a family's member is, None for any other id."""
    one = member(seed, id)
    if one is None:
        return None
    work = make_work(seed, mix, id)
    if not work.alive:
        return work
    dice = Dice(seed, "family work", id)
    ext = dice.pick(("jpg", "png", "jpg"))
    oddity = work.oddity if work.oddity in ("hashed", "placeholder", "broken", "lost") else ""
    pages = [_page(dice, page, ext, mix.scale) for page in one.pages]
    if oddity in ("broken", "lost"):
        pages[0] = replace(pages[0], broken=404, lost=oddity == "lost")
    own = dice.some(TAGS_SKETCH, 2) if one.role == "sketch" else dice.some(TAGS_COLORED, 1)
    artist = user_of(seed, SKETCHES + ROOM * one.family)
    tags = (*work.tags[: work.x_restrict > 0], *own, *dice.some(TAGS_OTHER, dice.between(0, 2)))
    same = one.role == "sketch" or dice.chance(0.06)
    titles = (work.title, "塗ってみた", "【塗ってみた】", "塗らせていただきました")
    return replace(
        work,
        kind="illust",
        title=work.title if one.role == "sketch" else dice.pick(titles),
        ai_type=min(work.ai_type, 1),
        user_id=artist if same else work.user_id,
        tags=tags,
        oddity=oddity,
        pages=tuple(pages),
        delays=(),
    )


def _page(dice: Dice, page: Page, ext: str, scale: float) -> OriginPage:
    long = dice.between(440, 900) * scale
    width, height = long / max(1, page.shape), long * min(1, page.shape)
    return OriginPage(ext, ext, max(48, round(width)), max(48, round(height)))


def picture(key: tuple[int, int, int], width: int, height: int, kind: str) -> bytes:
    """The bytes of a page of a family's work; `key` is seed, id and page, `kind` jpg, png, gif or webp.

    Raises LookupError for works of no family.
    """
    seed, id, page = key
    one = member(seed, id)
    if one is None:
        raise LookupError(f"{id} is of no family")
    return encoded(painted(one.pages[page], width, height), kind, f"{seed}/{id}/{page}", big=False)


def description(seed: int, id: int) -> str | None:
    """The HTML that the author of a family's work left, None for other works."""
    one = member(seed, id)
    if one is None:
        return None
    dice = Dice(seed, "family description", id)
    links = [link(dice, other) for other in one.links]
    if one.role == "sketch":
        parts = [dice.pick(("線画です。ご自由に塗ってください。", "Free line art, please color it!", "らくがき")), ""]
        parts += [f"塗っていただきました！ {text}" for text in links]
    elif one.role == "own":
        artist = user_of(seed, SKETCHES + ROOM * one.family)
        parts = [
            f'<strong><a href="https://www.pixiv.net/users/{artist}">user/{artist}</a></strong>さんに影響を受けました。'
        ]
    elif one.role == "homage":
        parts = [dice.pick(("{}に憧れて自分でも描いてみました。", "inspired by {}, my own drawing", "{}の続き"))
                 .format(links[0])]  # fmt: skip
    else:
        said = ("素敵な線画 {} を塗らせていただきました！", "塗ってみた<br />線画はこちら→{}", "lines by {} thank you!",
                "こちらの線画をお借りしました。<br />{}", "{}")  # fmt: skip
        parts = [dice.pick(said).format(links[0]), *(f"前に描いたもの: {text}" for text in links[1:])]
    parts = [part for part in parts if part]
    if dice.chance(0.3):
        site = f"http://blog.example/{dice.hex(5)}?a=1&b=2"
        parts.append(f'<a href="/jump.php?{quote(site, safe="")}" target="_blank">{site.replace("&", "&amp;")}</a>')
    return "<br />".join(parts)


def link(dice: Dice, id: int) -> str:
    """A link to work `id` as it may stand in a description."""
    old = f"http://www.pixiv.net/member_illust.php?mode={dice.pick(('medium', 'big', 'manga'))}&illust_id={id}"
    touch = f"http://touch.pixiv.net/member_illust.php?mode=medium&illust_id={id}"
    new = f"https://www.pixiv.net/artworks/{id}"
    wide = str(id).translate({48 + n: 0xFF10 + n for n in range(10)})
    forms = (
        f'<strong><a href="https://www.pixiv.net/artworks/{id}">illust/{id}</a></strong>',
        f'<strong><a href="https://www.pixiv.net/en/artworks/{id}">illust/{id}</a></strong>',
        f'<strong><a href="https://www.pixiv.net/artworks/{id}">illust/{id}</a></strong>',
        f'<a href="/jump.php?{quote(old, safe="")}" target="_blank">{old.replace("&", "&amp;")}</a>',
        f'<a href="/jump.php?url={quote(new, safe="")}" target="_blank">{new}</a>',
        f'<a href="/jump.php?{quote(touch, safe="")}" target="_blank">{touch.replace("&", "&amp;")}</a>',
        f'<a href="/jump.php?{quote(f"http://www.pixiv.net/i/{id}", safe="")}" target="_blank">線画</a>',
        old.replace("&", "&amp;"),
        f"www.pixiv.net/member_illust.php?illust_id={id}&amp;mode=medium",
        new,
        f"http://www.pixiv.net/i/{id}",
        f"illust/{id}",
        f"illust/{wide}",
        f"ｉｌｌｕｓｔ／{wide}",
        f"pixiv #{id}",
    )
    return dice.pick(forms)
