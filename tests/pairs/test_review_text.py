"""Descriptions on the review page: words only, with what names the other work marked."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.origin.dice import Dice
from crawler.origin.families import link
from crawler.pairs.text import MOST, pieces

OTHER = 120_000_123


def test_every_form_of_a_link_is_marked() -> None:
    """In each form that the stand-in's authors use, the link to the other work is marked and nothing else is."""
    for n in range(300):
        html = f"素敵な線画 {link(Dice(1, n), OTHER)} を、前 {link(Dice(2, n), OTHER + 7)}"
        found = pieces(html, OTHER)
        marked = [text for text, named in found if named]
        assert len(marked) == 1, (html, found)
        assert str(OTHER + 7) not in marked[0]
        assert found[0] == ("素敵な線画 ", False)


def test_markup_is_gone() -> None:
    """Scripts, tags and entities: what is left is text; line breaks stay."""
    html = 'a<br />b<script>hit()</script><img src=x onerror=hit()>&lt;b&gt;<a href="javascript:hit()">c</a>\u202e\x00'
    text = "".join(text for text, _ in pieces(html, OTHER))
    assert text == "a\nb<b>c\\u202e�" or text.startswith("a\nb<b>c\\u202e")
    assert "hit" not in text


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400) | st.text("<>/a&;= \"'x12", max_size=200))
def test_whatever_comes_it_is_text_of_bounded_length(html: str) -> None:
    """No input raises, no control character comes through but the newline."""
    found = pieces(html * 30, OTHER)
    text = "".join(text for text, _ in found)
    assert len(text) <= 12 * MOST
    assert all(c == "\n" or c.isprintable() or c == "\u3000" for c in text)
