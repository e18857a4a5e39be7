"""`crawler run CONFIG`: the main job; run again, and it goes on where it stopped."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crawler.checks import paths_of
from crawler.cli import cluster
from crawler.cli.cluster import add_cluster_flags
from crawler.cli.flags import add_manifest_flag, add_setting_flags, flag_values
from crawler.cli.loading import Loaded, load, unbounded_session
from crawler.cli.rechecking import add_recheck_flags, recheck_of, would_ask_again
from crawler.cli.talk import Talk

if TYPE_CHECKING:
    from crawler.engine.recheck import Recheck


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    add_setting_flags(parser)
    add_manifest_flag(parser)
    add_recheck_flags(parser)
    add_cluster_flags(parser)
    parser.add_argument("--no-wait", action="store_true", help="end with code 6 when a daily budget is spent")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, ask nothing (= crawler plan)")


def run(args: argparse.Namespace) -> int:
    """Exit codes as in design.md 1.1."""
    recheck = recheck_of(args)
    if args.dry_run:
        from crawler.cli import plan

        code = plan.run(args)
        if recheck is not None and code == 0:
            loaded = load(Path(args.config) if args.config else None, flag_values(args), os.environ)
            print(f"recheck   {would_ask_again(loaded, recheck):,} works would be asked again")
        return code

    def again() -> Loaded:
        return load(Path(args.config) if args.config else None, flag_values(args), os.environ)

    loaded, talk = again(), Talk(quiet=args.quiet)
    if args.stop:
        return cluster.stop(loaded, talk, args.ray)
    asked = Asked(recheck, waits=not args.no_wait, ray=args.ray)
    return execute(loaded, talk, args.config or "CONFIG", asked, again)


class Asked(NamedTuple):
    """What the command line asks beside the settings. `waits`: a spent daily budget is waited out; `ray`: HOST:PORT of
    a cluster."""

    recheck: Recheck | None = None
    waits: bool = True
    ray: str = ""


PLAIN = Asked()


def execute(
    loaded: Loaded,
    talk: Talk,
    config: str,
    asked: Asked = PLAIN,
    again: Callable[[], Loaded] | None = None,
) -> int:
    """Run with a display as configured, then say how it ended; the exit code. `config` is what `run` was given,
    `again` reads the settings anew (SIGHUP)."""
    from crawler.cli.assembly import conduct, open_page, prepare
    from crawler.engine.run import Attendant, Pull
    from crawler.watch.show import watch
    from crawler.watch.status_file import keep_status

    if warning := unbounded_session(loaded):
        talk.warn(f"warning: {warning}")
    ui = loaded.settings.ui
    directory = loaded.settings.output.home
    where = loaded.settings.output.remote or directory

    async def screen(pull: Pull, done: asyncio.Event) -> None:
        await watch(ui.progress, pull, done)

    async def status(pull: Pull, done: asyncio.Event) -> None:
        await keep_status(directory / "status.json", pull, done)

    attendants: list[Attendant] = [status] if talk.quiet else [screen, status]
    if ui.page_port:
        attendants.append(open_page(loaded, talk).attend)
    if cluster.is_asked(loaded, asked.ray):
        cluster.check(loaded, asked.ray)
        with cluster.crew(loaded, talk, asked.ray) as crew:
            crawl = cluster.prepare(loaded, talk, attendants, crew, asked)
            outcome = conduct(crawl, talk, again)
    else:
        outcome = conduct(prepare(loaded, talk, attendants, asked.recheck, waits=asked.waits), talk, again)
    if isinstance(outcome, int):
        talk.warn("Stopped at once; what was in flight is fetched again by the next run.")
        return outcome
    for warning in outcome.warnings:
        talk.warn(warning)
    if outcome.text:
        talk.warn(outcome.text)
    if outcome.reason != "source" and not talk.quiet:
        from crawler.watch.summary import print_summary

        print_summary(outcome.snapshot, outcome.code, outcome.reason, where, config)
    if loaded.settings.source.kind == "manifest" and outcome.reason == "finished":
        from crawler.cli.against import after_run

        return after_run(directory, paths_of(loaded.settings.source.path), outcome.code, quiet=talk.quiet)
    return outcome.code
