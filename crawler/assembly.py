"""Builds the graph of objects of a run from its settings: the one place where everything meets."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from crawler.disk import Disk
from crawler.engine.recheck import Recheck
from crawler.engine.run import Rooms, Run
from crawler.errors import ConfigError
from crawler.failpoints import VARIABLE, FailingDisk
from crawler.model import Absent, Description, Page, WorkId
from crawler.rules.filter import Traits, refusal
from crawler.settings import Settings
from crawler.sinks.place import FolderPlace
from crawler.sinks.sink import Place
from crawler.sites.chosen import Chosen
from crawler.sites.pixiv import Pixiv
from crawler.sites.site import Site
from crawler.sites.urls import Urls
from crawler.sources.source import Census, Item, Source, open_source
from crawler.stop import StorageFailed

HELLO_S = 15
"""So long an object store may take for its first answer."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a run is told beside its settings.

    `recheck`: works to ask again. `counted` hears of the counting pass and how many works there are to do, before the
    first request. `disk`: a simulation brings its own. `waits`: a spent daily budget is waited out;
    else it ends the run. `images`: they are fetched; else works are described only.
    """

    recheck: Recheck | None = None
    counted: Callable[[Census, int], None] = lambda census, new: None
    disk: Disk | None = None
    waits: bool = True
    images: bool = True


def build_run(settings: Settings, session: str, wishes: Wishes | None = None) -> Run:
    """The run that these settings describe; `session` is the value of PHPSESSID or "". Raises ConfigError."""
    wishes = wishes or Wishes()
    site, describe_url = build_site(settings, session)
    opened: list[Source] = []
    if settings.source.kind == "manifest":
        # What it names is known once it was counted, which is before anything is asked.
        def wanted(id: WorkId, page: Page) -> bool:
            return opened[-1].wants(id, page)

        site = Chosen(site, wanted)

    async def source(spool: Path) -> Source:
        opened.append(await asyncio.to_thread(open_source, settings.source, spool))
        return opened[-1]

    rooms = Rooms(
        output=settings.output,
        source_path=settings.source.path,
        limits=settings.limits,
        network=settings.network,
        retry=settings.retry,
        log=settings.log,
        quality=settings.site.quality if settings.site.name == "pixiv" else "original",
        digest=settings_digest(settings),
        recheck=wishes.recheck,
        waits=wishes.waits,
        images=wishes.images,
    )
    disk = wishes.disk or build_disk(settings)
    return Run(rooms, site, source, describe_url, wishes.counted, (build_place(settings, disk), disk))


def build_place(settings: Settings, disk: Disk) -> Place:
    """The folder or the object store that output.dir names. Raises ConfigError."""
    output = settings.output
    if not output.remote:
        return FolderPlace(output.home, disk)
    from crawler.sinks.bucket import ObjectPlace  # with a library of an extra
    from crawler.store.objects import Objects

    try:
        objects, hello = Objects.at(output.remote), Objects.at(output.remote, retry_s=HELLO_S)
    except StorageFailed as error:
        raise ConfigError([f"output.dir: {error}"]) from None
    return ObjectPlace(objects, output.home, output.publish_s, hello=hello)


def build_site(settings: Settings, session: str) -> tuple[Site, Callable[[Item], Description | None]]:
    """The site, and what describes an item without a question (site `urls`). Raises ConfigError."""

    def accept(work: Traits) -> Absent | None:
        rule = refusal(work, settings.filter)
        return Absent("filtered", rule) if rule else None

    urls = Urls()
    if settings.site.name == "urls":
        return urls, lambda item: None if item.url is None else urls.description(str(item.id), item.url)
    try:
        return Pixiv(settings.site, session, accept), lambda item: None
    except ValueError as error:
        raise ConfigError([f"site.session_file: {error}"]) from None


def build_disk(settings: Settings) -> Disk:
    """The machine's disk, or one that kills this process at the step that CRAWLER_FAILPOINT names."""
    sync = settings.output.durability == "fsync"
    if point := os.environ.get(VARIABLE):
        try:
            return FailingDisk(point, sync=sync)
        except ValueError as error:
            raise ConfigError([f"{VARIABLE}: {error}"]) from None
    return Disk(sync=sync)


def settings_digest(settings: Settings) -> str:
    """A digest of what a run obeys, without secrets: SHA-256 in hex."""
    raw = settings.model_dump(mode="json", exclude={"site": {"session"}})
    return hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()
