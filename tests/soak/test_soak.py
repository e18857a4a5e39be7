"""The soak in small, with the code of `scripts/soak`; and its judges, shown what they must find."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from soak import listed, soak
from soak_judge import Weights, growth, not_flat, not_obeyed, weights
from soak_plan import Amounts, legs
from soak_report import write


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_soak_in_small(tmp_path: Path) -> None:
    """Killed, drained, on full disks and with changing limits it ends exact to the byte, flat, nothing left."""
    wanted = Amounts(ids=2500, kills=3, fulls=2, drains=1, reloads=6)
    found = soak(tmp_path, wanted, minutes=14)
    assert found["wrong"] == []
    assert sum(found["outcomes"][what] for what in ("done", "not_found", "restricted")) == 2500
    whats = [told.what for told in found["told"]]
    assert whats.count("kill") + whats.count("early") == 3
    assert found["room"] == (whats.count("full") == 1 == whats.count("tight"))
    assert found["room"] or os.geteuid() != 0
    assert sum(told.reloads for told in found["told"]) > 5
    write(tmp_path / "report", wanted, found)
    assert "2,500" in (tmp_path / "report" / "soak.md").read_text()


def leg(rss: float = 90.0, leak: float = 0.0, step: int = 1000, **other: Any) -> Weights:
    """A leg of `step` works a sample, 100 samples, that grew by `leak` bytes for each of 1,000 of them."""
    samples = [
        {"phase": "crawling", "works": n * step, "rss_mb": rss + leak * n / 1000, "fds": 200, "tasks": 300} | other
        for n in range(100)
    ]
    return Weights(samples, {"tasks_left": [], "fds_left": {}})


def test_the_scales_can_say_no() -> None:
    """A leak of a kilobyte a work, a peak, descriptors or tasks that pile up, and what is left at an end, are found."""
    assert not_flat([leg()], 256, 128) == []
    assert "grew by" in not_flat([leg(leak=1000.0)], 256, 128)[0]
    assert growth(leg(leak=1000.0))[0] == pytest.approx(60, rel=0.1)
    assert not_flat([leg(leak=1000.0, step=50)], 256, 128) == []
    assert "rss_mb" in not_flat([leg(leak=4000.0, step=50)], 256, 128)[0]
    for key, value in (("rss_mb", 500.0), ("fds", 1000), ("tasks", 5000)):
        assert key in not_flat([leg(**{key: value})], 256, 128)[0]
    for key, value in (("tasks_left", ["Task-7"]), ("fds_left", {"/x/list.txt": 1})):
        bad = copy.deepcopy(leg())
        assert bad.end is not None
        bad.end[key] = value
        assert "left" in not_flat([leg(), bad], 256, 128)[0]


def test_limits_that_are_not_obeyed_are_found() -> None:
    """Above a limit works may become fewer, and no more."""
    flying = (256, 256, 200, 90, 8, 8, 7, 8)
    samples = [{"t": 100.0 + 6 * n, "in_flight": count} for n, count in enumerate(flying)]
    assert not_obeyed([Weights(samples, None)], [(101.0, 8)]) == []
    samples[5]["in_flight"] = 9
    assert not_obeyed([Weights(samples, None)], [(101.0, 8)]) == ["leg 0: 9 works in flight, allowed 8"]


def test_samples_are_told_apart_by_process() -> None:
    """A leg that was killed has no end."""
    found = weights(['{"pid":1,"t":0}', '{"pid":1,"t":1}', '{"pid":2,"t":2}', '{"pid":2,"end":true}'])
    assert [(len(one.samples), one.end is None) for one in found] == [(2, True), (1, False)]


def test_a_plan_is_one_story() -> None:
    """The same amounts, the same legs; every trouble is in it, in order, and the last leg has the last third."""
    wanted = Amounts(ids=268_118, kills=30, fulls=10, drains=5, reloads=30)
    plan = legs(wanted)
    assert plan == legs(wanted)
    assert len(plan) == 46
    assert [leg.at for leg in plan] == sorted(leg.at for leg in plan)
    assert plan[-2].at < 0.66 * wanted.ids
    assert sum(len(leg.reloads) for leg in plan) == 60
    assert {leg.what for leg in plan} == {"kill", "early", "full", "tight", "drain", "end"}


def test_a_list_has_as_many_ids_as_are_asked_for() -> None:
    """Each once."""
    assert len(set(listed(1000))) == 1000
