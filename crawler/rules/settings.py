"""[filter] and [retry]: numbers that pure decisions are made with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crawler.section import Section


class FilterSettings(Section):
    """Applied to metadata, before any image is asked for; a filtered work is an outcome with the rule's name."""

    max_x_restrict: int = Field(default=0, ge=0, le=2, description="0 all-ages only, 1 +R-18, 2 +R-18G")
    ai: Literal["any", "exclude", "only"] = Field(
        default="any", description="any | exclude | only works marked as AI-generated"
    )
    min_bookmarks: int = Field(default=0, ge=0, description="least number of bookmarks")
    max_pages: int = Field(default=0, ge=0, description="most pages of a work; 0 = no limit")
    kinds: tuple[Literal["illust", "manga", "ugoira"], ...] = Field(
        default=("illust", "manga", "ugoira"), description="kinds of work to take; ugoira: the zip of its frames"
    )
    tags_any: tuple[str, ...] = Field(default=(), description="take only works with one of these tags")
    tags_none: tuple[str, ...] = Field(default=(), description="leave out works with one of these tags")


class RetrySettings(Section):
    """How often, and how patiently, a request is repeated."""

    attempts: int = Field(default=5, ge=1, le=1000, description="tries before giving up for now")
    base_s: float = Field(
        default=1, gt=0, le=3600, description="first pause, in seconds; doubles each time, with jitter"
    )
    cap_s: float = Field(default=120, gt=0, le=86400, description="longest pause, in seconds")
