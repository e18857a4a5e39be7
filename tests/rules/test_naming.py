"""Laws of names: where each image lies, that no two share a place, and that none leaves its folder."""

from __future__ import annotations

import hashlib
import posixpath
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Page
from crawler.rules.naming import EXTENSIONS, image_path, key_problem

KEYS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", fullmatch=True)
PAGED = st.tuples(st.integers(0, 10**12), st.integers(0, 999) | st.just("zip"), st.sampled_from(sorted(EXTENSIONS)))
KEYED = st.tuples(
    KEYS | st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.just(0), st.sampled_from(sorted(EXTENSIONS))
)
Named = tuple[int | str, Page, str]


def fits(named: Named) -> bool:
    return (named[1] == "zip") == (named[2] == "zip")


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ((123456789, 0, "png"), "images/789/123456789_p0.png"),
        ((5, 12, "jpg"), "images/005/5_p12.jpg"),
        ((1000, "zip", "zip"), "images/000/1000_ugoira.zip"),
        (("00000000000003e7", 0, "gif"), "images/999/00000000000003e7.gif"),
        (("00000000000003e8", 0, "gif"), "images/000/00000000000003e8.gif"),
        (("img_001.v2", 0, "webp"), "images/{:03d}/img_001.v2.webp"),
    ],
)
def test_paths_are_those_of_the_contract(named: Named, path: str) -> None:
    """The paths that design.md 1.3 gives, and for keys a folder by digest."""
    assert re.sub(r"\d{3}(?=/img)", "{:03d}", image_path(*named)) == path


@given(KEYS)
@settings(deadline=None, max_examples=50)
def test_a_keys_folder_is_of_its_digest(key: str) -> None:
    """The first eight bytes of its SHA-256 as a number, modulo 1000; what looks like a digest is that number itself."""
    digest = key if re.fullmatch(r"[0-9a-f]{16}", key) else hashlib.sha256(key.encode()).hexdigest()
    number = int.from_bytes(bytes.fromhex(digest)[:8], "big")
    assert image_path(key, 0, "png") == f"images/{number % 1000:03d}/{key}.png"


@given(PAGED.filter(fits) | KEYED.filter(fits))
@settings(deadline=None, max_examples=300)
def test_no_path_leaves_its_folder(named: Named) -> None:
    """Every path is images/<three digits>/<one plain name>, short enough for any file system."""
    path = image_path(*named)
    assert re.fullmatch(r"images/[0-9]{3}/[A-Za-z0-9_-][A-Za-z0-9._-]*", path)
    assert posixpath.normpath(path) == path
    assert len(path.rsplit("/", 1)[1]) < 120


@given(st.lists(PAGED.filter(fits), max_size=30, unique=True), st.lists(KEYED.filter(fits), max_size=30, unique=True))
@settings(deadline=None, max_examples=100)
def test_no_two_share_a_path(paged: list[Named], keyed: list[Named]) -> None:
    """Different ids, pages or extensions have different paths."""
    assert len({image_path(*named) for named in paged}) == len(paged)
    assert len({image_path(*named) for named in keyed}) == len(keyed)


@pytest.mark.parametrize("key", ["a.png", "a"])
def test_a_dot_in_a_key_is_no_extension(key: str) -> None:
    """`a.png` stored as jpg and `a` stored as png are two files."""
    assert image_path(key, 0, "png").endswith(f"/{key}.png")


@pytest.mark.parametrize(
    "named",
    [
        *((1, 0, "exe"), (1, 0, ""), (1, 0, "jpg/../x"), (1, 0, "PNG"), (1, 0, "zip"), (1, "zip", "png")),
        *((-1, 0, "png"), (1, -1, "png"), ("a", 1, "png"), ("", 0, "png"), ("..", 0, "png"), ("a/b", 0, "png")),
    ],
)
def test_what_has_no_place_raises(named: Named) -> None:
    """What no source and no check lets through is an error here, not a file somewhere."""
    with pytest.raises(ValueError, match=r".+"):
        image_path(*named)


def test_why_it_has_no_place_is_said() -> None:
    """A key's own fault before its page's."""
    with pytest.raises(ValueError, match="'a' has page 0 only"):
        image_path("a", 1, "png")
    with pytest.raises(ValueError, match="a key is"):
        image_path("a/b", 1, "png")


@pytest.mark.parametrize(
    "key", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "a\n", "\0", "a" * 101, "~", "a:b"]
)
def test_keys_that_name_no_file(key: str) -> None:
    """Empty, hidden, long, with separators or anything but plain letters: refused with a reason."""
    assert key_problem(key)


@given(KEYS)
@settings(deadline=None, max_examples=100)
def test_plain_keys_are_taken(key: str) -> None:
    """Letters, digits and ._- make a key."""
    assert key_problem(key) is None


@given(st.text(max_size=12))
@settings(deadline=None, max_examples=200)
def test_a_key_is_taken_or_raises(key: str) -> None:
    """`key_problem` and `image_path` agree on every text."""
    if key_problem(key) is None:
        assert image_path(key, 0, "png")
    else:
        with pytest.raises(ValueError, match=r".+"):
            image_path(key, 0, "png")


def test_the_folder_of_a_key_is_for_ever() -> None:
    """By the first 64 bits of its SHA-256; of a digest by itself; of a number by its last three digits."""
    assert image_path("k", 0, "jpg") == f"images/{int(hashlib.sha256(b'k').hexdigest()[:16], 16) % 1000:03d}/k.jpg"
    assert image_path("k", 0, "jpg") == "images/910/k.jpg"
    digest = "00000000000003e7"
    assert image_path(digest, 0, "png") == f"images/999/{digest}.png"
    assert image_path(12_345, 6, "gif") == "images/345/12345_p6.gif"
    for page, ext in ((1, "png"), (0, "zip"), (0, "exe"), ("zip", "zip")):
        with pytest.raises(ValueError, match=r"page|ends in"):
            image_path(digest, page, ext)  # type: ignore[arg-type]
