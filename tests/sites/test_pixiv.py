"""Laws of reading pixiv: what each reply means, and that no reply can do more than be read."""

from __future__ import annotations

from typing import Any

import pytest
from pixiv_replies import GONE, ID, LIMIT, NO_URLS, REFUSED, URLS, page, reply, ugoira, work

from crawler.fetch.exchange import Request
from crawler.model import Absent, Description, Failure, Image, Kind, Work
from crawler.sites.pixiv import Pixiv
from crawler.sites.settings import SiteSettings
from crawler.sites.site import Ask, Site

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><script>window._cf_chl_opt={}</script>"
Answer = Ask | Description | Absent | Failure


def site(session: str = "", accept: Any = None, **settings: Any) -> Pixiv:
    return Pixiv(SiteSettings(**settings), session, accept or (lambda _: None))


def first(body: bytes, status: int = 200, kind: str = JSON, of: Pixiv | None = None) -> Answer:
    return (of or site()).describe(ID).read(status, kind, body)


def second(body: bytes, status: int = 200, of: Pixiv | None = None, **changes: Any) -> Answer:
    ask = first(reply(work(**({"pageCount": 3} | changes))), of=of)
    assert not isinstance(ask, Description | Absent | Failure), ask
    return ask.read(status, JSON, body)


def asked(answer: Answer) -> Request:
    assert not isinstance(answer, Description | Absent | Failure), answer
    return answer.request()


def described(answer: Answer) -> Description:
    assert isinstance(answer, Description), answer
    return answer


def failed(answer: Answer) -> Failure:
    assert isinstance(answer, Failure), answer
    return answer


def test_the_first_question() -> None:
    """A work is asked for at its own address, as JSON, from the site's own pages, in the API's budget."""
    pixiv: Site = site()
    request = pixiv.describe(ID).request()
    assert request.url == f"https://www.pixiv.net/ajax/illust/{ID}"
    assert request.lane == "api"
    assert request.headers == {"Accept": "application/json", "Referer": "https://www.pixiv.net/"}
    assert request.secret == {}


def test_the_session_goes_to_the_api_only_and_as_a_secret() -> None:
    """PHPSESSID is in `secret` of API requests, in no other header, and in no request for an image."""
    pixiv = site("77_abcDEF")
    for request in (
        pixiv.describe(ID).request(),
        asked(first(reply(work(pageCount=2)), of=pixiv)),
        asked(first(reply(work(illustType=2)), of=pixiv)),
    ):
        assert request.secret == {"Cookie": "PHPSESSID=77_abcDEF"}
        assert "abcDEF" not in str(request.headers) + request.url
    image = pixiv.image_request(Image(0, URLS["original"]))
    assert image == Request(
        URLS["original"], "images", {"Referer": "https://www.pixiv.net/", "Accept-Encoding": "identity"}
    )


@pytest.mark.parametrize("session", ["a 77_b", "a\r\nX: y", 'a"b', "a;b", "a,b", "é"])
def test_a_session_that_is_no_cookie_is_refused_without_repeating_it(session: str) -> None:
    """What would write headers of its own is refused, and the refusal does not give the value away."""
    with pytest.raises(ValueError, match="not the value of a cookie") as caught:
        site(session)
    assert session not in str(caught.value)


def test_one_page_needs_one_request() -> None:
    """A work of one page is described by the first reply, with its size and its smaller rendition."""
    answer = described(first(reply(work())))
    assert answer.images == (Image(0, URLS["original"], URLS["regular"], 1200, 900),)


@pytest.mark.parametrize("quality", ["original", "regular", "small", "thumb"])
def test_quality_chooses_the_rendition(quality: str) -> None:
    """The quality names the URL; a fallback is there for originals only, and only if wanted."""
    image = described(first(reply(work()), of=site(quality=quality))).images[0]
    assert image.url == URLS[quality]
    assert image.fallback == (URLS["regular"] if quality == "original" else None)
    assert described(first(reply(work()), of=site(quality=quality, fallback=False))).images[0].fallback is None


def test_many_pages_need_one_request_more() -> None:
    """Pages are asked for once; each has its own extension and size, and they are numbered in the order given."""
    assert asked(first(reply(work(pageCount=3)))).url == f"https://www.pixiv.net/ajax/illust/{ID}/pages"
    answer = described(second(reply([page(0), page(1, "jpg"), page(2)])))
    assert [i.page for i in answer.images] == [0, 1, 2]
    assert [i.url[-6:] for i in answer.images] == ["p0.png", "p1.jpg", "p2.png"]
    assert [(i.width, i.height) for i in answer.images] == [(100, 200), (101, 201), (102, 202)]
    assert answer.images[1].fallback == page(1)["urls"]["regular"]
    assert answer.metadata["pageCount"] == 3


def test_thumbs_of_pages_have_another_name() -> None:
    """/pages knows no `thumb`; its smallest rendition stands in (pixiv.md 1.2)."""
    answer = described(second(reply([page(0), page(1)]), of=site(quality="thumb")))
    assert answer.images[1].url == page(1)["urls"]["thumb_mini"]


def test_the_list_of_pages_is_believed_over_their_count() -> None:
    """A revision between the two requests changes how many pages there are: the list is what can be fetched."""
    assert len(described(second(reply([page(n) for n in range(5)]))).images) == 5
    assert len(described(second(reply([page(0)]))).images) == 1


def test_pages_without_sizes_are_taken() -> None:
    """Sizes are a help, not a need."""
    image = described(second(reply([page(0, width=None), page(1, height="9")]))).images
    assert image[0].width is None
    assert image[1].height == 9


@pytest.mark.parametrize("quality", ["original", "regular"])
def test_ugoira(quality: str) -> None:
    """An animation is the zip of its frames; how long each is shown is kept with the metadata."""
    pixiv = site(quality=quality)
    assert asked(first(reply(work(illustType=2)), of=pixiv)).url.endswith(f"/ajax/illust/{ID}/ugoira_meta")
    answer = described(second(reply(ugoira()), of=pixiv, illustType=2))
    (image,) = answer.images
    assert image.page == "zip"
    if quality == "original":
        assert (image.url, image.fallback) == (ugoira()["originalSrc"], ugoira()["src"])
    else:
        assert (image.url, image.fallback) == (ugoira()["src"], None)
    assert answer.metadata["ugoira"]["frames"] == ugoira()["frames"]
    assert answer.metadata["ugoira"]["mime_type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"frames": []}, "frames"),
        ({"frames": [{"delay": 3}]}, "file"),
        ({"originalSrc": "ftp://i.pximg.net/a.zip"}, "originalSrc"),
        ({"originalSrc": ""}, "originalSrc"),
    ],
)
def test_a_ugoira_without_what_is_needed(changes: dict[str, Any], word: str) -> None:
    """A field that is missing is named, and the request may be repeated."""
    failure = failed(second(reply(ugoira(**changes)), illustType=2))
    assert failure.kind is Kind.BAD_REPLY
    assert not failure.permanent
    assert word in failure.detail


@pytest.mark.parametrize(
    "urls",
    [NO_URLS, dict.fromkeys(URLS, LIMIT), NO_URLS | {"original": LIMIT}],
    ids=["null", "placeholder", "both"],
)
def test_hidden_works_are_restricted(urls: dict[str, Any]) -> None:
    """Nulls or placeholders instead of URLs: the work exists and is hidden, which is final and never worked around."""
    assert first(reply(work(urls=urls))) == Absent("restricted")
    assert second(reply([page(0, urls=urls), page(1, urls=urls)])) == Absent("restricted")


def test_a_placeholder_among_pages_is_never_described() -> None:
    """One page hidden and others not passes with time; the placeholder itself is not an image to fetch."""
    failure = failed(second(reply([page(0), page(1, urls=NO_URLS | {"original": LIMIT})])))
    assert failure.kind is Kind.BAD_REPLY
    assert "page 1" in failure.detail
    one = failed(first(reply(work(urls=URLS | {"original": LIMIT}))))
    assert one.kind is Kind.BAD_REPLY


def test_the_filter_sees_the_work_before_more_is_asked() -> None:
    """A filtered work costs one request, also where it has many pages; the filter sees it typed."""
    seen: list[Work] = []

    def refuse(work: Work) -> Absent:
        seen.append(work)
        return Absent("filtered", "max_pages")

    assert first(reply(work(pageCount=300)), of=site(accept=refuse)) == Absent("filtered", "max_pages")
    assert seen[0].id == ID
    assert seen[0].page_count == 300
    assert [(t.name, t.translation) for t in seen[0].tags] == [("花", "flower"), ("R-18", "")]


def test_hidden_wins_over_filtered() -> None:
    """A work that the site hides is `restricted` even where the filter would refuse it too; the filter is not asked."""
    pixiv = site(accept=lambda _: pytest.fail("asked"))
    assert first(reply(work(urls=NO_URLS, xRestrict=1)), of=pixiv) == Absent("restricted")


def test_unknown_kinds_are_unsupported() -> None:
    """A kind of work that is not known is final, and not an error."""
    assert first(reply(work(illustType=7))) == Absent("unsupported")


def test_gone_needs_the_sites_own_words() -> None:
    """404 with the envelope is final; a 404 of anything else is a reply to ask again for."""
    assert len(GONE) == 37
    assert first(GONE, 404) == Absent("not_found")
    assert first(reply([], error=True, message="Work has been deleted or the ID does not exist.")) == Absent(
        "not_found"
    )
    for body in (b"", b"<html>404 Not Found</html>", b'{"detail":"Not Found"}', b'{"error":false,"body":[]}', b"[]"):
        failure = failed(first(body, 404))
        assert failure.kind is Kind.BAD_REPLY
        assert not failure.permanent


def test_a_refused_session() -> None:
    """401 speaks of the session when one was sent; without one it says that this needs a login."""
    assert len(REFUSED) == 62
    failure = failed(first(REFUSED, 401, of=site("77_x")))
    assert failure.kind is Kind.SESSION_REFUSED
    assert "77_x" not in repr(failure)
    assert first(REFUSED, 401) == Absent("restricted")
    assert failed(first(b"<html>", 401)).kind is Kind.BAD_REPLY


@pytest.mark.parametrize(
    ("status", "kind", "body", "what"),
    [
        (403, HTML, CHALLENGE, Kind.CHALLENGE),
        (503, HTML, CHALLENGE, Kind.CHALLENGE),
        (403, HTML, b"<html>Forbidden</html>", Kind.CHALLENGE),
        (403, JSON, reply([], error=True, message="x"), Kind.FORBIDDEN),
        (403, JSON, b'{"reason":"x"}', Kind.FORBIDDEN),
        (429, JSON, reply([], error=True), Kind.RATE_LIMITED),
        (429, HTML, b"", Kind.RATE_LIMITED),
        (403, JSON, reply([], error=True, message="Rate Limit"), Kind.RATE_LIMITED),
        (500, JSON, reply([], error=True), Kind.SERVER_ERROR),
        (500, HTML, b"<html>", Kind.SERVER_ERROR),
        (502, "", b"", Kind.SERVER_ERROR),
        (503, "text/plain", b"upstream connect error", Kind.UNAVAILABLE),
        (200, HTML, b"<html>maintenance</html>", Kind.BAD_REPLY),
        (200, HTML, b'<script src="/cdn-cgi/challenge-platform/x.js">', Kind.BAD_REPLY),
        (200, JSON, b"", Kind.BAD_REPLY),
        (200, JSON, b"None", Kind.BAD_REPLY),
        (200, JSON, b"null", Kind.BAD_REPLY),
        (200, JSON, b"17", Kind.BAD_REPLY),
        (200, JSON, reply(work())[:-40], Kind.BAD_REPLY),
        (200, JSON, reply(None), Kind.BAD_REPLY),
        (200, JSON, reply([]), Kind.BAD_REPLY),
        (200, JSON, REFUSED, Kind.BAD_REPLY),
        (200, JSON, b"[" * 100_000, Kind.BAD_REPLY),
        (302, HTML, b"", Kind.STATUS),
    ],
)
def test_trouble_is_named_and_may_pass(status: int, kind: str, body: bytes, what: Kind) -> None:
    """Each way of not answering has its kind, and none is final."""
    failure = failed(first(body, status, kind))
    assert (failure.kind, failure.status, failure.permanent) == (what, status, False)


def test_a_bad_request_is_final() -> None:
    """400 stays 400: the question itself is wrong."""
    failure = failed(first(reply([], error=True, message="Invalid request."), 400))
    assert (failure.kind, failure.permanent) == (Kind.STATUS, True)
    assert "Invalid request." in failure.detail


def test_json_is_read_whatever_its_type_says() -> None:
    """A good body under a wrong Content-Type, or behind a byte order mark, is a good body."""
    assert isinstance(first(reply(work()), kind=HTML), Description)
    assert isinstance(first(b"\xef\xbb\xbf" + reply(work()), kind=""), Description)


def test_trouble_with_the_second_request_is_no_end() -> None:
    """Only the work's own endpoint says that it is gone: its files missing is to be asked again."""
    for changes in ({}, {"illustType": 2}):
        failure = failed(second(GONE, 404, **changes))
        assert (failure.kind, failure.status, failure.permanent) == (Kind.BAD_REPLY, 404, False)
        assert failed(second(b"", 200, **changes)).kind is Kind.BAD_REPLY
        assert failed(second(reply([]), **changes)).kind is Kind.BAD_REPLY
        assert failed(second(REFUSED, 401, site("77_x"), **changes)).kind is Kind.SESSION_REFUSED


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"id": "1"}, "id"),
        ({"id": None}, "id"),
        ({"illustType": None}, "illustType"),
        ({"illustType": "x"}, "illustType"),
        ({"pageCount": 0}, "pageCount"),
        ({"pageCount": "many"}, "pageCount"),
        ({"urls": None}, "original"),
        ({"urls": {}}, "original"),
        ({"urls": URLS | {"original": None}}, "urls.original"),
        ({"urls": URLS | {"original": 3}}, "urls.original"),
    ],
)
def test_what_is_essential_is_named_where_it_is_missing(changes: dict[str, Any], word: str) -> None:
    """A reply about another work, or without what is needed, is refused by the name of the field."""
    failure = failed(first(reply(work(**changes))))
    assert failure.kind is Kind.BAD_REPLY
    assert word in failure.detail


@pytest.mark.parametrize("name", ["illustType", "pageCount"])
def test_an_absent_field_is_named(name: str) -> None:
    """A required field that is not there at all is a bad reply."""
    body = work()
    del body[name]
    assert name in failed(first(reply(body))).detail


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://127.0.0.1/a.png",
        "https://i.pximg.net.evil.example/a.png",
        "https://evilpximg.net/a.png",
        "https://pximg.net@evil.example/a.png",
        "https://evil.example/?.pximg.net/a.png",
        "https://evil.example\\.pximg.net/a.png",
        "https://i.pximg.net/a\r\nHost: evil.example",
        "https://user:pass@i.pximg.net/a.png",
        "https://i.pximg.net/" + "a" * 3000,
        "//i.pximg.net/a.png",
        "https://i.pximg.net",
        "https://s.pximg.net/common/images/no_profile.png",
        "https://i.pximg.net/common/images/limit_unknown_360.png",
    ],
)
def test_urls_of_other_places_are_not_taken(url: str) -> None:
    """A reply cannot send the crawler to another host, another scheme, or a placeholder."""
    assert failed(first(reply(work(urls=URLS | {"original": url})))).kind is Kind.BAD_REPLY
    spare = described(first(reply(work(urls=URLS | {"regular": url})))).images[0]
    assert spare.fallback is None


@pytest.mark.parametrize(
    "url",
    [
        f"https://i.pximg.net/img-original/img/2020/01/01/00/00/00/{ID}-{'0f' * 16}_p0.png",
        f"https://i.pximg.net:8443/img-original/{ID}_p0.gif",
        f"http://i1.pixiv.net/img01/img/x/{ID}.jpg",
        f"https://i-cf.pximg.net/img-original/{ID}_p0.jpg",
    ],
)
def test_urls_of_the_site_are_taken(url: str) -> None:
    """Names with a hash, ports, and the site's historic hosts are fine (pixiv.md 3)."""
    assert described(first(reply(work(urls=URLS | {"original": url})))).images[0].url == url


def test_deep_metadata_is_refused_before_it_reaches_the_log() -> None:
    """What JSON can be read but not written again (it nests too deeply) is a bad reply, not a crash later."""
    deep: Any = 0
    for _ in range(300):
        deep = [deep]
    assert "deep" in failed(first(reply(work(news=deep)))).detail
    assert "deep" in failed(second(reply(ugoira(news=deep)), illustType=2)).detail
