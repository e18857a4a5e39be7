"""Decides from a work's metadata whether its images are wanted ([filter] of the config)."""

from __future__ import annotations

from typing import Protocol

from crawler.model import Tag
from crawler.rules.settings import FilterSettings

MADE_BY_AI = 2
"""The site's `aiType` of a work that is; 0 is unknown, 1 is not (pixiv.md 2)."""


class Traits(Protocol):
    """What a filter looks at: of a Work, or of metadata that nobody has typed yet."""

    @property
    def kind(self) -> str: ...
    @property
    def page_count(self) -> int: ...
    @property
    def x_restrict(self) -> int: ...
    @property
    def ai_type(self) -> int: ...
    @property
    def bookmarks(self) -> int: ...
    @property
    def tags(self) -> tuple[Tag, ...]: ...


def refusal(work: Traits, settings: FilterSettings) -> str:
    """The name of the first rule that refuses the work, "" when all let it pass.

    Tags are compared whole and regardless of case, by the names the artists gave, not by their translations. A work of
    unknown making counts as not made by AI.
    """
    if work.x_restrict > settings.max_x_restrict:
        return "max_x_restrict"
    if work.kind not in settings.kinds:
        return "kinds"
    if settings.ai != "any" and (work.ai_type == MADE_BY_AI) is (settings.ai == "exclude"):
        return "ai"
    if settings.min_bookmarks > 0 and work.bookmarks < settings.min_bookmarks:
        return "min_bookmarks"
    if 0 < settings.max_pages < work.page_count:
        return "max_pages"
    if settings.tags_any or settings.tags_none:
        tags = {tag.name.casefold() for tag in work.tags}
        if settings.tags_any and tags.isdisjoint(tag.casefold() for tag in settings.tags_any):
            return "tags_any"
        if not tags.isdisjoint(tag.casefold() for tag in settings.tags_none):
            return "tags_none"
    return ""
