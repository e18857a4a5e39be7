"""Builds the graph of objects of a run from its settings: the one place where everything meets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import uvloop

from crawler.cli.errors import ConfigError
from crawler.cli.layers import Problem
from crawler.cli.loading import Loaded
from crawler.cli.talk import Talk
from crawler.disk import THREADS, Disk
from crawler.engine.recheck import Recheck
from crawler.engine.run import Attendant, Outcome, Rooms, Run
from crawler.failpoints import VARIABLE, FailingDisk
from crawler.model import Absent, Description, Work
from crawler.rules.filter import refusal
from crawler.settings import Settings
from crawler.sites.pixiv import Pixiv
from crawler.sites.site import Site
from crawler.sites.urls import Urls
from crawler.sources.source import Item, Source, open_source
from crawler.watch.page import Page, listen

WORK_PAGE = "https://www.pixiv.net/artworks/{id}"
"""Where people look at a work."""


def settings_digest(settings: Settings) -> str:
    """A digest of what a run obeys, without secrets: SHA-256 in hex."""
    raw = settings.model_dump(mode="json", exclude={"site": {"session"}})
    return hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()


def build_site(loaded: Loaded) -> tuple[Site, Callable[[Item], Description | None]]:
    """The site, and what describes an item without a question (site `urls`)."""
    settings = loaded.settings

    def accept(work: Work) -> Absent | None:
        rule = refusal(work, settings.filter)
        return Absent("filtered", rule) if rule else None

    urls = Urls()
    if settings.site.name == "urls":
        return urls, lambda item: None if item.url is None else urls.description(str(item.id), item.url)
    try:
        return Pixiv(settings.site, loaded.session, accept), lambda item: None
    except ValueError as error:
        raise ConfigError([f"site.session_file: {error}"]) from None


def build_run(loaded: Loaded, talk: Talk, disk: Disk | None = None, recheck: Recheck | None = None) -> Run:
    """The run that these settings describe; a simulation brings a disk of its own."""
    settings = loaded.settings
    site, describe_url = build_site(loaded)

    async def source(spool: Path) -> Source:
        return await asyncio.to_thread(open_source, settings.source, spool)

    rooms = Rooms(
        output=settings.output,
        source_path=settings.source.path,
        limits=settings.limits,
        network=settings.network,
        retry=settings.retry,
        log=settings.log,
        quality=settings.site.quality if settings.site.name == "pixiv" else "original",
        digest=settings_digest(settings),
        recheck=recheck,
    )
    return Run(rooms, site, source, describe_url, talk.counted, disk or build_disk(settings))


def build_disk(settings: Settings) -> Disk:
    """The machine's disk, or one that kills this process at the step that CRAWLER_FAILPOINT names."""
    sync = settings.output.durability == "fsync"
    if point := os.environ.get(VARIABLE):
        try:
            return FailingDisk(point, sync=sync)
        except ValueError as error:
            raise ConfigError([f"{VARIABLE}: {error}"]) from None
    return Disk(sync=sync)


def open_page(loaded: Loaded, talk: Talk) -> Page:
    """Take the address of the live page, before anything is asked of any site. Raises ConfigError, OSError."""
    ui, folder = loaded.settings.ui, Path(loaded.settings.output.dir)
    try:
        door = listen(ui.page_host, ui.page_port, folder)
    except OSError as error:
        if error.filename is not None:  # the token's
            raise
        what = f"cannot listen on {ui.page_host} port {ui.page_port}: {_why(error)}; choose another, or 0 for no page"
        raise ConfigError([Problem(loaded.origin["ui.page_port"], "ui.page_port", what).line()]) from None
    talk.say(f"Live page: {door.url}")
    return Page(door, folder, WORK_PAGE if loaded.settings.site.name == "pixiv" else "", talk.warn)


def _why(error: OSError) -> str:
    """Python decorates the text of some errors of addresses; the plain one says it."""
    return error.strerror or str(error) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


def conduct(
    run: Run, talk: Talk, attendants: Sequence[Attendant], again: Callable[[], Loaded] | None = None
) -> Outcome | int:
    """Run to the end on uvloop. First SIGINT or SIGTERM drains, a second stops now (then: the exit code alone).

    SIGHUP takes [limits] from the settings that `again` reads; settings that cannot be used change nothing.
    """

    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="disk"))
        this = asyncio.current_task()
        assert this is not None
        caught: list[int] = []

        def on_signal(number: int) -> None:
            caught.append(number)
            if len(caught) == 1:
                talk.draining()
                run.drain("interrupted", 128 + number)
            else:
                this.cancel()

        def on_hangup() -> None:
            try:
                limits = again().settings.limits if again else None
            except ConfigError as error:
                talk.warn("\n".join((*error.lines, "The limits stay as they were.")))
                return
            if limits is not None:
                run.reload(limits)
                talk.say("The limits were read again.")

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
        return await run.go(attendants)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(main())
        except asyncio.CancelledError:
            return 130
