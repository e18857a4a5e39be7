"""The run as Prometheus metrics: counters of this run, gauges of what stands; made from a snapshot at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from crawler import __version__
from crawler.fetch.exchange import HostState
from crawler.progress import Snapshot
from crawler.words import clean

PHASES = ("starting", "counting", "replaying", "crawling", "draining", "closing", "done")
MOST_HOSTS = 100
"""Labels cost whoever stores them: of a list of URLs on a thousand hosts, the busiest count."""


class Metrics(Collector):
    """What `/metrics` says of a run; `pull` is asked at each scrape."""

    def __init__(self, pull: Callable[[], Snapshot]) -> None:
        self._pull = pull
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics and their content type: OpenMetrics for who accepts it, else Prometheus' text."""
        try:
            encoder, kind = choose_encoder(accept)
        except (ValueError, TypeError):  # a version that is no number
            encoder, kind = choose_encoder("")
        return encoder(self._registry), kind

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are known when they are collected, and registering must not pull."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        now = self._pull()
        yield _labelled("crawler_build_info", "The version that runs.", ("version",), {(__version__,): 1})
        phases = {(phase,): float(phase == now.phase) for phase in PHASES}
        yield _labelled("crawler_phase", "1 for what the run is doing now.", ("phase",), phases)
        yield _gauge("crawler_run_seconds", "How long this run has been on.", now.elapsed_s)
        yield from _works(now)
        yield from _images(now)
        yield _counter("crawler_requests", "Requests of this run, repeated ones too.", now.requests)
        yield _counter("crawler_request_retries", "Requests of this run that repeated another.", now.retries)
        yield from _hosts(sorted(now.hosts, key=lambda host: -host.requests)[:MOST_HOSTS])


def _works(now: Snapshot) -> Iterator[Metric]:
    outcomes = {"done": now.done, "gone": now.gone, "failed": now.failed, "pending": now.pending}
    yield _gauge("crawler_works_listed", "Different, well-formed ids of the list.", now.listed)
    yield _labelled("crawler_works", "Listed works by where they stand.", ("outcome",), _keyed(outcomes))
    yield _labelled(
        "crawler_losses", "Works gone, works and images failed, by reason.", ("reason",), _keyed(now.reasons)
    )
    yield _gauge("crawler_works_in_flight", "Works that are being fetched.", now.in_flight)
    yield _counter("crawler_works_settled", "Works that this run brought to an outcome.", now.new_works)


def _images(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("crawler_images", "Images that are safe on disk, of all runs.", now.images)
    yield _gauge("crawler_images_bytes", "Their size.", now.bytes)
    yield _gauge("crawler_images_expected", "Images of the works described so far.", now.expected_images)
    yield _gauge("crawler_images_failed", "Images given up on, for now or for good.", now.failed_images)
    yield _counter("crawler_images_stored", "Images that this run stored.", now.new_images)
    yield _counter("crawler_images_stored_bytes", "Bytes of images that this run stored.", now.new_bytes)


_HOST_COUNTERS: Mapping[str, tuple[str, Callable[[HostState], float | None]]] = {
    "requests": ("Requests to a host in this run.", lambda h: h.requests),
    "received_bytes": ("Bytes of bodies that a host sent in this run.", lambda h: h.bytes),
    "refused": ("Replies 429 and 503 of a host in this run.", lambda h: h.refused),
}
_HOST_GAUGES: Mapping[str, tuple[str, Callable[[HostState], float | None]]] = {
    "requests_in_flight": ("Requests on the wire to a host.", lambda h: h.in_flight),
    "requests_waiting": ("Requests that wait for a host's limiter.", lambda h: h.waiting),
    "rate_hertz": ("Requests a second that a host gets now; 0: no limit.", lambda h: h.rate),
    "budget_hertz": ("Requests a second that a host may get as configured; 0: no limit.", lambda h: h.budget),
    "blocked_seconds": ("How long nothing more is asked of a host.", lambda h: h.blocked_s),
    "day_requests": ("Requests to a host that count for its daily budget.", lambda h: h.daily and h.daily.requests),
    "day_bytes": ("Bytes of bodies that count for a host's daily budget.", lambda h: h.daily and h.daily.bytes),
    "day_spent_seconds": (
        "How long a host is left alone because its daily budget is spent.",
        lambda h: h.daily and h.daily.wait_s,
    ),
    "latency_seconds": ("What a host's answer takes, smoothed.", lambda h: h.latency_s),
}


def _hosts(hosts: list[HostState]) -> Iterator[Metric]:
    labels = ("host", "lane")
    for name, (text, value) in _HOST_COUNTERS.items():
        counter = CounterMetricFamily(f"crawler_host_{name}", text, labels=labels)
        for host in hosts:
            counter.add_metric((clean(host.host), host.lane), value(host) or 0)
        yield counter
    for name, (text, value) in _HOST_GAUGES.items():
        told = {(clean(h.host), h.lane): v for h in hosts if (v := value(h)) is not None}
        yield _labelled(f"crawler_host_{name}", text, labels, told)


def _keyed(values: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(clean(name),): n for name, n in values.items()}


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        gauge.add_metric(key, value)
    return gauge
