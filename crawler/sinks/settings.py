"""[output]: where bytes go."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crawler.model import Section


class OutputSettings(Section):
    """Where bytes go."""

    dir: str = Field(default="data", description="folder of images, log and status")
    durability: Literal["fsync", "none"] = Field(
        default="fsync", description="fsync: a stored line survives a power cut | none"
    )
    reserve_mb: int = Field(
        default=256, ge=0, description="with less room than this: admit no more work, drain, exit 7"
    )
