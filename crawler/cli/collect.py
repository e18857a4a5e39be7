"""`crawler collect CONFIG`: from tags, users, bookmarks or links to ids.txt; run again, and it goes on."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.errors import ConfigError
from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.loading import Loaded, Origin, load, unbounded_session
from crawler.cli.talk import Talk

if TYPE_CHECKING:
    from crawler.collect.job import Attendant, Collect, Ending, Pull
    from crawler.collect.names import Names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `collect`."""
    add_setting_flags(parser)
    parser.add_argument("--since-last", action="store_true", help="of lists read before, ask for what is newer")
    parser.add_argument("--no-wait", action="store_true", help="end with code 6 when a daily budget is spent")
    parser.add_argument("--dry-run", action="store_true", help="say what would be asked for, ask nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit codes as in design.md 1.1, lists in the place of works: 3 something is missing for good, 4 for now."""
    from crawler.cli.conducting import conduct

    loaded = again(args)
    names = names_of(loaded)
    talk = Talk(quiet=args.quiet)
    if args.dry_run:
        from crawler.cli.collect_plan import show

        return show(loaded, names, as_json=args.json)
    if not tell_names(names, talk):
        return 2
    if warning := unbounded_session(loaded):
        talk.warn(f"warning: {warning}")
    job = build(loaded, names, since_last=args.since_last, waits=not args.no_wait)
    watchers = attendants(loaded, talk)
    ending = conduct(job, lambda: job.go(watchers), talk, lambda: again(args))
    if isinstance(ending, int):
        talk.warn("Stopped at once; the pages that were in flight are asked for again by the next run.")
        return ending
    return say_end(ending, loaded, talk, args.config or "CONFIG")


def again(args: argparse.Namespace) -> Loaded:
    """The settings, read anew. Raises ConfigError."""
    config = Path(args.config) if args.config else None
    return load(config, flag_values(args), os.environ, source_needed=False)


def names_of(loaded: Loaded) -> Names:
    """The lists that are asked for. Raises ConfigError where none is named, or a file is not there."""
    from crawler.collect.names import read_names

    collect = loaded.settings.collect
    paths = (collect.path,) if isinstance(collect.path, str) else collect.path
    if loaded.settings.site.name != "pixiv":
        raise ConfigError([_complaint(loaded, "site.name", 'has no lists to collect from; only "pixiv" has')])
    if not any(paths) and not collect.tags:
        what = f"missing: name a file with the {collect.kind} to read, one a line, or say collect.tags"
        raise ConfigError([_complaint(loaded, "collect.path", what)])
    for path in paths:
        if path and not os.path.isfile(path):
            what = "is a folder" if os.path.isdir(path) else "no such file"
            raise ConfigError([_complaint(loaded, "collect.path", f"{what}: {path}")])
    return read_names(collect)


def _complaint(loaded: Loaded, key: str, text: str) -> str:
    origin: Origin = loaded.origin[key]
    if origin.kind == "file":
        return f"{origin.where}: {key}: {text}"
    return f"{origin.where or f'--{key}'}: {text}"


def tell_names(names: Names, talk: Talk) -> bool:
    """Say what is wrong with the names; whether there is any that is not."""
    from crawler.collect.names import told

    for line in told(names):
        talk.warn(line)
    if not names.names:
        talk.warn("Not one line names a list: nothing was asked of any site. Is this the right file?")
        return False
    parts = [f"{len(names.names):,} lists named"]
    if names.duplicates:
        parts.append(f"{names.duplicates:,} named twice")
    if names.problems:
        parts.append(f"{len(names.problems) + names.more_problems:,} malformed")
    talk.say(", ".join(parts))
    return True


def build(loaded: Loaded, names: Names, *, since_last: bool = False, waits: bool = True) -> Collect:
    """The job that the settings describe. Raises ConfigError."""
    from crawler.assembly import build_disk, build_site, settings_digest
    from crawler.collect.job import Collect, CollectRooms
    from crawler.sites.pixiv import Pixiv

    settings = loaded.settings
    site, _ = build_site(settings, loaded.session)
    assert isinstance(site, Pixiv)
    rooms = CollectRooms(
        collect=settings.collect,
        limits=settings.limits,
        network=settings.network,
        retry=settings.retry,
        log=settings.log,
        most_x_restrict=settings.filter.max_x_restrict,
        digest=settings_digest(settings),
        since_last=since_last,
        waits=waits,
    )
    return Collect(rooms, site, names, build_disk(settings))


def attendants(loaded: Loaded, talk: Talk) -> Sequence[Attendant]:
    """Who watches: the display that was asked for."""
    if talk.quiet:
        return ()
    from crawler.watch.collecting import watch

    mode = loaded.settings.ui.progress

    async def screen(pull: Pull, done: asyncio.Event) -> None:
        await watch(mode, pull, done)

    return (screen,)


def say_end(ending: Ending, loaded: Loaded, talk: Talk, config: str) -> int:
    """Say how it ended; the exit code."""
    from crawler.watch.collecting import print_end

    for warning in ending.warnings:
        talk.warn(warning)
    for line in ending.lacking[:20]:
        talk.warn(line)
    if len(ending.lacking) > 20:
        talk.warn(
            f"... and {len(ending.lacking) - 20:,} more lists like these: `crawler tail {loaded.settings.collect.out}`"
        )
    if ending.text:
        talk.warn(ending.text)
    if not talk.quiet:
        print_end(ending.picture, ending.code, ending.reason, config)
    return ending.code
