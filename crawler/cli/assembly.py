"""What the commands put around a crawl: signals, the loop, and the live page."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.api import Crawl
from crawler.assembly import Wishes, build_run
from crawler.cli import conducting
from crawler.cli.errors import ConfigError
from crawler.cli.layers import Problem
from crawler.cli.loading import Loaded
from crawler.cli.talk import Talk
from crawler.engine.recheck import Recheck
from crawler.engine.run import Attendant, Outcome

if TYPE_CHECKING:
    from crawler.watch.page import Page

WORK_PAGE = "https://www.pixiv.net/artworks/{id}"
"""Where people look at a work."""


def prepare(
    loaded: Loaded,
    talk: Talk,
    attendants: list[Attendant],
    recheck: Recheck | None = None,
    *,
    waits: bool = True,
    images: bool = True,
) -> Crawl:
    """The crawl that the settings describe, watched by `attendants`. The rest: see Wishes. Raises ConfigError."""
    wishes = Wishes(recheck, talk.counted, waits=waits, images=images)
    return Crawl(build_run(loaded.settings, loaded.session, wishes), attendants)


def open_page(loaded: Loaded, talk: Talk) -> Page:
    """Take the address of the live page, before anything is asked of any site. Raises ConfigError, OSError."""
    from crawler.watch.page import Page  # with a web server: only who wants a page waits for it
    from crawler.watch.web import listen

    ui, folder = loaded.settings.ui, loaded.settings.output.home
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


def conduct(crawl: Crawl, talk: Talk, again: Callable[[], Loaded] | None = None) -> Outcome | int:
    """Run to the end, stopped and told of new limits by signals; see `conducting.conduct`."""

    async def live() -> Outcome:
        async with crawl:
            return await crawl.wait()

    return conducting.conduct(crawl, live, talk, again)
