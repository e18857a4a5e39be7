"""Links in descriptions, one row a form (pixiv.md 2.2)."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.sources.links import linked_works, read_links

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"


def jump(target: str, text: str = "x", lead: str = "") -> str:
    return f'<a href="/jump.php?{lead}{quote(target, safe="")}" target="_blank">{text}</a>'


FORMS: tuple[tuple[str, list[tuple[str, int, str]]], ...] = (
    # what the site makes of a link
    ('<strong><a href="https://www.pixiv.net/artworks/12">illust/12</a></strong>', [("work", 12, "link artworks")]),
    ('<strong><a href="https://www.pixiv.net/en/artworks/12">illust/12</a></strong>', [("work", 12, "link artworks")]),
    ('<a href="/artworks/12">illust/12</a>', [("work", 12, "link artworks")]),
    ("<a href='https://www.pixiv.net/artworks/12'>illust/12</a>", [("work", 12, "link artworks")]),
    ("<A HREF=https://www.pixiv.net/artworks/12>illust/12</A>", [("work", 12, "link artworks")]),
    (
        '<a href="http://www.pixiv.net/member_illust.php?mode=medium&amp;illust_id=12">illust/12</a>',
        [("work", 12, "link member_illust")],
    ),
    ('<a target="_blank" href="https://www.pixiv.net/i/12">線画</a>', [("work", 12, "link i")]),
    # jump.php, with the address in every historic form
    (jump("http://www.pixiv.net/member_illust.php?mode=medium&illust_id=12"), [("work", 12, "jump member_illust")]),
    (jump("http://www.pixiv.net/member_illust.php?mode=big&illust_id=12"), [("work", 12, "jump member_illust")]),
    (jump("http://www.pixiv.net/member_illust.php?mode=manga&illust_id=12"), [("work", 12, "jump member_illust")]),
    (
        jump("http://www.pixiv.net/member_illust.php?mode=manga_big&illust_id=12&page=3"),
        [("work", 12, "jump member_illust")],
    ),
    (jump("http://www.pixiv.net/member_illust.php?illust_id=12&mode=medium"), [("work", 12, "jump member_illust")]),
    (jump("http://touch.pixiv.net/member_illust.php?mode=medium&illust_id=12"), [("work", 12, "jump member_illust")]),
    (jump("https://www.pixiv.net/artworks/12", lead="url="), [("work", 12, "jump artworks")]),
    (jump("http://www.pixiv.net/i/12"), [("work", 12, "jump i")]),
    (jump("http://i2.pixiv.net/img34/img/somebody/12.jpg"), [("work", 12, "jump image")]),
    (
        '<a href="https://www.pixiv.net/jump.php?http%3A%2F%2Fwww.pixiv.net%2Fartworks%2F12">x</a>',
        [("work", 12, "jump artworks")],
    ),
    (jump("http://blog.example/12"), []),
    (jump("http://blog.example/", "http://blog.example/…"), []),
    (jump("http://blog.example/a", "illust/12"), [("work", 12, "text illust")]),
    # addresses pasted as text
    ("http://www.pixiv.net/member_illust.php?mode=medium&amp;illust_id=12", [("work", 12, "text member_illust")]),
    ("http://www.pixiv.net/member_illust.php?illust_id=12&amp;mode=big の", [("work", 12, "text member_illust")]),
    ("線画→http://www.pixiv.net/member_illust.php?mode=medium&illust_id=12。", [("work", 12, "text member_illust")]),
    ("www.pixiv.net/member_illust.php?illust_id=12&amp;mode=medium", [("work", 12, "text member_illust")]),
    ("http://touch.pixiv.net/member_illust.php?mode=medium&amp;illust_id=12", [("work", 12, "text member_illust")]),
    ("member_illust.php?mode=medium&amp;illust_id=12", [("work", 12, "text member_illust")]),
    ("illust_id=12", [("work", 12, "text member_illust")]),
    ("https://www.pixiv.net/artworks/12を塗りました", [("work", 12, "text artworks")]),
    ("https://www.pixiv.net/en/artworks/12.", [("work", 12, "text artworks")]),
    ("(https://www.pixiv.net/artworks/12)", [("work", 12, "text artworks")]),
    ("https://www.pixiv.net/artworks/12/", [("work", 12, "text artworks")]),
    ("https://www.pixiv.net/artworks/12#big_3", [("work", 12, "text artworks")]),
    ("pixiv.net/artworks/12", [("work", 12, "text artworks")]),
    ("ttp://www.pixiv.net/i/12", [("work", 12, "text i")]),
    ("ttps://www.pixiv.net/artworks/12", [("work", 12, "text artworks")]),
    ("//www.pixiv.net/i/12", [("work", 12, "text i")]),
    ("http://www.pixiv.net/i/12", [("work", 12, "text i")]),
    ("/i/12", [("work", 12, "text i")]),
    ("/artworks/12", [("work", 12, "text artworks")]),
    ("/en/artworks/12", [("work", 12, "text artworks")]),
    ("artworks/12", [("work", 12, "text artworks")]),
    ("pixiv://illusts/12", [("work", 12, "text illust")]),
    ("https://i.pximg.net/img-original/img/2013/01/02/03/04/05/12_p0.png", [("work", 12, "text image")]),
    ("https://www.pixiv.net/jump.php?http%3A%2F%2Fwww.pixiv.net%2Fi%2F12", [("work", 12, "text other")]),
    # names
    ("illust/12", [("work", 12, "text illust")]),
    ("Illust/12", [("work", 12, "text illust")]),
    ("illusts/12", [("work", 12, "text illust")]),
    ("線画:illust/12です", [("work", 12, "text illust")]),
    ("pixiv #12", [("work", 12, "text pixiv #")]),
    ("pixiv#12", [("work", 12, "text pixiv #")]),
    # full-width characters
    ("illust/１２", [("work", 12, "text illust")]),
    ("ｉｌｌｕｓｔ／１２", [("work", 12, "text illust")]),
    ("ｐｉｘｉｖ　＃１２", [("work", 12, "text pixiv #")]),
    ("ｈｔｔｐ：／／ｗｗｗ．ｐｉｘｉｖ．ｎｅｔ／ｉ／１２", [("work", 12, "text i")]),
    ("illust/12（線画）", [("work", 12, "text illust")]),
    # users
    ('<strong><a href="https://www.pixiv.net/en/users/9">user/9</a></strong>', [("user", 9, "link users")]),
    ('<a href="https://www.pixiv.net/users/9">user/9</a>', [("user", 9, "link users")]),
    (jump("http://www.pixiv.net/member.php?id=9"), [("user", 9, "jump member")]),
    ("http://www.pixiv.net/member.php?id=9", [("user", 9, "text member")]),
    ("http://www.pixiv.net/member_illust.php?id=9", [("user", 9, "text member_illust")]),
    (f"http://www.pixiv.net/member.php?id={'0' * 17}1{'9' * 5000}", []),
    ("pixiv.net/users/9", [("user", 9, "text users")]),
    ("https://www.pixiv.net/users/9/artworks", [("user", 9, "text users")]),
    ("user/9", [("user", 9, "text users")]),
    # neither
    ("https://www.pixiv.net/artworks/unlisted/aBcDeFgHiJkLmNoPqRsT", []),
    ('<a href="https://www.pixiv.net/novel/show.php?id=12">novel/12</a>', []),
    ("novel/12", []),
    ('<a href="https://twitter.com/nobody" target="_blank">twitter/nobody</a>', []),
    ("https://www.pixiv.net/tags/%E7%B7%9A%E7%94%BB/artworks", []),
    ("https://www.pixiv.net/user/9/series/12", [("user", 9, "text users")]),
    ("https://dic.pixiv.net/a/illust", []),
    ("https://blog.example/illust/12", []),
    ("http://blog.example/i/12 http://notpixiv.net/i/12", []),
    ("illust/0", []),
    ("illust/12345678901234567890", []),
    ("12345678", []),
    ("&lt;33333", []),
    ('<a href="https://www.pixiv.net/artworks/12', [("work", 12, "text artworks")]),
    ("", []),
)


@pytest.mark.parametrize(("html", "links"), FORMS, ids=[html[:60] for html, _ in FORMS])
def test_forms(html: str, links: list[tuple[str, int, str]]) -> None:
    """Each form is read as what it is, wherever in a description it stands."""
    for before, after in (("", ""), ("素敵な線画 ", " を<br />塗らせていただきました。"), ("<b>a</b><br />", "<br />")):
        found = read_links(before + html + after)
        assert [(link.kind, link.id, link.form) for link in found.links] == links
        for link in found.links:
            assert found.text[link.start : link.end] == link.text


def test_order_and_words() -> None:
    """Links come in the order of the text; the words around one are those that people see."""
    found = read_links(
        '線画&gt;<a href="https://www.pixiv.net/artworks/2">illust/2</a><br />前作 illust/1&#44; illust/2'
    )
    assert [link.id for link in found.links] == [2, 1, 2]
    assert found.text == "線画>illust/2\n前作 illust/1, illust/2"
    assert found.words(found.links[0]) == "線画>illust/2 前作 illust/1, illust/2"
    assert found.around(found.links[1]) == ("線画>illust/2\n前作 ", ", illust/2")


CAPTURED = {
    "test-image-info-32039274.json": [],
    "test-image-manga-28820443.json": [28450052, 23781097, 15157669],
    "test-image-nologin-67089412.json": [],
    "test-image-no_tags-9175987.json": [],
}


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not here")
@pytest.mark.parametrize(("file", "ids"), CAPTURED.items(), ids=list(CAPTURED))
def test_captures(file: str, ids: list[int]) -> None:
    """What the site itself answered with."""
    body = json.loads((CAPTURES / file).read_bytes())["body"]
    assert linked_works(body["description"]) == ids


def test_long_descriptions_take_no_time() -> None:
    """However a description is made, reading it takes time in proportion to its length."""
    for piece in (
        '<a "',
        "<a href='",
        "<a href=x",
        "pixiv.net/",
        "a.",
        "illust/",
        "&amp;",
        "<!--",
        "ｐ",
        "http:",
        FORMS[0][0],
    ):
        read_links(piece * 20_000)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([html for html, _ in FORMS]),
            st.text(max_size=12),
            st.sampled_from(["<", ">", '"', "'", "<a ", "</a>", "href=", "&", "&#", "http://[", "：", "\0"]),
        ),
        max_size=8,
    )
)
def test_any_description_is_read(parts: list[str]) -> None:
    """Whatever an author writes is no exception, and every link stands where it says it does."""
    found = read_links("".join(parts))
    for link in found.links:
        assert link.id > 0
        assert found.text[link.start : link.end] == link.text
