"""Lists over real TLS, as a client meets them: searches that come empty, users, bookmarks, and what was counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from origin_client import AGENT, WWW, Loopback

from crawler.origin import families
from crawler.origin.limits import Limits
from crawler.origin.listing import Listing
from crawler.origin.people import READERS, is_user
from crawler.origin.replies import Asked, answer
from crawler.origin.server import Origin
from crawler.origin.work import CROWDS, Mix
from crawler.origin.world import World

SESSION = "12345_madeup"
TAG = "風景の"  # holds something in world 6
CAPTURES = Path(__file__).parents[2].parent / "shared" / "captures"
Get = Callable[..., Awaitable[tuple[int, Any]]]


def over_tls(work: Callable[[Origin, Get], Awaitable[None]], **options: Any) -> Origin:
    """Run `work` against a stand-in with these options; it asks by `get(path, session=…, **query)`."""

    async def main() -> Origin:
        async with Origin(seed=6, session=SESSION, **options) as origin:
            context = ssl.create_default_context(cafile=origin.ca_file)
            connector = aiohttp.TCPConnector(ssl=context, resolver=Loopback(origin.port))
            async with aiohttp.ClientSession(connector=connector, headers=AGENT) as client:

                async def get(path: str, session: bool = False, **query: object) -> tuple[int, Any]:
                    headers = {"Cookie": f"PHPSESSID={SESSION}"} if session else {}
                    params = {name: str(value) for name, value in query.items()}
                    async with client.get(WWW + path, params=params, headers=headers) as reply:
                        return reply.status, await reply.json(content_type=None)

                await work(origin, get)
        return origin

    return asyncio.run(main())


def search(tag: str) -> str:
    return f"/ajax/search/artworks/{quote(tag, safe='')}"


def ask(world: World, path: str, query: str = "", session: str = "") -> tuple[int, Any]:
    """Ask without a socket."""
    headers = {"user-agent": "x"} | ({"cookie": f"PHPSESSID={session}"} if session else {})
    reply = answer(world, session, world.paint, Asked("www.pixiv.net", path, query, headers))
    plain = gzip.decompress(reply.content) if "content-encoding" in reply.headers else reply.content
    return reply.status, json.loads(plain)


def test_a_tag_is_read_to_its_end_over_tls():
    """A client that reads page after page by exact match has the expected set, and the stand-in has counted it."""

    async def work(origin: Origin, get: Get) -> None:
        tag, found, page = "C&C/<3の100users入り", list[int](), 0
        wanted = origin.world.expected_tag(tag, since="2012-01-01", until="2024-12-31")
        full = True
        while full:
            page += 1
            window = {"scd": "2012-01-01", "ecd": "2024-12-31"}
            status, body = await get(search(tag), session=True, s_mode="s_tag_full", order="date_d", p=page, **window)
            listed = body["body"]["illustManga"]
            assert (status, body["error"], listed["total"]) == (200, False, len(wanted))
            found += [int(row["id"]) for row in listed["data"] if not row.get("isAdContainer")]
            full = len(listed["data"]) == 60
        assert len(found) == len(set(found))
        assert set(found) == wanted
        assert wanted
        assert origin.seen.kinds == {"search": page}

    assert not over_tls(work).seen.violations


def test_a_throttled_search_is_200_and_empty_and_heals():
    """Drawn to be empty, a search is so the first time only; the stand-in knows how often it was (pixiv.md 1.5)."""

    async def work(origin: Origin, get: Get) -> None:
        first, second = [await get(search(TAG), p=1) for _ in range(2)]
        for status, body in (first, second):
            assert status == 200
            assert set(body) == {"error", "body"}
        assert first[1]["body"]["illustManga"] | {"bookmarkRanges": []} == {
            "data": [],
            "total": 0,
            "bookmarkRanges": [],
        }
        assert second[1]["body"]["illustManga"]["total"] == len(origin.world.expected_tag(TAG, "partial"))
        assert origin.seen.faults["search_empty"] == 1

    over_tls(work, listing=Listing(empty_share=1.0))


def test_who_searches_too_fast_sees_empty_lists_and_no_429():
    """The secret limit of searches empties them until the block is over; details go on meanwhile."""

    async def work(origin: Origin, get: Get) -> None:
        totals = [(await get(search(TAG), p=page))[1]["body"]["illustManga"]["total"] for page in range(1, 9)]
        assert totals[0] > 0
        assert totals[5:] == [0, 0, 0]
        assert origin.seen.faults["search_limited"] == totals.count(0)
        statuses = [(await get(f"/ajax/illust/{id}"))[0] for id in range(1, 6)]
        assert set(statuses) <= {200, 404}
        assert origin.seen.kinds["detail"] == 5
        await asyncio.sleep(0.35)
        assert (await get(search(TAG)))[1]["body"]["illustManga"]["total"] == totals[0]

    over_tls(work, limits=Limits(search_rate=5.0, search_bucket=5, block_s=0.3))


def test_lists_shift_under_a_reader():
    """With `new_every` 2, every second search finds a work more, at the top."""

    async def work(origin: Origin, get: Get) -> None:
        totals = [(await get(search(TAG)))[1]["body"]["illustManga"]["total"] for _ in range(6)]
        assert [total - totals[0] for total in totals] == [0, 1, 1, 2, 2, 3]

    over_tls(work, listing=Listing(new_every=2))


@pytest.mark.parametrize(
    "query", ["p=0", "p=x", "mode=r19", "scd=2020-13-01", "scd=yesterday", "ecd=20200101", "p=99999999"]
)
def test_senseless_searches_are_400(query: str):
    """An invalid request, in the site's envelope."""
    assert ask(World(1), search("猫"), query) == (400, {"error": True, "message": "Invalid request.", "body": []})


@given(seed=st.integers(0, 40), id=st.integers(1, 143_000_000))
@settings(max_examples=40, deadline=None)
def test_an_author_lists_the_work(seed: int, id: int):
    """A living work is in the profile of whom its detail names; whoever is listed there names the same author."""
    world = World(seed)
    work = world.work(id)
    if not work.alive:
        return
    status, body = ask(world, f"/ajax/user/{work.user_id}/profile/all")
    listed = {name: body["body"][name] or {} for name in ("illusts", "manga")}
    assert status == 200
    assert str(id) in listed["manga" if work.kind == "manga" else "illusts"]
    ids = {int(other) for name in listed for other in listed[name]}
    assert ids == world.expected_user(work.user_id)
    assert all(world.work(other).user_id == work.user_id for other in ids)


def test_the_artist_of_a_family_lists_it():
    """Also where a family's works are by another than their ids say."""
    world = World(3)
    works = [work for member in families.ids(3, range(8)) if (work := world.work(member)).alive]
    assert len({work.user_id for work in works}) < len(works)
    for work in works:
        assert work.id in world.expected_user(work.user_id)


def test_users_without_works_and_users_who_left():
    """Empty lists where there is nothing (PHP's way), 404 and 87 bytes for those who are gone (pixiv.md 4)."""
    world = World(2)
    status, body = ask(world, "/ajax/user/77/profile/all")
    assert (status, body["body"]["illusts"], body["body"]["manga"]) == (200, [], [])
    gone = ask(world, f"/ajax/user/{READERS}/profile/all")
    assert gone == (404, {"error": True, "message": "User has left pixiv or the user ID does not exist.", "body": []})
    assert ask(world, "/ajax/user/x/profile/all")[0] == 400
    sizes = [len(world.expected_user(crowd.first + 5)) for crowd in CROWDS]
    assert sizes == sorted(sizes)
    assert sizes[0] > 10
    assert sizes[2] > 500


def read_bookmarks(world: World, uid: int, limit: int, rest: str, session: str) -> list[Any]:
    found, offset, total = list[Any](), 0, 1
    while offset < total:
        query = f"tag=&offset={offset}&limit={limit}&rest={rest}"
        status, body = ask(world, f"/ajax/user/{uid}/illusts/bookmarks", query, session)
        assert status == 200
        total, offset = body["body"]["total"], offset + limit
        assert len(body["body"]["works"]) <= limit
        found += body["body"]["works"]
    return found


@given(seed=st.integers(0, 40), uid=st.integers(1, READERS - 1), limit=st.integers(7, 100), own=st.booleans())
@settings(max_examples=40, deadline=None)
def test_bookmarks_page_by_page(seed: int, uid: int, limit: int, own: bool):
    """Whatever the limit, the pages hold each row once, in one order: the expected ones, and the masked."""
    world = World(seed)
    for hidden in (False, True) if own else (False,):
        rows = read_bookmarks(world, uid, limit, "hide" if hidden else "show", f"{uid}_x" if own else "")
        shown = [int(row["id"]) for row in rows if not row["isMasked"]]
        assert shown == world.expected_bookmarks(uid, hidden=hidden, session=own)
        assert len({int(row["id"]) for row in rows}) == len(rows)
        for row in rows:
            work = world.work(int(row["id"]))
            gone = not work.alive
            assert row.get("maskReason") == ("unknown" if gone else "r18" if work.x_restrict and not own else None)
            assert isinstance(row["id"], int) == gone
            assert row["userId"] == (0 if gone else str(work.user_id))
            assert (row["bookmarkData"] is not None) == own


def test_some_bookmarks_are_dead_and_some_are_left_out():
    """So a page with fewer rows than asked for is not the last (pixiv.md 1.6)."""
    world, missing, dead = World(1), 0, 0
    for uid in range(1, 60):
        _, body = ask(world, f"/ajax/user/{uid}/illusts/bookmarks", "offset=0&limit=100")
        missing += len(body["body"]["works"]) < min(100, body["body"]["total"])
        dead += sum(row.get("maskReason") == "unknown" for row in body["body"]["works"])
    assert missing > 3
    assert dead > 20


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "offset=-1", "rest=all", "limit=x", "rest=hide"])
def test_senseless_bookmark_pages_are_400(query: str):
    """A limit above 100, another's hidden bookmarks, and what is no number."""
    assert ask(World(1), "/ajax/user/5/illusts/bookmarks", query)[0] == 400


@given(st.integers(0, 20), st.integers(1, 143_000_000))
@settings(max_examples=150, deadline=None)
def test_links_of_a_description(seed: int, id: int):
    """What a description is said to link to stands in it; without any, no work's number does."""
    world = World(seed)
    work, links = world.work(id), world.expected_links(id)
    text = world.description(id)
    assert all(str(other) in text for other in links)
    if not links and work.alive:
        assert "artworks/" not in text
        assert "illust_id" not in text


@pytest.mark.skipif(not CAPTURES.exists(), reason="the shared captures are not here")
def test_lists_have_the_shape_of_real_ones():
    """Every key of a real search page, profile and page of bookmarks is there, with a value of the same type."""
    world = World(6, Mix(), Listing(ads=False))
    uid = next(uid for uid in range(1, 200) if len(world.expected_bookmarks(uid)) > 5 and is_user(uid))
    author = next(work.user_id for id in range(1, 99) if (work := world.work(id)).alive)
    pairs = (
        ("tag-not-last-page.json", ask(world, search("風景の"), "p=1", "9_x")),
        ("bookmarks-1039353.json", ask(world, f"/ajax/user/{uid}/illusts/bookmarks", "limit=48", "9_x")),
        ("test-noimage.htm", ask(world, "/ajax/user/77/profile/all")),
        ("all-26357.json", ask(world, f"/ajax/user/{author}/profile/all")),
    )
    for name, (status, made) in pairs:
        real = json.loads((CAPTURES / name).read_text("utf-8"))
        assert status == 200
        assert _lacks(real, made, skip=("zoneConfig", "meta", "tagTranslation", "illusts", "manga", "pickup")) == [], (
            name
        )


def _lacks(real: Any, made: Any, skip: tuple[str, ...], at: str = "") -> list[str]:
    """Where `made` lacks a key of `real`, or has another type there."""
    if type(real) is not type(made) and None not in (real, made):
        return [at]
    if isinstance(real, dict):
        found = [f"{at}.{key}" for key in real if key not in made and key != "profileImageUrl"]
        for key in real:
            if key in made and key not in skip:
                found += _lacks(real[key], made[key], skip, f"{at}.{key}")
        return found
    if isinstance(real, list) and real and made:
        shown = next((one for one in made if not isinstance(one, dict) or not one.get("isMasked")), made[0])
        return _lacks(real[0], shown, skip, f"{at}[]")
    return []
