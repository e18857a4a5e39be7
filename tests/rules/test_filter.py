"""Laws of the filter: each rule refuses what it names and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Tag, Work
from crawler.rules.filter import refusal
from crawler.rules.settings import FilterSettings

WORK = Work(id=1, bookmarks=50, page_count=3, tags=(Tag(name="Cat"), Tag(name="風景", translation="scenery")))


def verdict(rules: dict[str, Any], **changes: Any) -> str:
    return refusal(replace(WORK, **changes), FilterSettings(**rules))


@pytest.mark.parametrize(
    ("rules", "changes", "rule"),
    [
        ({}, {}, ""),
        ({}, {"x_restrict": 1}, "max_x_restrict"),
        ({"max_x_restrict": 1}, {"x_restrict": 1}, ""),
        ({"max_x_restrict": 1}, {"x_restrict": 2}, "max_x_restrict"),
        ({"max_x_restrict": 2}, {"x_restrict": 2}, ""),
        ({"ai": "exclude"}, {"ai_type": 2}, "ai"),
        ({"ai": "exclude"}, {"ai_type": 1}, ""),
        ({"ai": "exclude"}, {"ai_type": 0}, ""),
        ({"ai": "only"}, {"ai_type": 2}, ""),
        ({"ai": "only"}, {"ai_type": 1}, "ai"),
        ({"ai": "only"}, {"ai_type": 0}, "ai"),
        ({"min_bookmarks": 50}, {}, ""),
        ({"min_bookmarks": 51}, {}, "min_bookmarks"),
        ({"min_bookmarks": 1}, {"bookmarks": 0}, "min_bookmarks"),
        ({"min_bookmarks": 1}, {"bookmarks": 1}, ""),
        ({"min_bookmarks": 0}, {"bookmarks": 0}, ""),
        ({"max_pages": 3}, {}, ""),
        ({"max_pages": 2}, {}, "max_pages"),
        ({"max_pages": 1}, {"page_count": 2}, "max_pages"),
        ({"max_pages": 1}, {"page_count": 1}, ""),
        ({"max_pages": 0}, {"page_count": 999}, ""),
        ({"kinds": ("manga", "ugoira")}, {}, "kinds"),
        ({"kinds": ("manga",)}, {"kind": "manga"}, ""),
        ({"kinds": ()}, {}, "kinds"),
        ({"tags_any": ("風景", "x")}, {}, ""),
        ({"tags_any": ("CAT",)}, {}, ""),
        ({"tags_any": ("scenery",)}, {}, "tags_any"),
        ({"tags_any": ("Ca",)}, {}, "tags_any"),
        ({"tags_any": ("x",)}, {"tags": ()}, "tags_any"),
        ({"tags_none": ("cat",)}, {}, "tags_none"),
        ({"tags_none": ("x",)}, {}, ""),
        ({"tags_none": ("x",)}, {"tags": ()}, ""),
        ({"tags_any": ("風景",), "tags_none": ("cat",)}, {}, "tags_none"),
    ],
)
def test_each_rule(rules: dict[str, Any], changes: dict[str, Any], rule: str) -> None:
    """At its bound, beyond it, and where the site does not say."""
    assert verdict(rules, **changes) == rule


RULES = st.fixed_dictionaries(
    {},
    optional={
        "max_x_restrict": st.integers(0, 2),
        "ai": st.sampled_from(["any", "exclude", "only"]),
        "min_bookmarks": st.integers(0, 100),
        "max_pages": st.integers(0, 5),
        "kinds": st.lists(st.sampled_from(["illust", "manga", "ugoira"]), unique=True).map(tuple),
        "tags_any": st.lists(st.sampled_from(["cat", "x"])).map(tuple),
        "tags_none": st.lists(st.sampled_from(["風景", "y"])).map(tuple),
    },
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "x_restrict": st.integers(0, 2),
        "ai_type": st.integers(0, 2),
        "bookmarks": st.integers(0, 100),
        "page_count": st.integers(1, 6),
        "kind": st.sampled_from(["illust", "manga", "ugoira"]),
    },
)


@given(RULES, CHANGES)
@settings(deadline=None, max_examples=200)
def test_the_rule_named_is_the_rule_that_refuses(rules: dict[str, Any], changes: dict[str, Any]) -> None:
    """The name is a key of [filter]; that rule alone refuses too, and a work that passes, passes each rule alone."""
    rule = verdict(rules, **changes)
    assert rule == "" or rule in FilterSettings.model_fields
    if rule:
        alone = {rule: rules[rule]} if rule in rules else {}
        assert verdict(alone | ({} if rule == "max_x_restrict" else {"max_x_restrict": 2}), **changes) == rule
    else:
        assert all(verdict({"max_x_restrict": 2} | {name: value}, **changes) == "" for name, value in rules.items())
