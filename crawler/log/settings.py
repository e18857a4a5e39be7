"""[log]: how often lines are made durable."""

from __future__ import annotations

from pydantic import Field

from crawler.section import Section


class LogSettings(Section):
    """How often lines are made durable."""

    commit_ms: int = Field(default=200, ge=1, le=60_000, description="milliseconds between commits (one fsync each)")
