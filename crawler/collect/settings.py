"""[collect]: which lists are read into ids, and how."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from crawler.section import Section


class CollectSettings(Section):
    """For `crawler collect`: from tags, users, bookmarks or links to a list of ids."""

    kind: Literal["tags", "users", "bookmarks", "links"] = Field(
        default="tags", description="tags | users (all works) | bookmarks (of users) | links (in descriptions of works)"
    )
    path: str | tuple[str, ...] = Field(
        default="", description="a file, or a list of files: a tag, or the number of a user or a work, on each line"
    )
    tags: tuple[str, ...] = Field(
        default=(), description="tags (or users, works) named here, besides or without a file"
    )
    match: Literal["exact", "partial"] = Field(default="exact", description="exact | partial match of a tag")
    cap_pages: int = Field(default=1000, ge=1, le=100_000, description="how many pages of one search the site serves")
    empty_wait_s: float = Field(
        default=200,
        ge=0,
        le=86_400,
        description="an empty first page is asked again after this long, once, before it is believed",
    )
    since: str = Field(default="", description='first day, YYYY-MM-DD in Japan; "" = no bound')
    until: str = Field(default="", description='last day, YYYY-MM-DD in Japan; "" = the day a list is begun')
    lists: int = Field(
        default=4, ge=1, le=1000, description="lists read at the same time; one that waits is not counted"
    )
    out: str = Field(default="collected", description="folder of ids.txt and log.jsonl")

    @field_validator("since", "until")
    @classmethod
    def _day(cls, value: str) -> str:
        if value and (len(value) != 10 or not _is_day(value)):
            raise ValueError('a day as YYYY-MM-DD, or "" for no bound')
        return value


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
