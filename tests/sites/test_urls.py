"""Laws of the site `urls`."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Image
from crawler.rules.naming import image_path
from crawler.sites.site import Site
from crawler.sites.urls import Urls, identity, url_problem


def test_a_url_is_its_own_description() -> None:
    """One image, page 0, at the URL as listed, asked for without Referer or session, in the images' budget."""
    site = Urls()
    url = "https://example.org/a%20b.jpg?x=1#f"
    assert site.description(identity(url), url).images == (Image(0, url),)
    request = site.image_request(Image(0, url))
    assert (request.url, request.lane, request.secret) == (url, "images", {})
    assert request.headers == {"Accept-Encoding": "identity"}


def test_there_is_nothing_to_describe() -> None:
    """It is a site like others to the type checker, and asking it for metadata is a bug that shows at once."""
    site: Site = Urls()
    with pytest.raises(LookupError):
        site.describe("0123456789abcdef")


@given(st.text(min_size=1, max_size=60).filter(lambda t: t.isprintable()))
@settings(deadline=None, max_examples=100)
def test_identity_is_the_start_of_the_digest(text: str) -> None:
    """16 hex digits of SHA-256 of the URL's bytes; with them a path is made."""
    id = identity(text)
    assert hashlib.sha256(text.encode()).hexdigest().startswith(id)
    assert image_path(id, 0, "jpg") == f"images/{int(id, 16) % 1000:03d}/{id}.jpg"


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/x.png", "HTTPS://a.example:8443/?q=1", "https://127.0.0.1:1/x", "https://[::1]/x"),
        *("https://例え.jp/絵.png", "https://a.example"),
    ],
)
def test_good_urls(url: str) -> None:
    """http and https of any host; which addresses may be reached is for the network's rules."""
    assert url_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "x.png", "ftp://a.example/x", "file:///x", "javascript:0", "//a.example/x", "https:///x"),
        *("https://me@a.example/x", "https://me:pw@a.example/x", "https://:@a.example/x"),
        *("https://a.example/a b", "https://a.example/\r\nX: y", "https://a.example\\@b.example/", "https://[::1/x"),
        *("https://a.example:0/x", "https://a.example:99999/x", "https://a.example/" + "x" * 8000, "https://a/\ud800"),
    ],
)
def test_bad_urls(url: str) -> None:
    """Other schemes, credentials, blanks, control characters and what has no host are refused with a reason."""
    assert url_problem(url)


@given(st.text(max_size=40) | st.text(max_size=30).map(lambda t: "https://" + t))
@settings(deadline=None, max_examples=300)
def test_any_text_gets_a_verdict(text: str) -> None:
    """No text raises, and what passes has an identity."""
    if url_problem(text) is None:
        assert len(identity(text)) == 16
