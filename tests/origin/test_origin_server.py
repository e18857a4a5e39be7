"""The stand-in over real TLS: access rules, ranges, every fault as a client meets it, and its account of all that."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import signal
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from origin_client import AGENT, WWW, Got, Loopback, first, get, plain_image

from crawler.origin.faults import SOFT, FaultKind, Profile
from crawler.origin.limits import Limits
from crawler.origin.listing import Listing
from crawler.origin.server import Origin, origin_thread

SESSION = "12345_madeup"


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with origin_thread(seed=1, session=SESSION) as running:
        yield running


def test_a_work_and_its_images_are_served(origin: Origin):
    """The API describes a work, the image host has its file: the bytes that are expected."""
    id = first(origin.world, lambda work: work.features == {"plain"})
    reply = get(origin, f"{WWW}/ajax/illust/{id}")
    assert (reply.status, reply.headers["content-encoding"]) == (200, "gzip")
    url = json.loads(reply.content)["body"]["urls"]["original"]
    image = get(origin, url)
    assert hashlib.sha256(image.content).hexdigest() == origin.world.expected(id).images[0].sha256
    assert image.headers["last-modified"].endswith("GMT")
    assert "etag" not in image.headers
    plain = get(origin, f"{WWW}/ajax/illust/{id}", {"Accept-Encoding": "identity"})
    assert plain.content == origin.world.detail(id)


def test_errors_are_the_sites(origin: Origin):
    """Dead: 404 and 37 bytes. Bad id: 400. Not a page: 404. Bad session: 401 and 62 bytes, whatever is asked."""
    dead = next(id for id in range(1, 99) if not origin.world.work(id).alive)
    reply = get(origin, f"{WWW}/ajax/illust/{dead}")
    assert (reply.status, reply.content) == (404, b'{"error":true,"message":"","body":[]}')
    for path in ("abc", "-1", "0", "1.5", "99999999999999999999"):
        assert get(origin, f"{WWW}/ajax/illust/{path}").status == 400, path
    assert get(origin, f"{WWW}/nothing").status == 404
    for id in (dead, dead + 1):
        refused = get(origin, f"{WWW}/ajax/illust/{id}", {"Cookie": "PHPSESSID=wrong"})
        assert (refused.status, len(refused.content)) == (401, 62)


def test_a_session_shows_what_is_hidden(origin: Origin):
    """R-18 and sl 4 or 6: five nulls without a session, everything with the right one; the pages and frames too."""
    for fits in (lambda w: w.x_restrict == 1, lambda w: w.x_restrict == 0 and w.sanity >= 4):
        id = first(origin.world, fits)
        hidden = json.loads(get(origin, f"{WWW}/ajax/illust/{id}").content)["body"]
        shown = json.loads(get(origin, f"{WWW}/ajax/illust/{id}", {"Cookie": f"a=b; PHPSESSID={SESSION}"}).content)[
            "body"
        ]
        assert set(hidden["urls"].values()) == {None}
        assert len(hidden["urls"]) == 5
        assert None not in shown["urls"].values()
        assert origin.world.expected(id).reason == "restricted"
        assert origin.world.expected(id, session=True).outcome in ("done", "failed")


def test_access_rules(origin: Origin):
    """No Referer, or a foreign one: 403. No User-Agent: 403. A host that is not ours: 421. A POST: 405."""
    url, _ = plain_image(origin.world)
    assert get(origin, url, {"Referer": "https://elsewhere.example/"}).status == 403
    assert get(origin, url, {"Referer": ""}).status == 403
    assert get(origin, url, {"Referer": "https://app-api.pixiv.net/"}).status == 200
    assert get(origin, url, {"User-Agent": ""}).status == 403
    assert get(origin, f"https://localhost:{origin.port}/ajax/illust/1").status == 421
    assert get(origin, f"{WWW}/ajax/illust/1", method="POST").status == 405


def test_robots(origin: Origin):
    """The API host has rules that allow works, the image host none, plain hosts one each or none."""
    assert "Disallow: /ajax/illust/*/recommend/init" in get(origin, f"{WWW}/robots.txt").content.decode()
    assert get(origin, "https://i.pximg.net/robots.txt", {"Referer": ""}).status == 404
    assert "/private/" in get(origin, "https://img1.example/robots.txt").content.decode()
    assert get(origin, "https://img2.example/robots.txt").status == 404


def test_ranges(origin: Origin):
    """A range is served, from the same file only; past the end is 416; nonsense is ignored."""
    url, whole = plain_image(origin.world)
    modified = get(origin, url).headers["last-modified"]
    for asked, part, said in (
        ("bytes=100-", whole[100:], f"bytes 100-{len(whole) - 1}/{len(whole)}"),
        ("bytes=0-9", whole[:10], f"bytes 0-9/{len(whole)}"),
        ("bytes=-5", whole[-5:], f"bytes {len(whole) - 5}-{len(whole) - 1}/{len(whole)}"),
        (f"bytes=7-{len(whole) * 2}", whole[7:], f"bytes 7-{len(whole) - 1}/{len(whole)}"),
    ):
        reply = get(origin, url, {"Range": asked, "If-Range": modified})
        assert (reply.status, reply.content, reply.headers["content-range"]) == (206, part, said)
    past = get(origin, url, {"Range": f"bytes={len(whole)}-"})
    assert (past.status, past.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    for headers in (
        {"Range": "bytes=100-", "If-Range": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"Range": "bytes=9-3"},
        {"Range": "bytes=-"},
        {"Range": "lines=1-2"},
    ):
        reply = get(origin, url, headers)
        assert (reply.status, reply.content) == (200, whole)


def test_some_images_know_no_ranges_and_some_replies_no_length(origin: Origin):
    """Where ranges are not offered they are ignored; about one reply in ten has no Content-Length, the next may."""
    url, whole = plain_image(origin.world, ranges=False)
    reply = get(origin, url, {"Range": "bytes=100-"})
    assert (reply.status, reply.content) == (200, whole)
    lengths = ["content-length" in get(origin, url).headers for _ in range(40)]
    assert 0 < lengths.count(False) < 20


def test_head_has_the_head_only(origin: Origin):
    """HEAD is answered like GET, without the body."""
    url, whole = plain_image(origin.world)
    reply = get(origin, url, method="HEAD")
    assert (reply.status, reply.content, reply.headers["content-length"]) == (200, b"", str(len(whole)))


def test_plain_images(origin: Origin):
    """Plain URLs need no Referer, and are what the world expects of them."""
    for url in [f"https://img{n}.example/x/{n}.png?size={n}" for n in range(8)] + ["https://i.pximg.net/plain/a.jpg"]:
        expected, reply = origin.world.expected_url(url), get(origin, url, {"Referer": ""})
        if expected.outcome == "gone":
            assert reply.status == 404
        else:
            assert hashlib.sha256(reply.content).hexdigest() == expected.images[0].sha256


def test_broken_and_placeholder_works(origin: Origin):
    """A broken original is 404 or 500 for ever; a placeholder work's file is not on the image host."""
    for status in (404, 500):
        id = first(origin.world, lambda w, s=status: w.pages[0].broken == s and not w.hidden)
        url = json.loads(get(origin, f"{WWW}/ajax/illust/{id}").content)["body"]["urls"]["original"]
        assert [get(origin, url).status for _ in range(2)] == [status, status]
    id = first(origin.world, lambda w: bool(w.placeholder))
    url = json.loads(get(origin, f"{WWW}/ajax/illust/{id}").content)["body"]["urls"]["original"]
    assert url.startswith("https://s.pximg.net/common/images/limit_")


def test_violations_are_counted():
    """The account names each rule that was broken, and where; a good request adds none."""
    with origin_thread(seed=1, session=SESSION) as origin:
        url, _ = plain_image(origin.world)
        get(origin, url)
        get(origin, f"{WWW}/ajax/illust/1", {"Cookie": f"PHPSESSID={SESSION}"})
        assert not origin.seen.violations
        get(origin, url, {"Referer": ""})
        get(origin, url, {"Cookie": "x=y"})
        get(origin, url, {"Cookie": f"PHPSESSID={SESSION}"})
        get(origin, f"{WWW}/ajax/illust/1", {"User-Agent": ""})
        get(origin, f"{WWW}/ajax/illust/1/recommend/init")
        get(origin, "https://img1.example/private/a.jpg")
        get(origin, "https://s.pximg.net/common/images/limit_unknown_360.png")
        assert origin.seen.violations == {
            "referer": 1, "cookie": 2, "session_leak": 1, "user_agent": 1, "robots": 2, "placeholder": 1,
        }  # fmt: skip
        assert ("cookie", "i.pximg.net", url.removeprefix("https://i.pximg.net")) in origin.seen.examples


SIGNS: dict[FaultKind, Callable[[Got, bytes], bool]] = {
    FaultKind.LIMITED: lambda got, _: got.status == 429 and "retry-after" not in got.headers,
    FaultKind.LIMITED_AFTER: lambda got, _: got.status == 429 and got.headers["retry-after"] == "7",
    FaultKind.LIMITED_DATE: lambda got, _: got.status == 429 and got.headers["retry-after"].endswith("GMT"),
    FaultKind.UNAVAILABLE: lambda got, _: got.status == 503 and got.content.startswith(b"upstream "),
    FaultKind.UNAVAILABLE_AFTER: lambda got, _: got.status == 503 and got.headers["retry-after"] == "7",
    FaultKind.ERROR_500: lambda got, _: got.status == 500,
    FaultKind.ERROR_502: lambda got, _: got.status == 502,
    FaultKind.HTML: lambda got, _: got.status == 200 and got.content.startswith(b"<!DOCTYPE html"),
    FaultKind.EMPTY: lambda got, _: (got.status, got.content) == (200, b""),
    FaultKind.JSON_CUT: lambda got, right: got.status == 200 and right.startswith(got.content) and got.content != right,
    FaultKind.RESET: lambda got, _: got.status == 0,
    FaultKind.RESET_BODY: lambda got, _: got.status == -1,
    FaultKind.CUT_CLEAN: lambda got, right: (
        got.status == 200 and right.startswith(got.content) and got.content != right
    ),
    FaultKind.CUT_SHORT: lambda got, _: got.status == -1,
    FaultKind.DRIP: lambda got, right: (got.status, got.content) == (200, right),
    FaultKind.STALL: lambda got, _: got.status == 0,
    FaultKind.STALL_BODY: lambda got, _: got.status == -1,
    FaultKind.HOP: lambda got, _: got.status == 302 and got.headers["location"].startswith("https://"),
    FaultKind.BAD_RANGE: lambda got, _: got.status == 206 and got.headers["content-range"].startswith("bytes 51-"),
}


@pytest.mark.parametrize("kind", list(FaultKind))
def test_each_fault_as_a_client_meets_it_and_then_it_heals(kind: FaultKind):
    """Each kind looks to a real client as it should, is counted, and after five requests the path works."""
    settings: dict[str, Any] = {"retry_after_s": 7, "stall_s": 0.15, "drip_s": 0.1}
    with origin_thread(seed=1, profile=Profile(1.0, (kind,)), **settings) as origin:
        url, right = plain_image(origin.world)
        headers = {"Range": "bytes=50-"} if kind is FaultKind.BAD_RANGE else {}
        if kind is FaultKind.JSON_CUT:
            id = first(origin.world, lambda work: not work.hidden)
            url, right = f"{WWW}/ajax/illust/{id}", origin.world.detail(id) or b""
        replies = [get(origin, url, headers) for _ in range(6)]
        spoilt = [got for got in replies if SIGNS[kind](got, right)]
        assert spoilt
        assert 1 <= origin.seen.faults[kind] <= (3 if kind is FaultKind.DRIP else len(spoilt))
        assert replies[-1].content == (right[50:] if headers else right)
        if kind is FaultKind.HOP:
            assert get(origin, spoilt[0].headers["location"]).content == right
        if kind in SOFT:
            assert len(spoilt) <= 2


def test_a_patient_client_gets_all_of_a_harsh_site():
    """Under `harsh`, five attempts that count are enough for everything that is to be had."""
    with origin_thread(seed=3, profile="harsh", retry_after_s=0, stall_s=0.02, drip_s=0.02) as origin:
        for id in range(1, 13):
            expected = origin.world.expected(id)
            for url in (f"{WWW}/ajax/illust/{id}", *(image.url for image in list(expected.images.values())[:2])):
                replies = [get(origin, url) for _ in range(6)]
                assert replies[-1].status == (404 if expected.reason == "not_found" else 200)
            for image in list(expected.images.values())[:2]:
                assert hashlib.sha256(get(origin, image.url).content).hexdigest() == image.sha256
        assert origin.seen.faults.total() > 5


def test_the_secret_limit_blocks():
    """Who is too fast gets 429 and nothing else for a while, and robots.txt always."""
    with origin_thread(seed=1, limits=Limits(api_rate=1, api_bucket=3, block_s=0.3)) as origin:
        statuses = [get(origin, f"{WWW}/ajax/illust/1").status for _ in range(5)]
        assert statuses[:3].count(429) == 0
        assert statuses[-1] == 429
        assert get(origin, f"{WWW}/robots.txt").status == 200
        assert origin.seen.limited["www.pixiv.net"] == statuses.count(429)


def test_the_account(origin: Origin):
    """`/__origin__/seen` and `/__origin__/expected` tell another process what the object tells this one."""
    id = first(origin.world, lambda work: work.features == {"multi"})
    for _ in range(2):
        get(origin, f"{WWW}/ajax/illust/{id}/pages")
    base = f"https://localhost:{origin.port}/__origin__"
    seen = json.loads(get(origin, f"{base}/seen").content)
    assert seen["requests"]["www.pixiv.net"][f"/ajax/illust/{id}/pages"] >= 2
    assert seen["total"] == origin.seen.total == sum(len(times) for times in seen["arrivals"].values())
    assert seen["peak"]["www.pixiv.net"] == 1
    assert "arrivals" not in json.loads(get(origin, f"{base}/seen?brief=1").content)
    told = json.loads(get(origin, f"{base}/expected?ids={id},7").content)
    images = origin.world.expected(id).images
    assert {int(page): image["sha256"] for page, image in told[str(id)]["images"].items()} == {
        page: image.sha256 for page, image in images.items()
    }
    assert get(origin, f"{base}/other").status == 404


def test_the_account_of_concurrency():
    """The peak of requests and of connections of a host is what clients did at once; one after the other is one."""
    with origin_thread(seed=1, latency_s=0.2) as origin, ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda id: get(origin, f"{WWW}/ajax/illust/{id}"), (1, 2, 3)))
        assert all(reply.status in (200, 404) for reply in replies)
        get(origin, "https://img2.example/a.jpg")
        assert origin.seen.peak == origin.seen.connections == {"www.pixiv.net": 3, "img2.example": 1}


def test_it_runs_in_the_callers_loop_and_ends_quickly(tmp_path: Path):
    """As an async context in the caller's loop: a client that is being stalled does not hold up the end."""

    async def main() -> float:
        profile = Profile(1.0, (FaultKind.STALL,))
        async with contextlib.AsyncExitStack() as stack:
            origin = Origin(seed=1, profile=profile, stall_s=60, ca_dir=tmp_path / "new" / "ca")
            await stack.enter_async_context(origin)
            assert Path(origin.ca_file) == tmp_path / "new" / "ca" / "ca.pem"
            context = ssl.create_default_context(cafile=origin.ca_file)
            connector = aiohttp.TCPConnector(ssl=context, resolver=Loopback(origin.port))
            async with aiohttp.ClientSession(connector=connector, headers=AGENT) as session:
                async with session.get(f"{WWW}/robots.txt") as reply:
                    assert reply.status == 200
                waiting = asyncio.ensure_future(session.get(f"{WWW}/ajax/illust/1"))
                while not origin.seen.faults:  # noqa: ASYNC110 - the account has no event to wait for
                    await asyncio.sleep(0.01)
                start = time.monotonic()
                await stack.aclose()
                took = time.monotonic() - start
                with pytest.raises(aiohttp.ClientError):
                    await waiting
        return took

    assert asyncio.run(main()) < 20


def test_it_cannot_start_twice_on_a_port(origin: Origin):
    """A port that is taken is an OSError for the caller, out of the thread too; nothing is left behind."""
    with pytest.raises(OSError, match="in use"), origin_thread(port=origin.port):
        raise AssertionError("it started")


def test_the_command_prints_what_a_config_needs(tmp_path: Path):
    """`crawler origin` prints valid TOML, serves, and ends with 0 on SIGTERM."""
    tags = tmp_path / "tags.txt"
    tags.write_text("# popular\n風景の\n", "utf-8")
    program = (
        "import argparse, sys; from crawler.cli import origin; p = argparse.ArgumentParser();"
        "origin.add_arguments(p); sys.exit(origin.run(p.parse_args()))"
    )
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        program,
        "--seed",
        "9",
        "--dir",
        str(tmp_path),
        "--profile",
        "flaky",
        *("--cap-pages", "2", "--tag-scale", "0.5", "--tags", str(tags)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        network = tomllib.loads("".join(lines))["network"]
        served = Origin(
            seed=9, listing=Listing(scale=0.5), port=int(network["resolve"]["www.pixiv.net"].partition(":")[2])
        )
        served.ca_file = network["ca_file"]
        try:
            assert get(served, f"{WWW}/robots.txt").status == 200
            listed = get(served, f"{WWW}/ajax/search/artworks/{quote('風景の')}?s_mode=s_tag_full").content
            total = json.loads(listed)["body"]["illustManga"]["total"]
            assert total == len(served.world.expected_tag("風景の")) > 0
        finally:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert re.search(r'"total": 2', err)
    assert network["resolve"].keys() == served.resolve.keys()
