"""Laws of pixiv's metadata: what is kept, how it is typed, and that nothing a reply holds can raise."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixiv_replies import ID, NO_URLS, page, reply, ugoira, work

from crawler.fetch.exchange import Request
from crawler.model import Absent, Description, Failure, Tag, Work
from crawler.rules.filter import refusal
from crawler.rules.settings import FilterSettings
from crawler.sites.pixiv import Pixiv, work_of
from crawler.sites.settings import SiteSettings

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
PIXIV = Pixiv(SiteSettings(), "77_x", lambda _: None)


def answer(status: int, body: bytes, then: bytes, id: int = ID) -> Description | Absent | Failure:
    """What a work comes to, `then` being the reply to the second question, if there is one."""
    first = PIXIV.describe(id).read(status, "application/json", body)
    if isinstance(first, Description | Absent | Failure):
        return first
    assert isinstance(first.request(), Request)
    last = first.read(status, "application/json", then)
    assert isinstance(last, Description | Absent | Failure)
    return last


def metadata(**changes: Any) -> dict[str, Any]:
    said = answer(200, reply(work(**changes)), b"")
    assert isinstance(said, Description)
    return dict(said.metadata)


def test_metadata_keeps_the_sites_names_and_drops_its_noise() -> None:
    """Ads, navigation, doubles and what is about the session go; all else stays, what is not known yet included."""
    kept = metadata(newField={"a": [1]})
    gone = set(work()) - set(kept)
    assert gone == {
        *("illustId", "illustTitle", "illustComment", "alt", "userIllusts", "likeData", "isBookmarkable"),
        *("imageResponseOutData", "imageResponseData", "imageResponseCount", "comicPromotion", "fanboxPromotion"),
        *("contestBanners", "bookmarkData", "zoneConfig", "extraData"),
    }
    assert kept["newField"] == {"a": [1]}
    assert all(kept[name] == value for name, value in work().items() if name in kept)
    assert b"example.net" not in orjson.dumps(kept)


def test_a_twin_stands_in_for_a_missing_name() -> None:
    """Should the site drop one of two equal fields, the other is kept under the usual name."""
    body = work()
    del body["title"]
    said = answer(200, reply(body), b"")
    assert isinstance(said, Description)
    assert said.metadata["title"] == "A title"
    assert "illustTitle" not in said.metadata


def test_a_work_is_typed() -> None:
    """Every field that filters, export and review read has its value."""
    series = {"seriesType": "manga", "seriesId": "10539", "title": "S", "order": 3, "prev": None}
    assert work_of(metadata(seriesNavData=series)) == Work(
        id=ID,
        title="A title",
        description=work()["description"],
        kind="illust",
        created="2024-05-05T22:08:00+00:00",
        uploaded="2024-05-05T22:08:00+00:00",
        sanity=2,
        ai_type=1,
        width=1200,
        height=900,
        bookmarks=12,
        likes=11,
        views=400,
        comments=3,
        tags=(Tag("花", "flower"), Tag("R-18")),
        user_id=77,
        user_name="n",
        series_id=10539,
        series_title="S",
        series_order=3,
    )


VARIANTS: list[dict[str, Any]] = [
    {"bookStyle": 0},
    {"bookStyle": "0"},
    {"id": ID, "userId": 77},
    {"illustType": "1", "pageCount": "1"},
    {"tags": []},
    {"tags": {"authorId": "77", "isLocked": False, "tags": [], "writable": True}},
    {"tags": ["plain", "names"]},
    {
        "tags": {
            "tags": [{"tag": "t"}, {"tag": "t", "translation": []}, {"tag": 3}, None, {"translation": {"en": None}}]
        }
    },
    {"seriesNavData": {"seriesId": 10539, "order": "1"}},
    {"seriesNavData": []},
    {"titleCaptionTranslation": {"workTitle": "x", "workCaption": None}},
    {"pollData": {"total": 3}, "request": {"requestId": "1"}, "contestData": {"a": 1}, "bookmarkData": {"id": "1"}},
    {"descriptionYoutubeId": "abc", "descriptionBoothId": 4, "reuploadDate": "2024-01-01T00:00:00+00:00"},
    {"noLoginData": {"breadcrumbs": {}}, "storableTags": ["x"]},
    {"width": None, "height": "900"},
    {"title": None, "description": 5, "createDate": None, "bookmarkCount": -1, "aiType": None, "likeCount": 2.5},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_types_that_vary_are_read(changes: dict[str, Any]) -> None:
    """Ints as strings and strings as ints, [] for {}, null for anything: none hinders a work (pixiv.md 8.5)."""
    assert work_of(metadata(**changes)).id == ID


@pytest.mark.parametrize("name", sorted(set(work()) - {"id", "illustType", "pageCount", "urls"}))
def test_any_other_field_may_be_missing(name: str) -> None:
    """Whatever else the site leaves out (older works lack a dozen fields), the work is read."""
    body = work()
    del body[name]
    said = answer(200, reply(body), b"")
    assert isinstance(said, Description)
    assert work_of(said.metadata).id == ID


@pytest.mark.parametrize("name", ["id", "illustType", "pageCount"])
def test_three_fields_are_required(name: str) -> None:
    """Without them it is no work, and the error names the field."""
    with pytest.raises(ValueError, match=name):
        work_of({k: v for k, v in metadata().items() if k != name})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
STATUSES = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 410, 429, 500, 502, 503, 520])


def mutate(value: Any, data: st.DataObject) -> Any:
    """The value with one thing in it, at any depth, replaced, dropped or added."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 3)):
        name = data.draw(st.sampled_from(sorted(value)))
        if not data.draw(st.integers(0, 4)):
            del value[name]
        else:
            value[name] = mutate(value[name], data)
        return value
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        at = data.draw(st.integers(0, len(value) - 1))
        value[at] = mutate(value[at], data)
        return value
    return data.draw(VALUES)


@given(st.data(), STATUSES)
@settings(deadline=None, max_examples=500)
def test_mutated_replies_never_raise(data: st.DataObject, status: int) -> None:
    """A real-shaped reply with anything in it replaced gets an answer; a description is typed, loggable, of pixiv."""
    changes = data.draw(st.sampled_from([{}, {"pageCount": 2}, {"illustType": 2}]))
    whole = {"error": False, "message": "", "body": work(**copy.deepcopy(changes))}
    then: dict[str, Any] = {
        "error": False,
        "message": "",
        "body": ugoira() if changes.get("illustType") else [page(0)] * 2,
    }
    for _ in range(data.draw(st.integers(0, 2))):
        whole = mutate(copy.deepcopy(whole), data)
        then = mutate(copy.deepcopy(then), data)
    said = answer(status, json.dumps(whole).encode(), json.dumps(then).encode())
    if isinstance(said, Description):
        assert status == 200
        assert work_of(said.metadata).id == ID
        assert orjson.loads(orjson.dumps(said.metadata)) == said.metadata
        assert said.images
        for image in said.images:
            assert image.url.split("/")[2].endswith((".pximg.net", ".pixiv.net"))


@given(STATUSES, st.binary(max_size=200) | VALUES.map(lambda v: json.dumps(v).encode()))
@settings(deadline=None, max_examples=300)
def test_other_replies_never_raise(status: int, body: bytes) -> None:
    """Random bytes and random JSON get an answer, and it is never a description."""
    assert not isinstance(answer(status, body, body), Description)
    assert not isinstance(answer(200, reply(work(pageCount=2)), body), Description)
    assert not isinstance(answer(200, reply(work(illustType=2)), body), Description)


@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(sorted(work())), VALUES, max_size=8))
@settings(deadline=None, max_examples=300)
def test_typing_says_value_error_or_gives_a_work(raw: dict[str, Any]) -> None:
    """`work_of` of any object is a work, or a ValueError."""
    try:
        assert isinstance(work_of(raw), Work)
    except ValueError:
        return


def capture(name: str) -> bytes:
    path = CAPTURES / name
    if not path.is_file():
        pytest.skip("real replies lie beside the project only on the project's own machines")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "id", "kind", "pages", "x_restrict"),
    [
        ("test-image-info-32039274.json", 32039274, "illust", 1, 0),
        ("test-image-manga-28820443.json", 28820443, "manga", 2, 1),
        ("test-image-ugoira-46281014.json", 46281014, "ugoira", 1, 0),
        ("test-image-no_tags-9175987.json", 9175987, "illust", 1, 0),
    ],
)
def test_real_works(name: str, id: int, kind: str, pages: int, x_restrict: int) -> None:
    """Real replies are described, small once their noise is gone, and filtered as they should be."""
    then = reply(ugoira() if kind == "ugoira" else [page(n) for n in range(pages)])
    said = answer(200, capture(name), then, id)
    assert isinstance(said, Description)
    assert len(said.images) == pages
    assert len(orjson.dumps(said.metadata)) < 5000
    typed = work_of(said.metadata)
    assert (typed.id, typed.kind, typed.page_count, typed.x_restrict) == (id, kind, pages, x_restrict)
    assert typed.user_id
    assert bool(typed.tags) == ("no_tags" not in name)
    assert refusal(typed, FilterSettings()) == ("max_x_restrict" if x_restrict else "")


def test_real_refusals() -> None:
    """Real replies about works that cannot be had."""
    assert answer(404, capture("test-image-error-123.json"), b"") == Absent("not_found")
    assert answer(200, capture("test-image-nologin-67089412.json"), b"", 67089412) == Absent("restricted")
    refused = answer(401, capture("ajax-error.json"), b"")
    assert isinstance(refused, Failure)
    assert refused.kind == "session_refused"


def test_a_hidden_work_is_hidden_whatever_else_it_is() -> None:
    """All URLs null is `restricted` for every kind of work."""
    for kind in (0, 1, 2, 9):
        assert answer(200, reply(work(urls=NO_URLS, illustType=kind)), b"") == Absent("restricted")
