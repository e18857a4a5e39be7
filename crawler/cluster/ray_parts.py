"""The parts that actors wrap, made from settings."""

from __future__ import annotations

from crawler.cluster.commits import ROOT, Ledger
from crawler.cluster.coordinator import LedgerCoordinator
from crawler.cluster.protocol import RateBudget
from crawler.cluster.shelf import FolderShelf, ObjectShelf
from crawler.settings import Settings


async def coordinator(settings: Settings, *, again: bool) -> LedgerCoordinator:
    """The coordinator of this output. `again`: it died in this cluster's life. Raises StorageFailed."""
    output = settings.output
    if output.remote:
        from crawler.store.objects import Objects  # with a library of an extra

        made = LedgerCoordinator(Ledger(ObjectShelf(Objects.at(output.remote), ROOT)))
    else:
        made = LedgerCoordinator(Ledger(FolderShelf(output.home / ROOT)))
    if again:
        await made.resume()
    return made


def budget(settings: Settings) -> RateBudget:
    """The one budget of each host."""
    raise NotImplementedError
