"""[site]: which site, which rendition, which session."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from crawler.section import Section


class SiteSettings(Section):
    """Which site, which rendition, which session."""

    name: Literal["pixiv", "urls"] = Field(
        default="pixiv", description="pixiv | urls (a plain list of image URLs, any host)"
    )
    quality: Literal["original", "regular", "small", "thumb"] = Field(
        default="original", description="rendition to fetch"
    )
    fallback: bool = Field(default=True, description="original broken for good: take `regular`, recorded as such")
    session_file: str = Field(default="", description="file holding the value of PHPSESSID, mode 0600")
    session: SecretStr = Field(default=SecretStr(""), description="only from the environment: CRAWLER_SITE__SESSION")
