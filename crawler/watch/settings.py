"""[ui]: what is shown while a run is on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crawler.section import Section


class UiSettings(Section):
    """What is shown while a run is on."""

    progress: Literal["auto", "rich", "plain", "json", "none"] = Field(
        default="auto", description="auto | rich | plain | json | none"
    )
    page_port: int = Field(default=0, ge=0, le=65535, description="live page and /metrics; 0 = off")
    page_host: str = Field(
        default="127.0.0.1", min_length=1, description="address the page listens on; other than loopback: with a token"
    )
