"""Laws of reading the site's envelope: what is skipped for speed changes nothing of the rest."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pixiv_replies import work

from crawler.sites.pixiv_reply import body_of

texts = st.text(st.sampled_from('a1{}[]":,\\\u3042'), max_size=6)
leaves = st.none() | st.booleans() | st.integers(0, 9) | texts
values = st.recursive(leaves, lambda of: st.lists(of, max_size=3) | st.dictionaries(texts, of, max_size=3))
names = st.dictionaries(st.integers(1, 10**8).map(str), st.none(), min_size=90, max_size=90)
neighbours = st.lists(values | names.map(dict), max_size=3)
"""Runs of names, and works with values among them."""


def together(parts: list[Any]) -> Any:
    """One object of many, each part that is none under a name of its own."""
    out: dict[str, Any] = {}
    for number, part in enumerate(parts):
        out |= part if isinstance(part, dict) else {f"{number}": part}
    return out


@settings(deadline=None, max_examples=150)
@given(neighbours.map(together) | values, values, values, st.booleans(), st.booleans())
@example(dict.fromkeys(map(str, range(10**7, 10**7 + 99))), None, None, True, False)
def test_what_is_told_of_neighbours_changes_nothing_else(
    theirs: Any, before: Any, after: Any, tight: bool, inside: bool
) -> None:
    """Whatever the artist's other works are said to be, and wherever: all else is read as it was sent."""
    body = {"first": before, "userIllusts": theirs, "likeData": False, "last": after}
    if inside:
        body = {"first": body, "userIllusts": theirs, "more": after, "likeData": body}
    sent = json.dumps({"error": False, "body": body}, ensure_ascii=False, separators=(",", ":") if tight else None)
    read = cast(Any, body_of(200, "application/json", sent.encode(), session=False))
    assert {**read, "userIllusts": 0} == {**body, "userIllusts": 0}


def test_names_of_neighbours_are_skipped() -> None:
    """Of an artist with many works the names are gone before anybody asks for them."""
    many = dict.fromkeys(map(str, range(10**7, 10**7 + 400)))
    shown = {"5": {"title": "}{", "titleCaptionTranslation": {"workTitle": None}}}
    for theirs in (
        many,
        shown | many,
        many | shown,
        many | shown | {"7": None},
        dict(list(many.items())[:200]) | shown | many,
    ):
        body = work(userIllusts=theirs)
        read = cast(Any, body_of(200, "", json.dumps({"error": False, "body": body}).encode(), session=False))
        assert "userIllusts" not in read
        assert read == {name: value for name, value in body.items() if name != "userIllusts"}
