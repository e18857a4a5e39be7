"""The stand-in's world is a pure function, has every kind of trouble in it, and agrees with itself."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crawler.origin import body
from crawler.origin.links import HOSTS, PLAIN_HOSTS, RENDITIONS, on
from crawler.origin.paint import MIMES
from crawler.origin.work import Mix
from crawler.origin.world import World

IDS = [n * 123_457 % 61_900_000 + 1 for n in range(250)] + list(range(1, 251))
CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"
FORMATS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}
ids = st.integers(1, 150_000_000)
seeds = st.integers(0, 2**63)


def split(url: str) -> tuple[str, str]:
    host, _, path = url.removeprefix("https://").partition("/")
    return host, "/" + path


@settings(deadline=None, max_examples=30)
@given(seeds, ids, st.booleans())
def test_the_same_question_has_the_same_answer(seed: int, id: int, session: bool):
    """Two worlds of one seed agree, byte for byte, on a work, its JSON and its expected end."""
    one, two = World(seed), World(seed)
    assert one.work(id) == two.work(id)
    assert one.detail(id, session=session) == two.detail(id, session=session)
    assert one.expected(id, session=session) == two.expected(id, session=session)


def test_seeds_are_different_worlds():
    """Another seed gives other works for the same ids."""
    assert [World(1).work(id) for id in IDS] != [World(2).work(id) for id in IDS]


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_is_among_five_hundred_ids(seed: int):
    """500 ids, half of them small and half all over the real range, show each kind of work at least once."""
    world = World(seed)
    works = [world.work(id) for id in IDS]
    found = frozenset().union(*(work.features for work in works))
    kinds = {name.name for name in fields(Mix)} - {"long", "lost", "scale", "edited_h"} | {"plain", "manga"}
    assert kinds <= found, kinds - found
    assert {page.broken for work in works for page in work.pages} == {0, 404, 500}
    assert {work.ai_type for work in works if work.alive} == {0, 1, 2}
    assert any(not work.tags for work in works if work.alive)
    assert any(work.kind == "illust" and len(work.pages) > 1 for work in works)


def test_shares_are_what_the_mix_says():
    """A share of the mix is the share of works that are so, give or take."""
    world = World(5)
    works = [world.work(id) for id in range(1, 4001)]
    alive = [work for work in works if work.alive]
    assert abs(1 - len(alive) / len(works) - Mix().dead) < 0.02
    assert abs(sum(work.x_restrict == 1 for work in alive) / len(alive) - Mix().r18) < 0.02
    assert abs(sum(len(work.pages) > 1 for work in alive) / len(alive) - Mix().multi) < 0.03
    assert all(work.alive for work in (World(5, replace(Mix(), dead=0)).work(id) for id in range(1, 500)))


def test_images_decode_and_no_two_are_alike():
    """Every image of 150 works is a whole picture of the format it claims, and like no other, in pixels too."""
    world, seen, pixels, files, pictures = World(11), set[str](), set[bytes](), 0, 0
    for id in IDS[:150]:
        work, expected = world.work(id), world.expected(id, session=True)
        for page, image in expected.images.items():
            data = world.image_bytes(id, page, image.quality)
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (image.sha256, image.bytes)
            seen.add(image.sha256)
            files += 1
            if page == "zip":
                continue
            with Image.open(io.BytesIO(data)) as picture:
                picture.load()
                pictures += 1
                assert FORMATS[str(picture.format)] == image.ext
                assert MIMES[image.ext] == image.mime
                if image.quality == "original":
                    assert picture.size == (work.pages[page].width, work.pages[page].height)
                pixels.add(hashlib.sha256(picture.convert("RGB").tobytes()).digest())
    assert (len(seen), len(pixels)) == (files, pictures)
    assert files > pictures > 150


def test_sizes_are_mostly_small_and_a_few_large():
    """Most images are a few kilobytes, some hundreds, so that streaming is exercised without cost."""
    world = World(2)
    sizes = sorted(image.bytes for id in IDS[:200] for image in world.expected(id).images.values())
    assert 3_000 < sizes[len(sizes) // 2] < 60_000
    assert 250_000 < sizes[-1] < 2_500_000


def test_an_ugoira_is_a_zip_of_stored_jpegs():
    """The zip's members are JPEGs, uncompressed, named as the frames of ugoira_meta, all different."""
    world = World(0)
    id = next(id for id in IDS if "ugoira" in world.work(id).features and not world.expected(id).reason)
    meta = json.loads(world.ugoira_meta(id) or b"")["body"]
    assert world.expected(id).images["zip"].url == meta["originalSrc"]
    with zipfile.ZipFile(io.BytesIO(world.image_bytes(id, "zip"))) as pack:
        assert pack.namelist() == [frame["file"] for frame in meta["frames"]]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in pack.infolist())
        frames = [pack.read(name) for name in pack.namelist()]
    assert len(set(frames)) == len(frames) == len(world.work(id).delays)
    for frame in frames:
        Image.open(io.BytesIO(frame)).verify()


@settings(deadline=None, max_examples=60)
@given(ids, st.booleans())
def test_what_is_described_is_what_is_served_and_expected(id: int, session: bool):
    """Following the JSON's URLs to the image host, taking `regular` for a broken original, gives what is expected."""
    world = World(3)
    expected, detail = world.expected(id, session=session), world.detail(id, session=session)
    if detail is None:
        assert (expected.outcome, expected.reason) == ("gone", "not_found")
        return
    said, pages = json.loads(detail)["body"], json.loads(world.pages(id, session=session) or b"")["body"]
    assert len(pages) == said["pageCount"] == expected.page_count
    hosts = {split(url)[0] if url else None for url in said["urls"].values()}
    if expected.outcome == "gone":
        assert expected.reason == "restricted"
        assert hosts in ({None}, {"s.pximg.net"})
        return
    assert hosts == {"i.pximg.net"}
    if "zip" in expected.images:
        image = expected.images["zip"]
        asset = world.asset(*split(image.url))
        assert hashlib.sha256(world.paint(asset.recipe)).hexdigest() == image.sha256
        return
    assert pages[0]["urls"]["original"] == said["urls"]["original"]
    for number, page in enumerate(pages[:6]):
        choices = [(page["urls"][name], name) for name in ("original", "regular")]
        url, quality = next((url, name) for url, name in choices if world.asset(*split(url)).status == 200)
        image = expected.images[number]
        assert (image.url, image.quality) == (url, quality)
        assert hashlib.sha256(world.paint(world.asset(*split(url)).recipe)).hexdigest() == image.sha256


@settings(deadline=None, max_examples=40)
@given(ids, st.sampled_from(["regular", "small", "thumb"]))
def test_renditions_are_jpegs_and_smaller(id: int, quality: str):
    """Asked for another quality, everything is a JPEG of fewer pixels, whatever is wrong with the original."""
    world = World(4)
    for page, image in world.expected(id, quality=quality).images.items():
        if page == "zip":
            assert "ugoira600x600" in image.url
            continue
        asset = world.asset(*split(image.url))
        with Image.open(io.BytesIO(world.paint(asset.recipe))) as picture:
            assert picture.format == "JPEG"
            assert picture.width < world.work(id).pages[page].width


@settings(deadline=None, max_examples=40)
@given(ids)
def test_only_the_exact_name_is_served(id: int):
    """Another extension, page, date or hash is a 404, as on the site."""
    world = World(6)
    expected = world.expected(id)
    for image in list(expected.images.values())[:2]:
        host, path = split(image.url)
        for wrong in (path + "x", path.replace("/img/20", "/img/19"), path.replace(f"/{id}", f"/{id}-{'0' * 32}"),
                      path.replace("_p0", "_p99"), path.rpartition(".")[0] + ".webp"):  # fmt: skip
            assert wrong == path or world.asset(host, wrong).status == 404


def test_a_lost_page_fails_the_work():
    """With a share of `lost`, neither original nor regular is to be had, and the work is expected to fail."""
    world = World(0, replace(Mix(), lost=1.0, dead=0, ugoira=0, r18=0, r18g=0, sanity=0))
    for id in range(1, 30):
        expected = world.expected(id)
        assert expected.outcome == "failed"
        assert len(expected.lost) == 1
        assert len(expected.images) == expected.page_count - 1


def test_no_fallback_means_no_regular():
    """Without fallback a broken original is a lost image."""
    world = World(0)
    id = next(id for id in range(1, 9999) if "broken" in world.work(id).features and world.expected(id).images)
    assert world.expected(id).outcome == "done"
    assert world.expected(id, fallback=False).lost


def test_plain_urls():
    """A plain URL is a picture made from its URL, or dead for ever; some hold another format than they say."""
    world = World(0)
    urls = [on(host, f"/a/{n}.{ext}") for host in PLAIN_HOSTS for n in range(8) for ext in ("jpg", "png", "webp?x=1")]
    urls += [on("i.pximg.net", f"/plain/{n}.gif") for n in range(40)]
    found = [world.expected_url(url) for url in urls]
    alive = [one.images[0] for one in found if one.outcome == "done"]
    assert 0 < len(urls) - len(alive) < len(urls) / 3
    assert len({image.sha256 for image in alive}) == len(alive)
    assert {image.url for image in alive} <= set(urls)
    assert any(not image.url.partition("?")[0].endswith(image.ext) for image in alive)
    assert [world.expected_url(url) for url in urls[:20]] == found[:20]
    assert world.expected_url("https://nowhere.example/a.jpg").reason == "not_found"


def test_bodies_are_as_large_and_as_odd_as_the_sites():
    """7 to 30 KB of JSON, and every oddity of the field list occurs (missing, null, number or string)."""
    world = World(8)
    texts = [text for id in range(1, 500) if (text := world.detail(id))]
    bodies = [json.loads(text)["body"] for text in texts]
    assert all(5_000 < len(text) < 32_000 for text in texts)
    assert {repr(one.get("bookStyle")) for one in bodies} == {"0", "'0'", "None"}
    assert {"aiType" in one for one in bodies} == {"commentOff" in one for one in bodies} == {True, False}
    series = [one["seriesNavData"] for one in bodies if one["seriesNavData"]]
    assert {type(one["seriesId"]) for one in series} == {int, str}
    assert {one["titleCaptionTranslation"]["workTitle"] for one in bodies} >= {None, ""}
    assert any(one["tags"]["tags"] == [] for one in bodies)
    assert any("translation" not in tag for one in bodies for tag in one["tags"]["tags"])
    assert any(one["pollData"] for one in bodies)
    assert any("/jump.php?" in one["description"] for one in bodies)
    assert any("\x1b" in one["title"] for one in bodies)
    assert all(None in one["userIllusts"].values() and one["id"] in one["userIllusts"] for one in bodies)
    assert all(one["illustId"] == one["id"] and "noLoginData" in one for one in bodies)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the repo")
@pytest.mark.parametrize("session", [False, True])
def test_bodies_have_the_captures_fields(session: bool):
    """The stand-in's works have the fields of the real replies, each of a type that is also theirs."""
    real: dict[str, set[type]] = {}
    for path in CAPTURES.glob("test-image-*[0-9].json"):
        for key, value in (json.loads(path.read_bytes())["body"] or {}).items():
            real.setdefault(key, set()).add(type(value))
    known = {"seriesNavData", "descriptionYoutubeId", "fanboxPromotion", "pollData"}  # null in these captures
    optional = {"storableTags", "noLoginData"}
    for id in range(1, 120):
        said = json.loads(World(1).detail(id, session=session) or b'{"body":{}}')["body"]
        missing = {"bookStyle", "commentOff", "aiType", "reuploadDate", "locationMask", "commissionLinkHidden"}
        assert not said or real.keys() - said.keys() <= missing | {"isLoginOnly"} | optional
        for key, value in said.items():
            assert key in optional or key in known or type(value) in real[key], (key, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=100)
@given(json_values)
def test_the_sites_way_to_write_json_says_the_same(value: object):
    """Written with `\\/` and `\\u0022`, ASCII only, JSON still reads as what was put in."""
    text = body.dump(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set(b"<>&'") & set(text)
    assert b'\\"' not in text.replace(b"\\\\", b"")


def test_error_bodies_are_the_sites_byte_for_byte():
    """37 and 62 bytes, by which others tell them apart."""
    assert (len(body.NOT_FOUND), len(body.SESSION_REFUSED)) == (37, 62)
    assert json.loads(body.NOT_FOUND) == {"error": True, "message": "", "body": []}


def test_a_dead_work_has_no_image():
    """Asking for a dead work's picture is a mistake of the caller, and said so."""
    world = World(0, replace(Mix(), dead=1.0))
    with pytest.raises(LookupError, match="work 5 is dead"):
        world.image_bytes(5, 0)
    assert len(HOSTS) == len(set(HOSTS))
    assert len(RENDITIONS) == 6
