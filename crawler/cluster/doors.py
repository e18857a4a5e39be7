"""The door of a member of a cluster: the ordinary one, whose hosts' paces and daily budgets all members share."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from crawler.cluster.permits import Permits
from crawler.cluster.protocol import Unreachable
from crawler.engine.doors import lanes_of
from crawler.engine.settings import LimitsSettings
from crawler.fetch.daily import Daily
from crawler.fetch.door import Door
from crawler.settings import Settings
from crawler.stop import Gate

LAST_S = 3.0
"""So long the last words may take."""


def door_of(settings: Settings, limits: LimitsSettings, permits: Permits, gate: Gate) -> Door:
    """A door that asks nothing without permits. `limits`: this member's part of them."""
    daily = Daily(limits.daily.budget, account=permits.account)
    lanes = lanes_of(limits)
    return Door(settings.network, lanes, settings.retry, limits.memory_mb, gate, daily=daily, paces=permits.pace)


async def give_back(permits: Permits) -> None:
    """Nothing more will be asked. What nobody hears counts as spent."""
    with suppress(Unreachable, TimeoutError):
        async with asyncio.timeout(LAST_S):
            await permits.leave()
