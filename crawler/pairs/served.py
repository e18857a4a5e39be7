"""Images of a run's folder over HTTP, by id and page as the log names them: no path of a request is one of the disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiohttp import web

from crawler.events import Stored
from crawler.pairs.catalog import Catalog
from crawler.pairs.views import Views, read
from crawler.stop import StorageFailed
from crawler.store.mirror import images_of
from crawler.within import opened

SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"})
"""What a browser may be told that it is; everything else is handed over as bytes."""
_FOR_EVER = {"Cache-Control": "private, max-age=86400, immutable"}  # the page asks with the file's digest
_CHUNK = 256 << 10


def images(directory: Path, catalog: Catalog, views: Views) -> list[web.RouteDef]:
    """/image (fit for a screen), /thumb (a small square) and /original, each with /ID/PAGE."""

    async def answer(request: web.Request) -> web.StreamResponse:
        id, page = int(request.match_info["id"]), request.match_info["page"]
        side = await asyncio.get_running_loop().run_in_executor(catalog.threads, catalog.side, id)
        stored = side.picture("zip" if page == "zip" else int(page))
        if stored is None:
            return web.Response(status=404, text="no such image is stored\n")
        size = request.path.split("/")[1]
        if size == "original":
            return await _original(request, directory, stored)
        view = await (views.thumb(stored) if size == "thumb" else views.screen(stored))
        if view is None:
            return web.Response(status=404, text="this image cannot be shown\n")
        return web.Response(body=view.data, headers=_FOR_EVER | {"Content-Type": view.mime})

    where = "{id:[0-9]{1,16}}/{page:[0-9]{1,4}|zip}"
    return [web.get(f"/{size}/{where}", answer) for size in ("image", "thumb", "original")]


async def _original(request: web.Request, directory: Path, stored: Stored) -> web.StreamResponse:
    kind = stored.mime if stored.mime in SHOWN else "application/octet-stream"
    if await asyncio.to_thread(images_of, directory):
        try:
            body = await asyncio.to_thread(read, directory, stored.path)
        except (OSError, StorageFailed):
            return web.Response(status=404, text="the file is not there\n")
        return web.Response(body=body, headers=_FOR_EVER | {"Content-Type": kind})
    try:
        descriptor = await asyncio.to_thread(opened, directory, stored.path)
    except OSError:
        return web.Response(status=404, text="the file is not there\n")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        response = web.StreamResponse(headers=_FOR_EVER | {"Content-Type": kind})
        response.content_length = os.fstat(descriptor).st_size
        await response.prepare(request)
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            await response.write(chunk)
    return response
