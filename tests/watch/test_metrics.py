"""/metrics: whatever the run, text that Prometheus reads, with names as its conventions ask."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from looks import API, BUSY, IMAGES, snapshots
from prometheus_client.parser import text_string_to_metric_families

from crawler.progress import Snapshot
from crawler.watch.metrics import Metrics


def samples(now: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, kind = Metrics(lambda: now).text()
    assert kind.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_numbers_are_the_runs() -> None:
    """Counters of this run end in _total, gauges say what stands, hosts are labelled."""
    got = samples(BUSY)
    assert got["crawler_works_listed", ()] == BUSY.listed
    assert got["crawler_works", (("outcome", "done"),)] == BUSY.done
    assert got["crawler_images_stored_total", ()] == BUSY.new_images
    assert got["crawler_images_stored_bytes_total", ()] == BUSY.new_bytes
    assert got["crawler_requests_total", ()] == BUSY.requests
    assert got["crawler_losses", (("reason", "restricted"),)] == 1900
    host = (("host", API.host), ("lane", "api"))
    assert got["crawler_host_latency_seconds", host] == API.latency_s
    assert got["crawler_host_refused_total", host] == API.refused
    assert ("crawler_host_latency_seconds", (("host", IMAGES.host), ("lane", "images"))) not in got
    assert got["crawler_phase", (("phase", "crawling"),)] == 1


@settings(deadline=None, max_examples=60)
@given(snapshots())
def test_any_run_can_be_scraped(now: Snapshot) -> None:
    """No name or label the site could invent breaks the text; every name of ours begins with crawler_."""
    assert all(name.startswith(("crawler_", "process_")) for name, _ in samples(now))


def test_openmetrics_for_who_asks() -> None:
    """The newer format ends with its mark."""
    text, kind = Metrics(lambda: BUSY).text("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_a_thousand_hosts_are_not_a_thousand_labels() -> None:
    """The busiest hundred count: series cost whoever keeps them."""
    many = tuple(replace(IMAGES, host=f"h{n}.example", requests=n) for n in range(1000))
    got = samples(replace(BUSY, hosts=many))
    hosts = {dict(labels)["host"] for name, labels in got if name == "crawler_host_requests_total"}
    assert hosts == {f"h{n}.example" for n in range(900, 1000)}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_has_nothing_to_say() -> None:
    """Prometheus' own linter accepts every name, help text and unit."""
    text, _ = Metrics(lambda: BUSY).text()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
