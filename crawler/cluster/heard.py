"""What a coordinator last heard of each worker: bounded, and counters never run backwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from crawler.cluster.protocol import Flight

_MOST = 4096


class Heard:
    """The flights of workers, by name; those silent for `silent_s` have nothing under way any more.

    What workers that were forgotten had counted in their lives is kept under "".
    """

    def __init__(self, silent_s: float) -> None:
        self._silent_s = silent_s
        self._flights: OrderedDict[str, tuple[float, Flight]] = OrderedDict()
        self._alive, self._counted_at = 0, float("-inf")

    def say(self, worker: str, flight: Flight, now: float) -> None:
        """A worker said so; a message that comes late may be older than what is known."""
        _, known = self._flights.get(worker, (now, flight))
        requests, retries = max(known.requests, flight.requests), max(known.retries, flight.retries)
        self._flights[worker] = (now, replace(flight, requests=requests, retries=retries))
        self._flights.move_to_end(worker)
        if len(self._flights) > _MOST:
            self._forget()

    def alive(self, now: float) -> int:
        """How many are not silent, as of the last second."""
        if now - self._counted_at > 1:
            self._counted_at = now
            self._alive = sum(now - at <= self._silent_s for at, _ in self._flights.values())
        return self._alive

    def flights(self, now: float) -> Mapping[str, Flight]:
        """All of them."""
        found: dict[str, Flight] = {}
        for worker, (at, flight) in self._flights.items():
            silent = now - at > self._silent_s
            found[worker] = Flight(requests=flight.requests, retries=flight.retries) if silent else flight
        return found

    def _forget(self) -> None:
        _, gone = self._flights.pop("", (0.0, Flight()))
        _, (at, oldest) = self._flights.popitem(last=False)
        kept = Flight(requests=gone.requests + oldest.requests, retries=gone.retries + oldest.retries)
        self._flights[""] = (at, kept)
        self._flights.move_to_end("", last=False)
