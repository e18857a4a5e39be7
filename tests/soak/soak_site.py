"""The stand-in of a soak, in a process of its own: at *harsh*, with small pictures; at its end it says what it saw."""

import asyncio
import json
import signal
import sys

import uvloop

from crawler.origin.faults import PROFILES, plan
from crawler.origin.server import Origin
from crawler.origin.work import Mix

SEED = 21
PROFILE = "harsh"
MIX = Mix(scale=0.06, big=0.003, multi=0.1, long=0.005)
"""Pictures of about a kilobyte: a hundred gigabytes of others would test the machine, not the tool."""
FOR_EVER = 8 + 5
"""Originals that are broken for good are asked for as often as retry.attempts says, and refusals use up none."""


def unexplained(origin: Origin) -> int:
    """Requests that no fault explains: each path is asked for once, and once more for each fault it was given."""
    found = 0
    for (host, path), asked in origin.seen.requests.items():
        if path == "/robots.txt":
            continue
        allowed = 1 + len(plan(PROFILES[PROFILE], SEED, host, path))
        if asked > allowed and host != "www.pixiv.net" and origin.world.asset(host, path).status == 500:
            allowed = FOR_EVER
        found += max(0, asked - allowed)
    return found


async def serve(folder: str) -> None:
    """Serve until SIGTERM: first line where, second line what was seen, as JSON."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    origin = Origin(seed=SEED, profile=PROFILE, ca_dir=folder, mix=MIX, retry_after_s=0, stall_s=4.0, drip_s=0.5)
    async with origin:
        print(json.dumps({"ca": origin.ca_file, "resolve": origin.resolve}), flush=True)
        await stop.wait()
        print(json.dumps(origin.seen.as_json(brief=True) | {"unexplained": unexplained(origin)}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
