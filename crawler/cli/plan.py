"""`crawler plan CONFIG`: what would run, without a single request: ids, requests, time at the rates set, disk."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crawler.checks import paths_of
from crawler.cli.collect_plan import before
from crawler.cli.errors import UsageError
from crawler.cli.estimate import Cost, Estimate, Guess, Left, Pace, estimate
from crawler.cli.flags import add_manifest_flag, add_setting_flags, flag_values
from crawler.cli.loading import Loaded, load, unbounded_session
from crawler.engine.sample import Manners, Sampled, sample
from crawler.log.files import LOG
from crawler.log.reader import replay
from crawler.log.writer import Log
from crawler.rules.coming import coming
from crawler.rules.replay import State, Totals
from crawler.sites.pixiv import HOST
from crawler.sources.source import Census, Source, open_source
from crawler.words import Range, between, clean, count, duration, per_second, plural, size, words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `plan`."""
    add_setting_flags(parser)
    add_manifest_flag(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sample", type=int, metavar="N", help="ask the site for N works of the list, and extrapolate")


def run(args: argparse.Namespace) -> int:
    """Print the plan. 2 for a list with nothing but malformed lines. Raises ConfigError, SourceError, LogDamaged."""
    collecting = before(args)
    if collecting is not None:
        return collecting
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
    output = settings.output.home
    with tempfile.TemporaryDirectory(prefix="crawler-plan-") as spool:
        source = open_source(settings.source, Path(spool))
        census = asyncio.run(source.count())
        log = output / LOG
        state = replay(log) if log.exists() else State()
        totals, left = state.totals(census.bitmap), _left(state, census, source)
        sampled = _sample(loaded, source, state, min(asked, left.works), left.works) if asked else None
    cost = estimate(left, settings, sampled, state.throttled, HOST if settings.site.name == "pixiv" else "")
    room = _room(output)
    warnings = tuple(_warnings(loaded, cost, room))
    failed = totals.listed - totals.done - totals.gone - left.works
    return Plan(census, totals.done, totals.gone, failed, left, cost, room, warnings, sampled)


def _sample(loaded: Loaded, source: Source, state: State, asked: int, works: int) -> Sampled:
    """Ask for `asked` of the `works` left, drawn so that each has the same chance, as politely as a run.

    Where a daily budget is set, what is spent here is written into the log: raises InUse while a run has it.
    """
    from crawler.assembly import build_disk, build_site

    site, describe_url = build_site(loaded.settings, loaded.session)
    chosen = set(random.sample(range(works), asked))
    left = (item for item in source.items() if state.todo(item.id) is not None)
    items = [(item, describe_url(item)) for at, item in enumerate(left) if at in chosen]
    settings = loaded.settings
    manners = Manners(settings.network, settings.limits, settings.retry, state.throttled)

    async def ask() -> Sampled:
        if not settings.limits.daily.budget.bounded:
            return await sample(items, site, manners)
        log = await Log.open(settings.output.home, settings.log, build_disk(settings))
        try:
            return await sample(items, site, replace(manners, log=log))
        finally:
            await log.close()

    return asyncio.run(ask())


def _left(state: State, census: Census, source: Source) -> Left:
    before = coming(state, census.bitmap)
    seen: Totals = state.totals(state.known())
    return Left(
        new=before.new,
        undescribed=before.undescribed,
        described=before.described,
        images_left=before.images,
        seen_done=seen.done,
        seen_gone=seen.gone,
        seen_images=seen.images,
        seen_bytes=seen.bytes,
        hosts=_hosts(state, source),
        named=(census.images / census.ids, census.bytes / census.images) if census.images else None,
    )


def _hosts(state: State, source: Source) -> dict[str, int]:
    """How many URLs that are left lie on each host; nothing for ids."""
    found: Counter[str] = Counter()
    for item in source.items():
        if item.url is None:
            break
        if state.todo(item.id) is not None:
            found[item.url.split("/", 3)[2].lower()] += 1
    return dict(found)


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
        "requests": {"api": cost.api.requests, "images": cost.images.requests},
        "seconds": {"api": cost.api.seconds, "images": cost.images.seconds, "total": cost.total_s},
        "requests_range": {"api": cost.api.requests_range, "images": cost.images.requests_range},
        "seconds_range": {
            "api": cost.api.seconds_range,
            "images": cost.images.seconds_range,
            "total": cost.total_range,
        },
        "rates": {"api": _rate_json(cost.api.pace), "images": _rate_json(cost.images.pace)},
        "disk": {
            "bytes": cost.bytes,
            "inodes": cost.inodes,
            "free_bytes": room.bytes,
            "free_inodes": room.inodes,
        },
        "sample": asdict(plan.sampled) if plan.sampled else None,
        "assumed": {name: {"value": guess.value, "from": guess.source} for name, guess in assumed.items()},
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
    api, images = cost.api, cost.images
    if api.requests:
        yield f"requests  about {_about(api)} for metadata, {_about(images)} for images"
    else:
        yield f"requests  about {_about(images)} for images"
    for i, assumption in enumerate(_assumptions(cost)):
        yield f"{'assumed' if i == 0 else '':<9} {assumption}"
    yield f"time      {_time(cost.total_s, cost.total_range)}"
    if api.requests:
        yield f"          metadata {_time(api.seconds, api.seconds_range)}{_at(api.pace)}"
        yield f"          images {_time(images.seconds, images.seconds_range)}{_at(images.pace)}; both at once"
    elif left.hosts:
        yield f"          for {plural(len(left.hosts), 'host')}{_at(images.pace)} each; the busiest decides"
    else:
        yield f"          images only{_at(images.pace)}"
    yield from _bounds(plan, loaded)
    yield f"disk      about {size(cost.bytes)} in {plural(images.requests, 'file')}"
    inodes = "" if plan.room.inodes is None else f", {count(plan.room.inodes)} inodes"
    yield f"          free: {size(plan.room.bytes)}{inodes} ({count(cost.inodes)} needed)"


def _about(cost: Cost) -> str:
    low, high = cost.requests_range
    wide = low < 0.99 * cost.requests or high > 1.01 * cost.requests
    return f"{count(cost.requests)}" + (f" ({count(round(low))} to {count(round(high))})" if wide else "")


def _time(seconds: float | None, within: Range | None) -> str:
    if seconds is None or within is None:
        return "no rate is set: as fast as the site answers"
    wide = within[0] < 0.95 * seconds or within[1] > 1.05 * seconds
    return f"about {duration(seconds)} ({between(within)})" if wide else f"at least {duration(seconds)}"


def _at(pace: Pace) -> str:
    return f" at {per_second(pace.rate)}" if pace.rate else ""


def _bounds(plan: Plan, loaded: Loaded) -> Iterator[str]:
    """Why it takes longer than the configured rates say: limits that were learnt, and daily budgets."""
    limits, cost = loaded.settings.limits, plan.cost
    for one, rate in ((cost.api, limits.api.rate), (cost.images, limits.images.rate)):
        if one.pace.learnt is None or not one.requests:
            continue
        host, told = one.pace.learnt
        known = f"limit near {per_second(told.limit)} learnt" if told.limit > 0 else "slowed down"
        yield f"          {clean(host)}: {known} by an earlier run, so not {per_second(rate)}"
    held = [(name, c.daily_s) for name, c in (("metadata", cost.api), ("images", cost.images)) if c.daily_s > 0]
    if held:
        day = " and ".join(
            [f"{count(limits.daily.requests)} requests"] * bool(limits.daily.requests)
            + [f"{limits.daily.gb:g} GB"] * bool(limits.daily.gb)
        )
        takes = ", ".join(f"{name} {duration(seconds)}" for name, seconds in held)
        yield f"          daily budget of {day} a host: {takes} at least"


def _assumptions(cost: Estimate) -> Iterator[str]:
    def said(guess: Guess, text: str) -> str:
        where = {"log": "as in the log so far", "sample": "as in the sample"}
        return f"{text} ({where.get(guess.source, guess.source)})"

    alive = f"{100 * cost.alive.value:.0f} % of the works alive" if cost.alive.value < 1 else "every work alive"
    if cost.api.requests:
        yield said(cost.images_per_work, f"{cost.images_per_work.value:.3g} images a work")
        yield said(cost.api_per_work, f"{cost.api_per_work.value:.3g} metadata requests a live work")
    yield said(cost.bytes_per_image, f"{size(cost.bytes_per_image.value)} an image")
    low = f", at least {100 * cost.alive.low:.0f} %" if cost.alive.low < 0.99 * cost.alive.value else ""
    yield said(cost.alive, alive + low)


def _rate_json(pace: Pace) -> dict[str, Any]:
    learnt = None if pace.learnt is None else {"host": pace.learnt[0], "limit": pace.learnt[1].limit}
    return {"assumed": pace.rate, "learnt": learnt}


def _sampled(found: Sampled) -> Iterator[str]:
    images = plural(found.images, "image")
    yield f"sample    {plural(found.asked, 'work')} asked for: {count(found.alive)} alive with {images}"
    reasons = ", ".join(f"{count(n)} {words(reason)}" for reason, n in sorted((found.reasons or {}).items()))
    if reasons:
        yield f"          the others: {reasons}"
    if found.spent:
        yield f"          the daily budget of {found.spent} is spent: the sample ended there"
