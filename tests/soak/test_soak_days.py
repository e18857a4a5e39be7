"""Days at the default rates in made-up time, and whether their judges would notice anything."""

import random
from array import array
from pathlib import Path

import pytest
from soak_days import DAY_S, Told, above, budgets_broken, happenings, judged_days, not_level, play_days
from soak_report import days_table


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_days_at_the_real_rate(tmp_path: Path) -> None:
    """With kills, other limits, outages, blocks and a clock that is set, all ends exact, within the budget, level."""
    ids = random.Random(1).sample(range(258, 61_897_803), 1200)
    told = play_days(tmp_path, ids, 8)
    found = judged_days(told, tmp_path / "out", ids, 8)
    assert sum(found["outcomes"][what] for what in ("done", "not_found", "restricted")) == 1200
    assert {"kill", "clock"} <= set(told.happened)
    assert any(code is None for _, code in told.runs)
    assert "1,200" in "".join(days_table(told, found))


def test_the_judges_of_days_can_say_no() -> None:
    """One request too many in a window or a day, objects that pile up, too many tasks."""
    steady = [n / 0.6 for n in range(5000)]
    assert above("a host", steady, 0.6, 1) == []
    assert "above 0.6/s" in above("a host", sorted([*steady, 100.5]), 0.6, 1)[0]
    told = Told(arrivals={"www.pixiv.net": steady}, wall={"www.pixiv.net": array("d", steady)})
    assert budgets_broken(told, 5000) == []
    assert "5000 requests in 24 h" in budgets_broken(told, 4999)[0]
    told.slower = [(1000.0, 4000.0)]
    assert "slower" in budgets_broken(told, 5000)[0]
    told.slower, told.wall["www.pixiv.net"] = [], array("d", [t + (DAY_S if t > 4000 else 0) for t in steady])
    assert budgets_broken(told, 2600) == [], "the clock was set forward by a day: it is another day"
    flat = [(n * 3600.0, 70_000 + n % 7, 60) for n in range(300)]
    assert not_level(flat) == []
    assert "more objects" in not_level([(t, objects + round(t / 20), tasks) for t, objects, tasks in flat])[0]
    assert "tasks" in not_level([*flat, (1e6, 70_000, 900)])[0]


def test_what_happens_is_one_story() -> None:
    """The same days and seed, the same things in the same order; thirty days have all of them."""
    plan = happenings(30, 36)
    assert plan == happenings(30, 36)
    assert [one.at_s for one in plan] == sorted(one.at_s for one in plan)
    wanted = {"kill", "drain", "slower", "usual", "refused", "silent", "back", "strict", "lenient", "clock"}
    assert {one.what for one in plan} == wanted
