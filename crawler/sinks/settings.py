"""[output]: where bytes go."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from crawler.section import Section
from crawler.store.address import is_address, tidy, work_folder


class OutputSettings(Section):
    """Where bytes go."""

    dir: str = Field(
        default="data", description="folder of images, log and status; or s3://bucket/prefix, gs://, az://"
    )
    durability: Literal["fsync", "none"] = Field(
        default="fsync", description="fsync: a stored line survives a power cut | none"
    )
    reserve_mb: int = Field(
        default=256, ge=0, description="with less room than this: admit no more work, drain, exit 7"
    )
    work_dir: str = Field(
        default="", description='object stores: folder of the log while a run is on; "" = .crawl/<bucket>-<digest>'
    )
    publish_s: float = Field(
        default=15, gt=0, le=3600, description="object stores: at most this much work is lost with the machine"
    )

    @property
    def remote(self) -> str:
        """The object store's address; "" when the data set lies in a folder."""
        return tidy(self.dir) if is_address(self.dir) else ""

    @property
    def home(self) -> Path:
        """The local folder of log and status: `dir` itself or, for an object store, the work folder."""
        return Path((self.work_dir or work_folder(self.dir)) if self.remote else self.dir)
