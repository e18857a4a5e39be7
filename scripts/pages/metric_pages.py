"""docs/reference/metrics.md: what /metrics says, read off the collector."""

from __future__ import annotations

import dataclasses
from typing import Any

from written import page as joined
from written import table

from crawler.progress import Snapshot
from crawler.watch.metrics import MOST_HOSTS, Metrics


def page() -> str:
    """The page."""
    rows = [
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(f"`{label}`" for label in vars(family)["_labelnames"]),
            family.documentation,
        )
        for family in Metrics(_nothing).collect()
    ]
    return joined(
        "# Metrics",
        "With `ui.page_port` set, `/metrics` on that port is for Prometheus while the run is on, in its text format or "
        "as OpenMetrics. Counters (`_total`) are of this run and begin at 0; gauges say what stands now. Times "
        f"are in seconds, sizes in bytes, rates in hertz. Of hosts, the {MOST_HOSTS} busiest.",
        table(("metric", "type", "labels", "says"), rows),
        "Beside them stand the usual `process_…` metrics: memory, CPU time, open files.",
        "Some questions as PromQL:",
        "```\n"
        "rate(crawler_images_stored_total[10m])                        # images a second\n"
        'crawler_works{outcome="pending"}                              # how many works are left\n'
        "max(crawler_host_blocked_seconds) > 0                         # a host has us wait\n"
        "rate(crawler_host_refused_total[1h])                          # how often we are told to slow down\n"
        "```",
    )


def _nothing() -> Snapshot:
    """A run that has not begun."""
    empty: dict[str, Any] = {
        field.name: "" if field.type == "str" else 0
        for field in dataclasses.fields(Snapshot)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return Snapshot(**empty)
