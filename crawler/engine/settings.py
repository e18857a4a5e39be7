"""[limits] and [cluster]: how much is done at once and by how many, and how fast each host is asked."""

from __future__ import annotations

from pydantic import Field

from crawler.fetch.settings import DailyLimits, HostLimits
from crawler.section import Section


class ApiLimits(HostLimits):
    """Metadata host(s); each host has its own limiter, with these numbers."""


class ImageLimits(HostLimits):
    """Image hosts; each host has its own limiter, with these numbers. Site `urls` uses these."""

    rate: float = Field(default=1, ge=0, le=100_000, description="requests a second to each host; 0 = no limit")
    burst: int = Field(default=2, ge=1, le=10_000, description="requests that may go at once after a pause")
    connections: int = Field(default=6, ge=1, le=1000, description="connections to each host")


class LimitsSettings(Section):
    """How much is done at once."""

    works: int = Field(
        default=32,
        ge=1,
        le=100_000,
        description="works in flight: the bounded worker pool; of a cluster, all its workers together",
    )
    memory_mb: float = Field(
        default=256,
        ge=0,
        description="megabytes of bodies held at once, over all hosts; 0 = no bound. Of a cluster, on each machine",
    )
    drain_s: float = Field(
        default=30, ge=0, description="seconds that what is in flight may take after the first Ctrl-C"
    )
    api: ApiLimits = ApiLimits()
    images: ImageLimits = ImageLimits()
    daily: DailyLimits = DailyLimits()


class ClusterSettings(Section):
    """More than one process, on this machine or many: with Ray (extra `ray`). The limits hold for all together."""

    workers: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="processes that fetch; more than 1: Ray is started for the run, or joined with --ray ADDRESS",
    )
