"""What tags of the stand-in hold: pages, windows and totals against the sets, and the structure that tags share."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crawler.origin.listing import Listing
from crawler.origin.search import Query, pages_of, place_of
from crawler.origin.strands import Shelf, Strand
from crawler.origin.tags import LEVELS, Soil, shelf, size_of, stem_of
from crawler.origin.work import JST, Mix, first_of, make_work, moment_of
from crawler.origin.world import World

SMALL = Listing(scale=0.3)
TAG_FILE = Path(__file__).parents[2].parent / "shared" / "data" / "pixiv_bookmark_list.txt"
FIRST, LAST_DAY = date(2007, 9, 10), date(2026, 4, 30)
dates = st.dates(FIRST, LAST_DAY)


def stem(number: int) -> str:
    """A tag, one of many. (A digit at its end would be taken for one of the number of users.)"""
    return f"題{number}の"


def rows_of(world: World, query: Query, *, session: bool = True, fresh: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The rows of a page, and the total that it tells."""
    found = json.loads(world.searches.page(query, session=session, fresh=fresh))["body"][query.key]
    return found["data"], found["total"]


def read(world: World, query: Query) -> tuple[list[int], int]:
    """All ids of a list, in its order, read until a page is not full; and the total."""
    found: list[int] = []
    while True:
        rows, total = rows_of(world, query)
        found += [int(row["id"]) for row in rows if "id" in row]
        if len(rows) < world.listing.rows:
            return found, total
        query = replace(query, page=query.page + 1)


def tag_of_size(seed: int, low: int, high: int) -> str:
    """A stem with that many works of 100 users or more."""
    return next(one for one in map(stem, range(5000)) if low <= size_of(seed, one) < high)


@given(seed=st.integers(0, 50), number=st.integers(0, 200), exact=st.booleans(), newest=st.booleans(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_pages_of_a_window_hold_its_works_once_each_in_order(
    seed: int, number: int, exact: bool, newest: bool, data: st.DataObject
):
    """Read to the end, a search gives the expected set, no id twice, in order of time, and `total` counts them."""
    assume(size_of(seed, stem(number)) < 3000)  # else true as well, and slow
    world = World(seed, listing=SMALL)
    mode = data.draw(st.sampled_from(("all", "safe", "r18")))
    since, until = data.draw(st.one_of(st.none(), dates)), data.draw(st.one_of(st.none(), dates))
    tag = stem(number) + data.draw(st.sampled_from(("", "100users入り", "1000users入り")))
    ids, total = read(world, Query(tag, exact, newest, mode, since, until))
    first, last = (day.isoformat() if day else "" for day in (since, until))
    wanted = world.expected_tag(tag, "exact" if exact else "partial", mode, first, last)
    assert total == len(ids) == len(set(ids))
    assert set(ids) == wanted
    assert ids == sorted(ids, reverse=newest)
    assert [moment_of(id) for id in ids] == sorted((moment_of(id) for id in ids), reverse=newest)


@given(seed=st.integers(0, 50), number=st.integers(0, 300), days=st.lists(dates, min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_windows_add_up(seed: int, number: int, days: list[date]):
    """The totals of windows that touch add up to the total of the whole, wherever they are cut."""
    world, tag = World(seed), stem(number)
    edges = [None, *sorted(set(days)), None]
    parts = [
        rows_of(world, Query(tag, since=low, until=high and high - timedelta(days=1)))[1]
        for low, high in pairwise(edges)
    ]
    assert sum(parts) == rows_of(world, Query(tag))[1]


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    low=st.integers(0, 400_000),
    high=st.integers(0, 400_000),
    start=st.integers(0, 90),
    count=st.integers(0, 60),
)
@settings(max_examples=120, deadline=None)
def test_a_shelf_is_the_sorted_list_that_it_stands_for(counts: list[int], low: int, high: int, start: int, count: int):
    """Counting below an id, and any stretch of any window: as with a plain sorted list of the strands' members."""
    mix = Mix(dead=0.3)
    strands = [
        Strand(f"s{n}", 1000 * n * n, 640 * (n + 1), size, 64, n, ("safe", "r18", "any")[n % 3])
        for n, size in enumerate(counts)
    ]
    found = Shelf(3, mix, strands)
    plain = sorted(strand.member(3, mix, rank) for strand in strands for rank in range(strand.count))
    assert len(plain) == len(set(plain)) == found.count
    assert found.below(low) == sum(id < low for id in plain)
    window = [id for id in plain if low <= id < high][::-1]
    assert found.between(low, max(low, high), start, count) == window[start : start + count]


def test_a_world_is_the_same_every_time():
    """Seed and tag fix what a page says, byte by byte; another seed says something else."""
    query = Query("猫100users入り", exact=True, page=2)
    pages = [World(seed).searches.page(query, session=False) for seed in (4, 4, 5)]
    assert pages[0] == pages[1] != pages[2]


@given(st.integers(0, 30), st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_more_users_are_fewer_works_of_the_same(seed: int, number: int):
    """What 1000 users like is among what 500 like, and that among the stem's; partial match holds what exact does."""
    assume(size_of(seed, stem(number)) < 3000)
    world = World(seed, listing=SMALL)
    tags = [stem(number), *(f"{stem(number)}{level}users入り" for level in LEVELS[1:])]
    sets = [world.expected_tag(tag) for tag in tags]
    assert all(more >= less for more, less in pairwise(sets))
    loose = [world.expected_tag(tag, "partial") for tag in tags]
    assert all(more >= less for more, less in zip(loose, sets, strict=True))
    assert world.expected_tag(tags[0], mode="safe") | world.expected_tag(tags[0], mode="r18") == sets[0]


def test_tags_have_works_in_common():
    """Of a few hundred tags, some share works without being of one stem."""
    world, seen = World(2, listing=SMALL), Counter[int]()
    for number in (number for number in range(300) if size_of(2, stem(number)) < 1000):
        seen.update(world.expected_tag(stem(number) + "500users入り"))
    assert sum(count > 1 for count in seen.values()) > 20


def test_rows_are_what_was_asked_for():
    """A search by rating gives living works of that rating only, and each row has the tag."""
    world = World(6)
    tag = tag_of_size(6, 2000, 60_000)
    for mode, ratings in (("safe", {0}), ("r18", {1, 2})):
        rows, _ = rows_of(world, Query(tag, exact=True, mode=mode))
        works = [row for row in rows if "id" in row]
        assert works
        assert {row["xRestrict"] for row in works} <= ratings
        assert all(tag in row["tags"] and not row["isMasked"] for row in works)
        assert all(row["createDate"] == moment_of(int(row["id"])).isoformat() for row in works)


def test_without_a_session_r18_rows_are_masked():
    """They keep their id and place and tell nothing else (pixiv.md 2.4); rows for everyone stay as they are."""
    world, query = World(6), Query(tag_of_size(6, 2000, 60_000), exact=True)
    (seen, total), (open_rows, open_total) = (rows_of(world, query, session=session) for session in (True, False))
    assert total == open_total
    assert [row.get("id") for row in seen] == [row.get("id") for row in open_rows]
    masked = [row for row in open_rows if row.get("isMasked")]
    assert masked
    assert {row["maskReason"] for row in masked} == {"r18"}
    assert all(isinstance(row["id"], str) and row["title"] == "-----" and not row["tags"] for row in masked)
    assert all(other["xRestrict"] for row, other in zip(open_rows, seen, strict=True) if row.get("isMasked"))


def test_pages_past_the_cap_repeat_the_cap_page():
    """As the site does: the reader who goes on sees nothing new, and the total is what it was."""
    world = World(6, listing=Listing(cap_pages=3))
    query = Query(tag_of_size(6, 2000, 60_000), exact=True)
    capped, beyond = (rows_of(world, replace(query, page=page)) for page in (3, 40))
    assert capped == beyond
    assert len(capped[0]) == 60
    assert len(rows_of(World(6), replace(query, page=10_000))[0]) == 0


@given(st.integers(0, 70_000), st.booleans(), st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_pages_needed(total: int, ads: bool, rows: int):
    """`pages_of` is the last page with something on it: fewer come before it than there are, and all by its end."""
    listing = Listing(ads=ads, rows=max(3, rows))
    pages = pages_of(listing, total)
    assert place_of(listing, pages + 1) >= total
    assert pages == 1 or place_of(listing, pages) < total


def test_some_days_are_crowded():
    """Some tags have days with many times the usual number: more than three pages of one day."""
    best = 0
    for number in range(300):
        found = shelf(Soil(1, Mix()), stem(number), exact=True, mode="all")
        for strand in found.strands:
            if strand.key.startswith("peak"):
                day = moment_of(strand.first).astimezone(JST).date()
                low, high = first_of(day), first_of(day + timedelta(days=1))
                best = max(best, found.below(high) - found.below(low))
    assert best > 180


def test_new_works_shift_the_list_and_change_nothing_else():
    """With `fresh` works more, a list begins with as many new ones, and goes on as before."""
    world = World(6, listing=Listing(ads=False))
    query = Query(tag_of_size(6, 2000, 60_000), exact=True)
    before, total = rows_of(world, query)
    after, more = rows_of(world, query, fresh=5)
    assert more == total + 5
    assert after[5:] == before[:-5]
    assert not {row["id"] for row in after[:5]} & {str(id) for id in world.expected_tag(query.word)}
    assert {int(row["id"]) for row in after[:5]} <= world.expected_tag(query.word, fresh=5)
    assert rows_of(world, query, fresh=6)[0][1:6] == after[:5]


@given(seed=st.integers(0, 9), numbers=st.lists(st.integers(0, 200), min_size=1, max_size=4, unique=True))
@settings(max_examples=12, deadline=None)
def test_details_name_the_known_tags_that_hold_a_work(seed: int, numbers: list[int]):
    """Each work that a known tag holds names it, and no other work does, whether asked by detail or as the truth."""
    numbers = [number for number in numbers if size_of(seed, stem(number)) < 500]
    tags = tuple(stem(number) + level for number in numbers for level in ("", "500users入り"))
    world = World(seed, listing=Listing(scale=0.2, tags=tags))
    held = {tag: world.expected_tag(tag, fresh=3) for tag in tags}
    ids = sorted(set[int]().union(*held.values()))[:400]
    for id in {*ids, *(id + 2 for id in ids), *(id + 128 for id in ids[:50])}:
        named = {tag[0] for tag in world.tagged(id).tags if tag[0] in held}
        assert named == {tag for tag, holds in held.items() if id in holds}
    for id in ids[:2]:
        detail = json.loads(world.detail(id) or b"")["body"]["tags"]["tags"]
        assert (
            tuple(item["tag"] for item in detail)
            == world.expected(id).tags
            == tuple(tag[0] for tag in world.tagged(id).tags)
        )


def test_the_tags_of_colourings_hold_families():
    """Each of their works links to a line drawing."""
    world = World(3, listing=Listing(scale=0.1))
    ids = world.expected_tag("塗ってみた")
    assert len(ids) == 150 == rows_of(world, Query("塗ってみた", exact=True))[1]
    assert all(world.expected_links(id) for id in ids)


@pytest.mark.parametrize("dead", [0.0, 0.95, 1.0])
def test_a_world_of_the_dead_has_pages_too(dead: float):
    """Where few or none live, a cell without a fitting work gives another: pages and totals still agree."""
    world = World(1, Mix(dead=dead, r18=0.001, r18g=0.0), SMALL)
    ids, total = read(world, Query(stem(7)))
    assert set(ids) == world.expected_tag(stem(7), "partial")
    assert len(ids) == total


def test_a_page_is_quick_wherever_it_is():
    """Page 700 of a tag that fills the cap costs about what its sixty works cost by themselves, and no list is held."""
    world = World(1)
    tag = tag_of_size(1, 170_000, 300_000) + "500users入り"
    query = Query(tag, exact=True, since=date(2012, 1, 1), until=date(2025, 1, 1))
    total = rows_of(world, query)[1]
    assert rows_of(world, Query(tag, exact=True))[1] > 60_000
    ids = [int(row["id"]) for row in rows_of(world, replace(query, page=total // 90))[0] if "id" in row]
    spans: list[float] = []
    for page in range(total // 90, total // 90 + 12):
        began = time.process_time()
        world.searches.page(replace(query, page=page), session=True)
        spans.append(time.process_time() - began)
    began = time.process_time()
    for id in ids:
        make_work(1, Mix(), id)
    alone = time.process_time() - began
    assert min(spans) < max(0.005, 6 * alone)


@pytest.mark.skipif(not TAG_FILE.exists(), reason="the shared tag list is not here")
def test_the_real_tags_are_of_all_sizes():
    """Of the 1,200 real tags some hold more than the cap lists, and some hold nothing."""
    tags = {line for line in TAG_FILE.read_text("utf-8").split("\n") if line and not line.startswith("#")}
    sizes = [shelf(Soil(1, Mix()), tag, exact=True, mode="all").count for tag in tags]
    assert sum(size > 60_000 for size in sizes) >= 2
    assert 20 < sum(size == 0 for size in sizes) < 200
    assert sum(0 < size <= 60 for size in sizes) > 200


def test_stems():
    """The number goes, wherever it stands; a tag without one is its own stem."""
    assert stem_of("猫500users入り") == ("猫", 500)
    assert stem_of("users入り") == ("users入り", 0)
    assert stem_of("10000users入り") == ("", 10_000)


@given(st.integers(0, 143_000_000), st.dates(FIRST, LAST_DAY))
@settings(max_examples=200, deadline=None)
def test_later_ids_are_of_later_moments(id: int, day: date):
    """Strictly, and a day begins with the id that `first_of` names."""
    assert moment_of(id) < moment_of(id + 1)
    first = first_of(day)
    assert moment_of(first).date() >= day
    assert first == 0 or moment_of(first - 1).date() < day
