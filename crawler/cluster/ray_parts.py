"""The parts that actors wrap, made from settings."""

from __future__ import annotations

import time
from collections.abc import Mapping

from crawler.cluster.budget import Budget
from crawler.cluster.commits import ROOT, Ledger
from crawler.cluster.coordinator import LedgerCoordinator
from crawler.cluster.shelf import FolderShelf, ObjectShelf, Shelf
from crawler.engine.doors import lanes_of
from crawler.events import Throttled
from crawler.settings import Settings

ROOM = 8192
"""Shards that are not merged yet. A driver offers four for each worker: this is for two thousand."""


async def coordinator(settings: Settings, *, again: bool) -> LedgerCoordinator:
    """The coordinator of this output. `again`: it died in this cluster's life. Raises StorageFailed."""
    output = settings.output
    if output.remote:
        from crawler.store.objects import Objects  # with a library of an extra

        shelf: Shelf = ObjectShelf(Objects.at(output.remote), ROOT)
    else:
        shelf = FolderShelf(output.home / ROOT)
    made = LedgerCoordinator(Ledger(shelf), room=ROOM)
    if again:
        await made.resume()
    return made


def budget(settings: Settings, known: Mapping[str, Throttled], *, again: bool) -> Budget:
    """The one budget of each host. `again`: there was one before in this cluster, whose turns may still be about."""
    return Budget(lanes_of(settings.limits), settings.retry, known, now=time.monotonic, fresh=not again)
