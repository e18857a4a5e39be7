"""How a cluster stands, as a picture for those who watch: what is merged, and beside it what is under way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crawler.cluster.protocol import View
from crawler.fetch.exchange import HostState
from crawler.progress import Snapshot
from crawler.words import plural


def picture(now: Snapshot, view: View, hosts: Sequence[HostState], own: int) -> Snapshot:
    """The crawl: all counts are of the merged log as in `now`; `own` works are in the driver's own hands.

    What workers did since their last commits is told in words, and never added to what is counted.
    """
    flights = view.flights.values()
    works, images = sum(one.works for one in flights), sum(one.images for one in flights)
    crew = ""
    if view.leased and now.phase != "done":
        busy = len({worker for worker, _ in view.leased.values()})
        crew = f"{plural(busy, 'worker')} at {plural(len(view.leased), 'shard')}; not counted yet: " + (
            f"{plural(works, 'work')}, {plural(images, 'image')}"
        )
    return replace(
        now,
        in_flight=own + sum(one.in_flight for one in flights),
        requests=now.requests + sum(one.requests for one in flights),
        retries=now.retries + sum(one.retries for one in flights),
        hosts=tuple(hosts) or now.hosts,
        crew=crew,
    )
