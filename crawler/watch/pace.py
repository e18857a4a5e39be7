"""The one wait of everything that watches: a while, or until the run is over."""

from __future__ import annotations

import asyncio


async def over_within(done: asyncio.Event, seconds: float) -> bool:
    """Waits at most `seconds` for the end of the run; True when it came."""
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return done.is_set()
    return True
