"""Laws of reading one id, or one URL, out of a line."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.sites.urls import identity
from crawler.sources.ids import MAX_ID, Problem, parse_id, without_comment
from crawler.sources.urls import parse_key, parse_url

HASH = "0123456789abcdef" * 2
FORMS = [
    "{}",
    "  {}\t",
    "\u3000{}",
    "000{}",
    "https://www.pixiv.net/artworks/{}",
    "http://www.pixiv.net/artworks/{}/",
    "HTTPS://WWW.PIXIV.NET/artworks/{}",
    "https://pixiv.net/en/artworks/{}",
    "https://www.pixiv.net/zh-tw/artworks/{}?p=2#big_1",
    "www.pixiv.net/artworks/{}",
    "//www.pixiv.net/artworks/{}",
    "artworks/{}",
    "/en/artworks/{}",
    "illust/{}",
    "i/{}",
    "https://www.pixiv.net/i/{}",
    "pixiv.net/i/{}",
    "https://www.pixiv.net/member_illust.php?mode=medium&illust_id={}",
    "https://www.pixiv.net/member_illust.php?illust_id={}&mode=manga",
    "https://www.pixiv.net/member_illust.php?mode=manga_big&illust_id={}&page=3",
    "http://www.pixiv.net/member_illust.php?mode=big&amp;illust_id={}",
    "member_illust.php?mode=medium&illust_id={}",
    "http://touch.pixiv.net/member_illust.php?mode=medium&illust_id={}",
    "https://touch.pixiv.net/artworks/{}",
    "https://touch.pixiv.net/touch/ajax/illust/details?illust_id={}",
    "https://sp.pixiv.net/illust/{}",
    "https://sp.pixiv.net/member_illust.php?illust_id={}",
    "https://www.pixiv.net/ajax/illust/{}",
    "https://www.pixiv.net/ajax/illust/{}/pages",
    "https://www.pixiv.net/ajax/illust/{}/ugoira_meta?lang=en",
    "https://www.pixiv.net/jump.php?https%3A%2F%2Fwww.pixiv.net%2Fartworks%2F{}",
    "/jump.php?url=https%3A%2F%2Fwww.pixiv.net%2Fartworks%2F{}",
    "pixiv://illusts/{}",
    "https://i.pximg.net/img-original/img/2020/01/02/03/04/05/{}_p0.png",
    "https://i.pximg.net/img-original/img/2020/01/02/03/04/05/{}-" + HASH + "_p11.jpg",
    "https://i.pximg.net/img-original/img/2020/01/02/03/04/05/{}_ugoira0.jpg",
    "https://i.pximg.net/img-zip-ugoira/img/2020/01/02/03/04/05/{}_ugoira1920x1080.zip",
    "https://i.pximg.net/img-zip-ugoira/img/2020/01/02/03/04/05/{}-" + HASH + "_ugoira600x600.zip",
    "https://i.pximg.net/img-zip-ugoira/img/2020/01/02/03/04/05/{}_p0_ugoira1920x1080.zip",
    "i.pximg.net/img-master/img/2020/01/02/03/04/05/{}_p0_master1200.jpg",
    "https://i.pximg.net/c/250x250_80_a2/custom-thumb/img/2020/01/02/03/04/05/{}_p0_custom1200.jpg",
    "https://i.pximg.net/c/540x540_70/img-master/img/2020/01/02/03/04/05/{}_master1200.jpg",
    "http://i2.pixiv.net/img-original/img/2014/01/02/03/04/05/{}_p0.jpg",
    "http://img17.pixiv.net/img/someone/{}_big_p0.png",
    "http://i1.pixiv.net/img07/img/someone/{}.jpg",
    "{}_p0.png",
    "{}-" + HASH + "_p3.jpg",
    "{}_ugoira1920x1080.zip",
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_names_its_work(form: str) -> None:
    """Every way people write down a work gives that work's id."""
    assert parse_id(form.format(61897803)) == 61897803


@given(st.sampled_from(FORMS), st.integers(1, MAX_ID))
@settings(deadline=None, max_examples=200)
def test_each_form_holds_every_id(form: str, id: int) -> None:
    """The form and the number do not depend on each other."""
    assert parse_id(form.format(id)) == id


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("0", "begin at 1"),
        ("000", "begin at 1"),
        ("-5", "a sign"),
        ("+5", "a sign"),
        (str(MAX_ID + 1), "too large"),
        ("9" * 5000, "too large"),
        ("https://www.pixiv.net/artworks/" + "9" * 5000, "too large"),
        ("１２３", "not ASCII"),
        ("12３", "not ASCII"),
        ("123.0", "spreadsheet"),
        ("1.2e7", "spreadsheet"),
        ("123,456", "more than one field"),
        ("123;title", "more than one field"),
        ("123 456", "more than an id"),
        ("0x10", "neither"),
        ("1_000", "neither"),
        ("hello", "neither"),
        ("illust_id", "neither"),
        ("https://www.pixiv.net/artworks/unlisted/AbCdEfGhIjKlMnOpQrSt", "link-only"),
        ("https://www.pixiv.net/en/artworks/unlisted/12345678901234567890", "link-only"),
        ("https://www.pixiv.net/users/11", "a user"),
        ("https://www.pixiv.net/en/users/11/artworks", "a user"),
        ("https://www.pixiv.net/member.php?id=11", "a user"),
        ("https://www.pixiv.net/member_illust.php?id=11", "a user"),
        ("https://www.pixiv.net/novel/show.php?id=11", "a novel"),
        ("https://www.pixiv.net/novels/11", "a novel"),
        ("https://www.pixiv.net/user/11/series/22", "a series"),
        ("https://www.pixiv.net/tags/cat/artworks", "a search"),
        ("https://www.pixiv.net/artworks/", "no number"),
        ("https://www.pixiv.net/artworks/12x", "not a work's"),
        ("https://www.pixiv.net/", "not a work's"),
        ("https://www.pixiv.net/member_illust.php?mode=medium&illust_id=x", "not a number"),
        ("https://www.pixiv.net/member_illust.php?illust_id=0", "begin at 1"),
        ("https://www.pixiv.net/artworks/１２", "not a work's"),
        ("https://www.pixiv.net/jump.php?https%3A%2F%2Fexample.org%2F1", "not a link to pixiv"),
        ("https://i.pximg.net/user-profile/img/2020/01/02/03/04/05/123_p0.png", "not a work's"),
        ("https://i.pximg.net/img-original/img/2020/01/02/03/04/05/none.png", "not a work's"),
        ("https://s.pximg.net/common/images/limit_r18_360.png", "another service"),
        ("https://sketch.pixiv.net/items/123", "another service"),
        ("https://www.fanbox.cc/@a/posts/123", "another service"),
        ("https://example.org/artworks/123", 'kind = "urls"'),
        ("https://pixiv.net.example.org/artworks/123", "not a link to pixiv"),
        ("https://www.pixiv.net@example.org/artworks/123", "not a link to pixiv"),
        ("https://[::1/artworks/1", "not a link that can be read"),
        ("ftp://www.pixiv.net/artworks/1", "neither"),
    ],
)
def test_what_names_no_work_is_refused_with_the_reason(text: str, why: str) -> None:
    """A line without an id says what it is instead, so that people know what to do about it."""
    found = parse_id(text)
    assert isinstance(found, Problem)
    assert why in found.why


@given(st.text(max_size=60) | st.sampled_from(FORMS).flatmap(lambda f: st.text(max_size=8).map(f.format)))
@example("http://[")
@example("//")
@example("https://www.pixiv.net:x/artworks/1")
@example("\ud800")
@settings(deadline=None, max_examples=300)
def test_reading_never_raises(text: str) -> None:
    """Whatever a line holds, the answer is an id in range or a problem that can be printed on one line."""
    for read in (parse_id, parse_url, parse_key):
        found = read(text)
        if isinstance(found, Problem):
            assert found.why
            assert "\n" not in str(found)
    found = parse_id(text)
    assert isinstance(found, Problem) or 0 < found <= MAX_ID


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("# all", ""),
        ("  #all", ""),
        ("12 # a note", "12"),
        ("12\t#note # more", "12"),
        ("https://www.pixiv.net/artworks/12#big_0", "https://www.pixiv.net/artworks/12#big_0"),
        ("\ufeff12", "12"),
        ("#", ""),
        ("", ""),
    ],
)
def test_comments_need_a_blank_before_them(text: str, rest: str) -> None:
    """A `#` is a comment at the start or after a blank, else it belongs to a link."""
    assert without_comment(text) == rest


@given(st.text(), st.text(max_size=200))
@settings(deadline=None, max_examples=200)
def test_a_problem_prints_harmlessly(text: str, file: str) -> None:
    """What a list says can neither move the cursor nor turn the reading direction, and takes 80 characters at most."""
    line = str(Problem("why", text + "\x1b[2J\u202e", file, 3))
    assert line.isprintable()
    assert len(str(Problem("why", text))) <= 80 + len(": why")


def test_a_problem_reads_as_file_line_text_why() -> None:
    """The shape of design.md 1.1."""
    assert str(Problem("why not", "tex\tt", "a.txt", 7)) == "a.txt:7: tex\\tt: why not"


@pytest.mark.parametrize(
    "url", ["https://a.example/1.jpg", "http://a.example:8080/x?y=1#z", "https://例え.jp/画.png", "https://[::1]/a.png"]
)
def test_urls_are_taken_as_listed(url: str) -> None:
    """A URL is kept to the letter; its identity is the first 16 hex digits of its SHA-256."""
    assert parse_url(f" {url}\t") == url
    assert identity(url) == hashlib.sha256(url.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "12345",
        "ftp://a/b",
        "file:///etc/passwd",
        "//a.example/b",
        "https://u:p@a.example/",
        "https://u@a.example/",
        "https:///a",
        "http://a b/",
        "http://a\\b/",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://[::1/",
        "https://a.example/\x00",
        "https://a.example/\u202egpj.exe",
        "https://a.example/" + "a" * 8000,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    """Only http and https, with a host, without credentials or characters that hide something."""
    assert isinstance(parse_url(url), Problem)


@pytest.mark.parametrize("key", ["a", "0001", "A-b_c.d", "x" * 100, "-"])
def test_keys_that_can_be_file_names_are_taken(key: str) -> None:
    """A key is 1 to 100 plain characters."""
    assert parse_key(f" {key} ") == key


@pytest.mark.parametrize("key", ["", ".", "..", ".a", "a/b", "a\\b", "a b", "é", "x" * 101, "a\x00"])
def test_keys_that_could_leave_the_folder_are_refused(key: str) -> None:
    """A key never names a hidden file, a folder or anything outside it."""
    assert isinstance(parse_key(key), Problem)
