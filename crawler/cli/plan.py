"""`crawler plan CONFIG`: what would run, without a single request: ids, requests, time at the rates set, disk."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crawler.checks import paths_of
from crawler.cli.errors import UsageError
from crawler.cli.estimate import Estimate, Left, estimate
from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.loading import Loaded, load, unbounded_session
from crawler.engine.sample import Sampled, sample
from crawler.log.files import LOG
from crawler.log.reader import replay
from crawler.rules.replay import State, Totals
from crawler.sources.source import Census, Source, open_source
from crawler.words import clean, count, duration, per_second, plural, size, words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `plan`."""
    add_setting_flags(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sample", type=int, metavar="N", help="ask the site for N works of the list, and extrapolate")


def run(args: argparse.Namespace) -> int:
    """Print the plan. 2 for a list with nothing but malformed lines. Raises ConfigError, SourceError, LogDamaged."""
    loaded = load(Path(args.config) if args.config else None, flag_values(args), os.environ)
    asked = getattr(args, "sample", None)  # `run --dry-run` comes here without it, and without --json
    if asked is not None and asked < 1:
        raise UsageError(f"--sample {asked}: at least 1 work")
    plan = make(loaded, asked or 0)
    for line in _malformed(plan.census):
        print(line, file=sys.stderr)
    if plan.census.hopeless:
        print("crawler: not one line of the list is an id; is this the right file?", file=sys.stderr)
        return 2
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if getattr(args, "json", False):
        print(json.dumps(as_json(plan), indent=2, ensure_ascii=False))
    else:
        print("\n".join(as_text(plan, loaded)))
    return 0


@dataclass(frozen=True, slots=True)
class Room:
    """What the output's file system has free: bytes, and inodes (None where it does not count them)."""

    bytes: int
    inodes: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that `plan` tells. `failed`: works that a run leaves alone because what they lack failed for good."""

    census: Census
    done: int
    gone: int
    failed: int
    left: Left
    cost: Estimate
    room: Room
    warnings: tuple[str, ...]
    sampled: Sampled | None = None


def make(loaded: Loaded, asked: int = 0) -> Plan:
    """Count the list, read the log, and put a price on the rest. Writes nothing but a copy of a streamed list.

    Asks the site for nothing, or for `asked` works spread over what is left. Raises SessionRefused and Blocked then.
    """
    settings = loaded.settings
    output = Path(settings.output.dir)
    with tempfile.TemporaryDirectory(prefix="crawler-plan-") as spool:
        source = open_source(settings.source, Path(spool))
        census = asyncio.run(source.count())
        log = output / LOG
        state = replay(log) if log.exists() else State()
        totals, left = state.totals(census.bitmap), _left(state, census, source)
        sampled = _sample(loaded, source, state, min(asked, left.works), left.works) if asked else None
    cost = estimate(left, settings, sampled)
    room = _room(output)
    warnings = (*loaded.remarks, *_warnings(loaded, cost, room))
    failed = totals.listed - totals.done - totals.gone - left.works
    return Plan(census, totals.done, totals.gone, failed, left, cost, room, warnings, sampled)


def _sample(loaded: Loaded, source: Source, state: State, asked: int, works: int) -> Sampled:
    """Ask for `asked` of the `works` left, drawn so that each has the same chance."""
    from crawler.assembly import build_site

    site, describe_url = build_site(loaded.settings, loaded.session)
    chosen = set(random.sample(range(works), asked))
    left = (item for item in source.items() if state.todo(item.id) is not None)
    items = [(item, describe_url(item)) for at, item in enumerate(left) if at in chosen]
    settings = loaded.settings
    return asyncio.run(sample(items, site, settings.network, settings.limits, settings.retry))


def _left(state: State, census: Census, source: Source) -> Left:
    known = state.known()
    undescribed = described = images = 0
    # A log that says nothing of the list needs no look at each id.
    for item in source.items() if known & census.bitmap else ():
        todo = state.todo(item.id)
        if todo is None:
            continue
        if todo.images is None:
            undescribed += 1
        else:
            described += 1
            images += len(todo.images)
    new = len(census.bitmap - known)
    seen: Totals = state.totals(known)
    return Left(
        new=new,
        undescribed=undescribed - new if known & census.bitmap else 0,
        described=described,
        images_left=images,
        seen_done=seen.done,
        seen_gone=seen.gone,
        seen_images=seen.images,
        seen_bytes=seen.bytes,
    )


def _room(output: Path) -> Room:
    """Of the folder, or of the nearest one above it that is there."""
    there = next(path for path in (output, *output.parents) if path.exists())
    status = os.statvfs(there)
    return Room(status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


def _warnings(loaded: Loaded, cost: Estimate, room: Room) -> Iterator[str]:
    unbounded = unbounded_session(loaded)
    if unbounded:
        yield unbounded
    reserve = loaded.settings.output.reserve_mb * 10**6
    if cost.bytes + reserve > room.bytes:
        yield f"the disk is too small: about {size(cost.bytes)} to come, {size(room.bytes)} free, {size(reserve)} kept"
    if room.inodes is not None and cost.inodes > room.inodes:
        yield f"the file system has too few inodes: about {count(cost.inodes)} to come, {count(room.inodes)} free"


def _malformed(census: Census) -> Iterator[str]:
    yield from map(str, census.problems)
    if census.more_problems:
        yield f"... and {plural(census.more_problems, 'more malformed line')}"


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain values; seconds and inodes are null where nothing bounds them."""
    census, left, cost, room = plan.census, plan.left, plan.cost, plan.room
    assumed = {
        "alive": cost.alive,
        "images_per_work": cost.images_per_work,
        "api_per_work": cost.api_per_work,
        "bytes_per_image": cost.bytes_per_image,
    }
    return {
        "ids": census.ids,
        "new": left.new,
        "done": plan.done,
        "gone": plan.gone,
        "failed": plan.failed,
        "unfinished": left.undescribed + left.described,
        "duplicates": census.duplicates,
        "malformed": census.malformed,
        "problems": [str(problem) for problem in census.problems],
        "works": left.works,
        "requests": {"api": cost.api_requests, "images": cost.image_requests},
        "seconds": {"api": cost.api_s, "images": cost.images_s, "total": cost.total_s},
        "disk": {
            "bytes": cost.bytes,
            "inodes": cost.inodes,
            "free_bytes": room.bytes,
            "free_inodes": room.inodes,
        },
        "sample": asdict(plan.sampled) if plan.sampled else None,
        "assumed": {name: {"value": value, "from": source} for name, (value, source) in assumed.items()},
        "warnings": list(plan.warnings),
    }


def as_text(plan: Plan, loaded: Loaded) -> Iterator[str]:
    """The plan for people."""
    settings, census, left, cost = loaded.settings, plan.census, plan.left, plan.cost
    paths = paths_of(settings.source.path)
    names = clean(paths[0]) if len(paths) == 1 else plural(len(paths), "file")
    yield f"list      {plural(census.ids, 'id')} in {names}"
    yield f"          {plural(census.duplicates, 'duplicate')}, {count(census.malformed)} malformed"
    yield f"output    {clean(settings.output.dir)}"
    yield f"          {count(plan.done)} done, {count(plan.gone)} gone, {count(plan.failed)} failed for good"
    again = left.undescribed + left.described
    yield f"to do     {plural(left.works, 'work')}: {count(left.new)} new, {count(again)} unfinished"
    if not left.works:
        yield "          nothing is left to ask for"
        return
    if plan.sampled is not None:
        yield from _sampled(plan.sampled)
    yield f"requests  about {count(cost.api_requests)} for metadata, {count(cost.image_requests)} for images"
    yield f"          {_assumptions(cost)}"
    api, images = settings.limits.api.rate, settings.limits.images.rate
    yield f"time      {_time(cost.total_s)}"
    if cost.api_requests:
        yield f"          metadata {_time(cost.api_s)} at {per_second(api)}"
    yield f"          images {_time(cost.images_s)} at {per_second(images)} a host; both at once"
    yield f"disk      about {size(cost.bytes)} in {plural(cost.image_requests, 'file')}"
    inodes = "" if plan.room.inodes is None else f", {count(plan.room.inodes)} inodes"
    yield f"          free: {size(plan.room.bytes)}{inodes} ({count(cost.inodes)} needed)"


def _time(seconds: float | None) -> str:
    return "no rate is set: as fast as the site answers" if seconds is None else f"at least {duration(seconds)}"


def _assumptions(cost: Estimate) -> str:
    def said(pair: tuple[float, str], text: str) -> str:
        return f"{text} ({'as in the log so far' if pair[1] == 'log' else pair[1]})"

    alive = "every work alive" if cost.alive[0] == 1 else f"{100 * cost.alive[0]:.0f} % of the works alive"
    return "; ".join(
        [
            said(cost.images_per_work, f"{cost.images_per_work[0]:.3g} images a work"),
            *([said(cost.api_per_work, f"{cost.api_per_work[0]:.3g} metadata requests")] if cost.api_requests else []),
            said(cost.bytes_per_image, f"{size(cost.bytes_per_image[0])} an image"),
            said(cost.alive, alive),
        ]
    )


def _sampled(found: Sampled) -> Iterator[str]:
    images = plural(found.images, "image")
    yield f"sample    {plural(found.asked, 'work')} asked for: {count(found.alive)} alive with {images}"
    reasons = ", ".join(f"{count(n)} {words(reason)}" for reason, n in sorted((found.reasons or {}).items()))
    if reasons:
        yield f"          the others: {reasons}"
