"""A frozen picture of a run, and what two of them tell: rates and time left. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crawler.fetch.exchange import HostState


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line on the screen: UTC seconds, event name, id as text, words. Strings may come from the site."""

    t: float
    event: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `t` UTC seconds; `elapsed_s` of this run. Works: listed = done + gone + failed + pending.

    `images`, `bytes`: stored, over all runs; `new_images`, `new_bytes`: by this run; `expected_images`: of the works
    described so far. `reasons` counts gone and failed by reason. `phase`: counting, replaying, crawling, draining, done.
    """

    t: float
    elapsed_s: float
    phase: str
    listed: int
    done: int
    gone: int
    failed: int
    pending: int
    in_flight: int
    images: int
    bytes: int
    new_images: int
    new_bytes: int
    new_works: int
    expected_images: int
    failed_images: int
    requests: int
    retries: int
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    hosts: tuple[HostState, ...] = ()
    notes: tuple[Note, ...] = ()
    directory: str = ""
    stopping: str = ""


def status_fields(now: Snapshot) -> dict[str, Any]:
    """What status.json and `status --json` hold in common (design.md 1.1): plain values, JSON-ready."""
    return {
        "listed": now.listed,
        "done": now.done,
        "gone": now.gone,
        "failed": now.failed,
        "pending": now.pending,
        "images": now.images,
        "bytes": now.bytes,
        "reasons": dict(now.reasons),
        "hosts": {
            h.host: {
                "lane": h.lane,
                "rate": h.rate,
                "budget": h.budget,
                "blocked_s": round(h.blocked_s, 1),
                "in_flight": h.in_flight,
                "requests": h.requests,
                "bytes": h.bytes,
                "refused": h.refused,
            }
            for h in now.hosts
        },
    }
