"""`crawler pairs find CONFIG|DIR`: from descriptions to candidate pairs; asks for linked works that are not known."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.errors import UsageError
from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.loading import Loaded, load, unbounded_session
from crawler.cli.tail import log_path, no_log
from crawler.cli.talk import Talk
from crawler.store.address import is_address

if TYPE_CHECKING:
    from crawler.dataset.matching import Matched
    from crawler.engine.books import Outcome
    from crawler.pairs.find import Folder, Look

_GOES_ON = (0, 3, 4)
"""Codes of a crawl that came to its end, so that what it found can be looked at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `pairs find`."""
    add_setting_flags(parser)
    parser.usage = "%(prog)s CONFIG|DIR [--KEY VALUE ...]"
    parser.add_argument("--out", metavar="FILE", default="", help="where candidates go [DIR/pairs/candidates.jsonl]")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="what colourings are tagged; repeat it for several"
    )
    parser.add_argument(
        "--min-score",
        type=float,
        default=None,
        metavar="S",
        help="leave out what is less likely [0.3, and 0.1 where no picture was compared]",
    )
    parser.add_argument("--no-images", action="store_true", help="ask for metadata only, and compare no pictures")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="follow links so far; 0 = to their end [0]")
    parser.add_argument("--no-wait", action="store_true", help="end with code 6 when a daily budget is spent")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes that compare (default: the cores)")


def run(args: argparse.Namespace) -> int:
    """0; 2 no log or a mistake; 4 some linked works could not be had for now; else as of `crawler run`."""
    from crawler.pairs.candidates import NAME, write_candidates
    from crawler.pairs.evidence import TAGS
    from crawler.pairs.find import FOLDER, candidates
    from crawler.pairs.find import Folder as Opened

    talk = Talk(quiet=args.quiet)
    tags = tuple(args.tag) or TAGS
    if args.min_score is not None and not 0 <= args.min_score <= 1:
        raise UsageError(f"crawler pairs find: --min-score {args.min_score:g}: 0 to 1")
    loaded, directory = _place(args)
    if not (directory / "log.jsonl").is_file():
        raise UsageError(no_log(directory / "log.jsonl"))
    code = 0
    if loaded is not None:
        if warning := unbounded_session(loaded):
            talk.warn(f"warning: {warning}")
        code = _ask(loaded, args, tags, talk)
        if code not in _GOES_ON:
            return code
    with Opened(directory) as folder:
        look = folder.look(tags)
        matches = {} if args.no_images else _compared(folder, look, args.jobs, talk)
        found = candidates(folder, look, tags, matches, args.min_score)
    out = Path(args.out) if args.out else directory / FOLDER / NAME
    write_candidates(out, found)
    for line in _told(look, len(found), len(matches)):
        talk.say(line)
    if look.unknown:
        how = "run the same command again" if loaded is not None else "`crawler pairs find CONFIG` asks for them"
        talk.warn(f"{len(look.unknown):,} linked works are not known yet: {how}")
    print(f"{out}: {len(found):,} candidates")
    return 4 if loaded is not None and look.unknown else 0 if args.no_images else code


def _place(args: argparse.Namespace) -> tuple[Loaded | None, Path]:
    """The settings, None where a folder was named instead: then nobody is asked. Raises UsageError, ConfigError."""
    if args.config and (is_address(args.config) or Path(args.config).is_dir()):
        if given := [name for name in flag_values(args) if name not in ("ui.progress",)]:
            raise UsageError(f"crawler pairs find: --{given[0]}: a folder is looked at, nobody is asked; name a config")
        if is_address(args.config) and not args.out:
            raise UsageError("crawler pairs find: --out FILE: where the candidates of a bucket go; it is read only")
        return None, log_path(args.config).parent
    loaded = _again(args)
    if loaded.settings.site.name != "pixiv":
        raise UsageError("crawler pairs find: a plain list of URLs has no descriptions to read")
    return loaded, loaded.settings.output.home


def _again(args: argparse.Namespace) -> Loaded:
    config = Path(args.config) if args.config else None
    return load(config, flag_values(args), os.environ, source_needed=False)


def _ask(loaded: Loaded, args: argparse.Namespace, tags: tuple[str, ...], talk: Talk) -> int:
    """Crawl linked works until no link leads further; the last crawl's code. What a crawl did stands in the log."""
    from crawler.pairs.find import FOLDER, IDS, write_ids
    from crawler.pairs.find import Folder as Opened
    from crawler.sources.settings import SourceSettings

    directory = loaded.settings.output.home
    ids = directory / FOLDER / IDS
    here = replace(loaded, settings=loaded.settings.model_copy(update={"source": SourceSettings(path=str(ids))}))
    asked, code, rounds = set[int](), 0, 0
    while not args.rounds or rounds < args.rounds:
        with Opened(directory) as folder:
            look = folder.look(tags)
        missing = [*look.unknown, *([] if args.no_images else look.unfinished)]
        if not set(missing) - asked:
            break
        asked.update(missing)
        rounds += 1
        talk.say(f"round {rounds}: {len(look.unknown):,} works are linked to and not known yet")
        write_ids(ids, [*look.known, *missing])
        outcome = _crawl(here, args, talk)
        if isinstance(outcome, int):
            return outcome
        for line in (*outcome.warnings, outcome.text):
            if line:
                talk.warn(line)
        code = outcome.code
        if code not in _GOES_ON:
            break
    return code


def _crawl(loaded: Loaded, args: argparse.Namespace, talk: Talk) -> Outcome | int:
    """One crawl as `crawler run` would do it, with its display, limits and signals."""
    from crawler.cli.assembly import conduct, prepare
    from crawler.engine.run import Attendant, Pull
    from crawler.watch.show import watch
    from crawler.watch.status_file import keep_status

    async def screen(pull: Pull, done: asyncio.Event) -> None:
        await watch(loaded.settings.ui.progress, pull, done)

    async def status(pull: Pull, done: asyncio.Event) -> None:
        await keep_status(loaded.settings.output.home / "status.json", pull, done)

    attendants: list[Attendant] = [status] if talk.quiet else [screen, status]
    crawl = prepare(loaded, talk, attendants, waits=not args.no_wait, images=not args.no_images)
    return conduct(crawl, talk, lambda: _again(args))


def _compared(folder: Folder, look: Look, jobs: int, talk: Talk) -> dict[int, Matched]:
    """What the line matcher says; nothing where it cannot be had."""
    from crawler.dataset.stops import Refused, need

    try:
        need("numpy")
    except Refused as refused:
        talk.warn(f"No pictures are compared, candidates are less sure: {refused}")
        return {}
    return folder.matches(look.suggested, jobs)


def _told(look: Look, found: int, compared: int) -> list[str]:
    """What was found, in words."""
    rows = [
        ("works described", look.described),
        ("links between known works", len(look.suggested)),
        ("  of them compared by their lines", compared),
        ("  too unlikely, left out", len(look.suggested) - found),
        *((f"linked works: {reason}", count) for reason, count in sorted(look.gone.items()) if count),
        ("linked works that nothing suggests", look.passed),
    ]
    return [f"  {name:<38}{count:>10,}" for name, count in rows]
