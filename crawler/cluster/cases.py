"""What a coordinator remembers of a shard and of a worker's question. Plain values; the coordinator decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from crawler.cluster.protocol import Shard

Stage = Literal["waiting", "granting", "leased", "committed", "parking", "parked"]


@dataclass(slots=True)
class Case:
    """What is known of a shard. `epoch`: of its last lease, which has come to no end while it is `open`; by `worker`
    ("": not known, of an earlier coordinator), `until` then."""

    id: str
    shard: Shard | None = None
    stage: Stage = "waiting"
    epoch: int = 0
    open: bool = False
    failures: int = 0
    reason: str = ""
    worker: str = ""
    until: float = 0.0

    def held_by(self, worker: str, epoch: int) -> bool:
        """Whether this lease is, or may again become, the one that holds."""
        holds = self.open and self.stage in ("leased", "waiting")
        return holds and self.epoch == epoch and self.worker in ("", worker)


@dataclass(slots=True)
class Asked:
    """A worker's last asking for a lease: its number, what it was given, and who answers it now."""

    number: int = 0
    given: tuple[str, int] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
