"""What a soak was, for people: a table, each sample as CSV, and a plot."""

import csv
import os
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from soak_judge import Weights, growth
from soak_plan import Amounts

sys.path.append(str(Path(__file__).parent.parent.parent / "scripts" / "bench"))
from memory_plot import Line, plot

COLUMNS = ("t", "pid", "phase", "ended", "works", "in_flight", "requests", "rss_mb", "fds", "tasks", "threads")


def line(number: int, told: Any) -> str:
    """A leg in one line."""
    return (
        f"leg {number:3}: {told.what:6} exit {told.code:4}, {told.seconds:7.1f} s, {told.ended:7,} works ended, "
        f"{told.reloads} reloads"
    )


def write(out: Path, wanted: Amounts, found: dict[str, Any]) -> None:
    """`soak.md`, `soak.csv` and `soak.svg` in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    weights: list[Weights] = found["weights"]
    with (out / "soak.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        first = min((one["t"] for leg in weights for one in leg.samples), default=0.0)
        for leg in weights:
            for one in leg.samples:
                rows.writerow([round(one["t"] - first, 2), *(_short(one[name]) for name in COLUMNS[1:])])
    samples = [one for leg in weights for one in leg.samples if one["phase"] == "crawling"]
    lines = [Line("resident MB", [(one["ended"], one["rss_mb"]) for one in samples])]
    lines += [Line("descriptors", [(one["ended"], one["fds"]) for one in samples])]
    plot(out / "soak.svg", lines, "works ended, over all runs", "")
    (out / "soak.md").write_text("\n".join(table(wanted, found)) + "\n")


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def table(wanted: Amounts, found: dict[str, Any]) -> list[str]:
    """The table, in Markdown."""
    told, seen, outcomes, weights = found["told"], found["seen"], found["outcomes"], found["weights"]
    ends: Counter[str] = Counter(one.what for one in told)
    samples = [one for leg in weights for one in leg.samples]
    longest = max(weights, key=lambda leg: len(leg.samples))
    grown, over = growth(longest)
    peak = {key: max(one[key] for one in samples) for key in ("rss_mb", "fds", "tasks", "in_flight", "threads")}
    ended = [leg.end for leg in weights if leg.end is not None]
    rows = [
        ("works", f"{wanted.ids:,}: {outcomes['done']:,} done, {outcomes['not_found']:,} not found, "
                  f"{outcomes['restricted']:,} restricted, {outcomes['pending']:,} not reached in time; "
                  "every outcome as the site has it"),
        ("images", f"{found['status']['images']:,}, {found['status']['bytes'] / 1e6:,.0f} MB; each byte for byte"),
        ("time", f"{found['crawled_s'] / 60:.1f} min, {wanted.ids / found['crawled_s']:.0f} works/s; "
                 f"judging took {found['judged_s'] / 60:.1f} min more"),
        ("requests", f"{seen['total']:,}; {sum(seen['faults'].values()):,} of them met a fault; "
                     f"{seen['unexplained']:,} asked again because of what ended a run"),
        ("runs", f"{len(told)}: {ends['kill'] + ends['early']} killed (-9), {ends['early']} of them while starting; "
                 f"{ends['full']} on a full disk, {ends['tight']} below the reserve, "
                 f"{ends['drain'] + ends['over']} drained"),
        ("limits", f"changed {sum(one.reloads for one in told)} times while running (SIGHUP)"),
        ("memory", f"peak {peak['rss_mb']:.0f} MB over all runs; the longest ({longest.samples[-1]['works']:,} works) "
                   f"grew by {grown:.1f} MB over its last {over:,} works"),
        ("descriptors", f"peak {peak['fds']}; after a run as many as before it, in all of {len(ended)} that ended"),
        ("tasks", f"peak {peak['tasks']}, with at most {peak['in_flight']} works in flight; none left after a run"),
        ("log", ", ".join(f"{count:,} {event}" for event, count in sorted(found["events"].items()))),
        ("not as it must be", "; ".join(found["wrong"]) or "nothing"),
        ("machine", f"{os.cpu_count()} cores, Python {platform.python_version()}"),
    ]  # fmt: skip
    return ["| soak | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)]


def days_table(told: Any, found: dict[str, Any]) -> list[str]:
    """The table of days in made-up time."""
    codes: Counter[str] = Counter("killed" if code is None else f"exit {code}" for _, code in told.runs)
    outcomes, day = found["outcomes"], 86400
    works = outcomes["done"] + outcomes["not_found"] + outcomes["restricted"]
    first, last = told.objects[min(3, len(told.objects) - 1)], told.objects[-1]
    rows = [
        ("works", f"{works:,}: {outcomes['done']:,} done; every outcome as the site has it, each image byte for byte"),
        ("time", f"{told.virtual_s / day:.1f} days in {told.real_s / 60:.1f} min ({told.cpu_s:.0f} s of CPU)"),
        ("requests", f"{told.requests:,}, {told.refused:,} refused by the site's own limit; none above the rate in any "
                     "window, nor above the day's budget in any 24 h"),
        ("runs", f"{len(told.runs)}: " + ", ".join(f"{count} {what}" for what, count in sorted(codes.items()))),
        ("meanwhile", ", ".join(f"{count} {what}" for what, count in sorted(told.happened.items()))),
        ("memory", f"{first[1]:,} objects on day {first[0] / day:.1f}, {last[1]:,} on day {last[0] / day:.1f}; at most "
                   f"{max(tasks for _, _, tasks in told.objects)} tasks"),
    ]  # fmt: skip
    return ["| days in made-up time | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)]
