"""[network] and the budgets of [limits]: how hosts are spoken to."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_serializer, field_validator

from crawler.rules.addresses import endpoint, networks
from crawler.rules.budget import Budget
from crawler.section import Section

HIDDEN = "***"
"""Stands where a secret was."""


def without_password(proxy: str) -> str:
    """The address of a proxy, to be shown or written down: without what its user is called and knows."""
    before, at, host = proxy.rpartition("@")
    scheme, bar, _ = before.partition("://")
    return f"{scheme if bar else ''}{bar}{HIDDEN}@{host}" if at else proxy


class HostLimits(Section):
    """The budget of each host of a lane."""

    rate: float = Field(default=0.6, ge=0, le=100_000, description="requests a second to each host; 0 = no limit")
    burst: int = Field(default=1, ge=1, le=10_000, description="requests that may go at once after a pause")
    connections: int = Field(default=2, ge=1, le=1000, description="connections to each host")
    adaptive: bool = Field(
        default=True, description="slow down on 429/503/timeouts, find the way back up to `rate`, never above"
    )


class DailyLimits(Section):
    """Budgets of each host over a rolling 24 h, remembered across restarts; 0 = none."""

    requests: int = Field(default=0, ge=0, description="requests to each host in any 24 h; 0 = no limit")
    gb: float = Field(default=0, ge=0, description="gigabytes from each host in any 24 h; 0 = no limit")

    @property
    def budget(self) -> Budget:
        """The same in requests and bytes; however little is allowed, it is a limit."""
        return Budget(self.requests, math.ceil(self.gb * 1e9))


class NetworkSettings(Section):
    """How hosts are reached."""

    connect_s: float = Field(default=10, gt=0, le=600, description="seconds to connect, TLS included")
    idle_s: float = Field(default=30, gt=0, le=3600, description="seconds without a byte")
    min_kb_s: float = Field(default=1, ge=0, description="slower than this over 30 s is a stall")
    max_body_mb: float = Field(default=256, gt=0, description="largest body taken")
    max_redirects: int = Field(default=5, ge=0, le=20, description="redirects followed for one request")
    proxy: str = Field(
        default="", repr=False, description="http://host:port; empty = none (environment variables are not read)"
    )
    transport: Literal["auto", "aiohttp"] = Field(
        default="auto", description="auto: libcurl where it can, at a third of the CPU | aiohttp for everything"
    )
    user_agent: str = Field(default="", description="default: Mozilla/5.0 (compatible; crawler/VERSION)")
    robots: Literal["obey", "ignore"] = Field(default="obey", description="obey | ignore robots.txt of each host")
    ca_file: str = Field(default="", description="trust this CA in addition")
    resolve: dict[str, str] = Field(
        default_factory=dict, description='"host" = "ip:port": connect there, TLS name and Host unchanged'
    )
    allow_private: tuple[str, ...] = Field(default=(), description="private networks that may be reached, as CIDR")

    @field_serializer("proxy")
    def _told(self, value: str) -> str:
        return without_password(value)

    @field_validator("resolve")
    @classmethod
    def _endpoints(cls, value: dict[str, str]) -> dict[str, str]:
        for text in value.values():
            endpoint(text)
        return value

    @field_validator("allow_private")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks(value)
        return value

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, value: str) -> str:
        if value and not value.startswith("http://"):
            raise ValueError("a proxy is given as http://host:port")
        return value
