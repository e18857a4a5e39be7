"""A live page on loopback over a run that is only told about."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from crawler.progress import Snapshot
from crawler.watch.page import Page
from crawler.watch.web import listen


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Live:
    """A page that is served; `url` without token. `end` ends the run; `warned` holds what the user was told."""

    url: str
    token: str
    done: asyncio.Event
    session: aiohttp.ClientSession
    warned: list[str] = field(default_factory=list)
    warning: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        async with self.session.get(self.url + path, headers=headers) as response:
            await response.read()
            return response


@asynccontextmanager
async def served(folder: Path, pull: Callable[[], Snapshot], *, token: str = "") -> AsyncIterator[Live]:
    door = listen("127.0.0.1", free_port(), folder)._replace(token=token)
    warned: list[str] = []
    done, warning = asyncio.Event(), asyncio.Event()

    def warn(text: str) -> None:
        warned.append(text)
        warning.set()

    page = Page(door, folder, "https://www.pixiv.net/artworks/{id}", warn)
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        task = group.create_task(page.attend(pull, done))
        url = door.url.rstrip("/")
        try:
            yield Live(url, token, done, session, warned, warning)
        finally:
            done.set()
            await task


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a stream, until it ends."""
    name = ""
    while raw := await response.content.readline():
        text = raw.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text[7:]
        elif text.startswith("data: "):
            yield name, json.loads(text[6:])
