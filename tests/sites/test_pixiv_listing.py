"""Pages of lists are read as the site sends them, whatever it sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Absent, Failure, Kind
from crawler.rules.windows import Cursor
from crawler.sites.pixiv import Pixiv
from crawler.sites.pixiv_listing import (
    ListAsk,
    ListPage,
    Row,
    bookmarks,
    day_of,
    description_of,
    search,
    works_of,
)
from crawler.sites.settings import SiteSettings

SITE = Pixiv(SiteSettings(), "", lambda work: None)
HERE = Cursor("2016-01-01", "2020-01-31", page=3)


def asked(cursor: Cursor = HERE, word: str = "猫") -> ListAsk:
    """A search."""
    return search(SITE, word, exact=True, mode="safe", cursor=cursor)


def read(ask: ListAsk, body: Any, status: int = 200) -> Any:
    """What a reply means."""
    return ask.read(status, "application/json", json.dumps(body).encode())


def envelope(data: Any, total: Any) -> Any:
    """A page of a search; it has no `message`."""
    return {"error": False, "body": {"illustManga": {"data": data, "total": total, "bookmarkRanges": []}}}


@pytest.mark.parametrize(
    "word", ["猫", "Fate/Zero10000users入り", "steins;gate", "ハイキュー!!", "100%", "a&b=c?d#e", "C++ x"]
)
def test_any_tag_can_be_asked_for(word: str) -> None:
    """The tag arrives as it is, in one segment of the path, whatever characters it has."""
    url = urlsplit(asked(word=word).request().url)
    assert unquote(url.path.rpartition("/")[2]) == word
    assert url.path.count("/") == 4
    assert parse_qs(url.query)["word"] == [word]


def test_a_search_says_what_it_wants() -> None:
    """Exact or partial, newest first or oldest, rating, page and days."""
    fields = parse_qs(urlsplit(asked().request().url).query)
    assert fields["s_mode"] == ["s_tag_full"]
    assert (fields["order"], fields["mode"], fields["p"]) == (["date_d"], ["safe"], ["3"])
    assert (fields["scd"], fields["ecd"]) == (["2016-01-01"], ["2020-01-31"])
    other = search(SITE, "猫", exact=False, mode="all", cursor=Cursor(order="oldest")).request().url
    fields = parse_qs(urlsplit(other).query)
    assert (fields["s_mode"], fields["order"], fields["mode"]) == (["s_tag"], ["date"], ["all"])
    assert "scd" not in fields


def test_rows_of_every_sort() -> None:
    """Ads are no works; masked rows are known, with their reason, and have no date; numbers come as text or not."""
    rows = [
        {"id": "5", "createDate": "2016-02-29T00:10:00+09:00", "xRestrict": 1, "userId": "7", "isMasked": False},
        {"isAdContainer": True},
        {"id": "6", "userId": "8", "isMasked": True, "maskReason": "r18", "createDate": "1970-01-01T00:00:00+09:00"},
        {"id": 7, "userId": 0, "createDate": "1970-01-01T00:00:00+09:00"},
    ]
    page = read(asked(), envelope(rows, 200))
    assert page == ListPage(
        (
            Row(5, "2016-02-29T00:10:00+09:00", "", 1),
            Row(6, "", "r18"),
            Row(7, "", "unknown"),
        ),
        200,
        1,
    )
    assert [row.day for row in page.rows] == ["2016-02-29", "", ""]
    assert page.items == 4


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("2016-02-29T23:59:59+09:00", "2016-02-29"),
        ("2016-02-29T15:00:00+00:00", "2016-03-01"),
        ("1970-01-01T00:00:00+09:00", ""),
        ("yesterday", ""),
        ("0001-01-01T00:00:00+09:00", ""),
    ],
)
def test_days_are_japans(date: str, day: str) -> None:
    """A day begins in Tokyo, whatever offset the site writes; what is no date has none."""
    assert day_of(date) == day


def test_an_empty_profile_is_a_list() -> None:
    """The site writes an empty object as [] (pixiv.md 1.7); a profile names illustrations and manga, newest first."""
    body = {
        "error": False,
        "message": "",
        "body": {"illusts": {"3": None, "10": None}, "manga": {"7": None}, "novels": []},
    }
    assert read(works_of(SITE, 1), body) == ListPage((Row(10), Row(7), Row(3)), 3)
    body["body"] = {"illusts": [], "manga": [], "novels": []}
    assert read(works_of(SITE, 1), body) == ListPage((), 0)
    left = {"error": True, "message": "User has left pixiv or the user ID does not exist.", "body": []}
    assert read(works_of(SITE, 1), left, 404) == Absent("not_found")


def test_links_of_a_description() -> None:
    """A work's own number is no link."""
    ask = description_of(SITE, 5, lambda text: [int(part) for part in text.split()])
    assert read(ask, {"error": False, "message": "", "body": {"description": "9 5 8"}}) == ListPage((Row(9), Row(8)), 2)
    assert isinstance(read(ask, {"error": False, "message": "", "body": {}}), Failure)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "total", "works", "illusts", "manga", "illustManga"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(JSON, st.sampled_from([200, 404, 500]))
def test_nothing_it_sends_is_an_exception(body: Any, status: int) -> None:
    """Whatever comes is a page, an absence or a failure."""
    for ask in (asked(), bookmarks(SITE, 1, Cursor()), works_of(SITE, 1), description_of(SITE, 1, lambda text: [])):
        for reply in (body, {"error": False, "body": body}):
            found = read(ask, reply, status)
            assert isinstance(found, ListPage | Absent | Failure)


def test_a_list_without_total_is_no_list() -> None:
    """What has no rows or no total is a bad reply, to be asked for again."""
    for data, total in ((None, 1), ([], None), ([], "1"), ([{"id": "x"}], 1), ([], True)):
        found = read(asked(), envelope(data, total))
        assert isinstance(found, Failure)
        assert found.kind is Kind.BAD_REPLY


def test_pages_of_the_real_site(shared: Path) -> None:
    """Real replies: a page of a search, of bookmarks, of a profile, and an empty one."""
    folder = shared / "captures"

    def captured(ask: ListAsk, name: str) -> Any:
        return ask.read(200, "application/json", (folder / name).read_bytes())

    page = captured(asked(), "tag-not-last-page.json")
    assert (len(page.rows), page.total, page.items) == (60, 118752, 60)
    assert all(row.day == "2021-07-16" or row.day for row in page.rows)
    assert [row.day for row in page.rows] == sorted((row.day for row in page.rows), reverse=True)
    page = captured(bookmarks(SITE, 1, Cursor()), "bookmarks-1039353.json")
    assert (len(page.rows), page.total) == (23, 381)
    page = captured(works_of(SITE, 1), "all-26357.json")
    assert len(page.rows) == page.total == 81
    assert captured(works_of(SITE, 1), "test-noimage.htm") == ListPage((), 0)
