"""Puts replies on the wire, whole or spoilt: the only module of the stand-in that touches a transport."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from crawler.origin.faults import Fault, FaultKind
from crawler.origin.links import WWW
from crawler.origin.replies import Asked, Reply, html

HOP = "__hop=1"
"""Marks the second half of a redirect; such a request has no faults."""
PIECE = 64 * 1024
K = FaultKind


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the slow faults take. `closing` is set when the stand-in stops, and ends them all."""

    retry_after_s: int = 1
    stall_s: float = 5.0
    drip_s: float = 2.0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float) -> None:
        """Sleep, at most until the stand-in stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return


async def send(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Send all of `reply`, in pieces if it has no length."""
    if not reply.chunked or request.method == "HEAD":
        response = web.Response(status=reply.status, body=reply.content, headers=reply.headers)
        await response.prepare(request)
        await response.write_eof()
        return response
    stream = web.StreamResponse(status=reply.status, headers=reply.headers)
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    for start in range(0, len(reply.content), PIECE):
        await stream.write(reply.content[start : start + PIECE])
    await stream.write_eof()
    return stream


def applies(fault: Fault, asked: Asked, reply: Reply) -> bool:
    """Whether there is something in `reply` for the fault to spoil."""
    if fault.kind is K.BAD_RANGE:
        return reply.status == 206 and len(reply.content) > 1
    if fault.kind in _SPOILERS:
        return reply.status in (200, 206) and len(reply.content) > 32
    return True


async def spoil(
    request: web.BaseRequest, asked: Asked, reply: Reply, fault: Fault, pace: Pace
) -> web.StreamResponse | None:
    """Send `reply` as `fault` has it. None: the connection was cut, there is nothing to answer any more."""
    spoiler = _SPOILERS.get(fault.kind)
    if spoiler:
        return await spoiler(request, reply, _cut_of(reply.content, fault.share), pace)
    if fault.kind is K.RESET:
        return _abort(request)
    if fault.kind is K.STALL:
        await pace.wait(pace.stall_s)
        return _abort(request)
    return await send(request, instead(asked, reply, fault, pace.retry_after_s))


def instead(asked: Asked, reply: Reply, fault: Fault, retry_after_s: int) -> Reply:
    """The reply that comes in place of the right one, for faults that are no more than that."""
    after = {"retry-after": str(retry_after_s)}
    if fault.kind is K.LIMITED_DATE:
        when = datetime.fromtimestamp(time.time() + retry_after_s, UTC)  # `time.time`: simulations make it up
        after = {"retry-after": format_datetime(when, usegmt=True)}
    if fault.kind in (K.LIMITED, K.LIMITED_AFTER, K.LIMITED_DATE):
        text = b'{"error":true,"message":"","body":[]}'
        return Reply(429, text, {"content-type": "application/json"} | ({} if fault.kind is K.LIMITED else after))
    if fault.kind in (K.UNAVAILABLE, K.UNAVAILABLE_AFTER):
        text = b"upstream connect error or disconnect/reset before headers. reset reason: overflow"
        return Reply(503, text, {"content-type": "text/plain"} | ({} if fault.kind is K.UNAVAILABLE else after))
    if fault.kind is K.ERROR_500:
        return html(500, "500 Internal Server Error")
    if fault.kind is K.ERROR_502:
        return html(502, "502 Bad Gateway")
    if fault.kind is K.HTML:
        page = html(200, "pixiv is under maintenance")
        return page if asked.host == WWW else replace(page, headers={"content-type": "image/jpeg"})
    if fault.kind is K.EMPTY:
        return Reply(200, b"", {"content-type": reply.headers.get("content-type", "text/html")})
    if fault.kind is K.JSON_CUT:
        return _json_cut(reply, fault.share)
    if fault.kind is K.HOP:
        target = f"{asked.path}?{asked.query}&{HOP}" if asked.query else f"{asked.path}?{HOP}"
        return Reply(302, b"", {"location": f"https://{asked.host}{target}"})
    assert fault.kind is K.BAD_RANGE, fault
    return _bad_range(reply)


def _json_cut(reply: Reply, share: float) -> Reply:
    """Cut before it is packed, so that length and compression are in order and only parsing shows it."""
    packed = reply.headers.get("content-encoding") == "gzip"
    text = gzip.decompress(reply.content) if packed else reply.content
    text = text[: max(1, int(len(text) * share))]
    return replace(reply, content=gzip.compress(text, 1, mtime=0) if packed else text)


def _bad_range(reply: Reply) -> Reply:
    """A part that begins a byte later than the one that was asked for, and says so."""
    first, _, rest = reply.headers["content-range"].removeprefix("bytes ").partition("-")
    moved = dict(reply.headers) | {"content-range": f"bytes {int(first) + 1}-{rest}"}
    return replace(reply, content=reply.content[1:], headers=moved)


def _cut_of(content: bytes, share: float) -> int:
    """Where to cut so that what is left cannot end like a whole file (0x3B ends a GIF, 0xD9 a JPEG, 0x82 a PNG)."""
    cut = max(1, int(len(content) * share))
    while cut > 1 and content[cut - 1] in (0x3B, 0xD9, 0x82):
        cut -= 1
    return cut


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _begin(request: web.BaseRequest, reply: Reply, cut: int) -> web.StreamResponse:
    """Head with the full length, and the body up to `cut`."""
    stream = web.StreamResponse(status=reply.status, headers=reply.headers)
    stream.content_length = len(reply.content)
    await stream.prepare(request)
    await stream.write(reply.content[:cut])
    return stream


async def _cut_clean(request: web.BaseRequest, reply: Reply, cut: int, _: Pace) -> web.StreamResponse | None:
    return await send(request, replace(reply, content=reply.content[:cut], chunked=True))


async def _cut_short(request: web.BaseRequest, reply: Reply, cut: int, _: Pace) -> web.StreamResponse | None:
    await _begin(request, reply, cut)
    if request.transport is not None:
        request.transport.close()
    return None


async def _reset_body(request: web.BaseRequest, reply: Reply, cut: int, _: Pace) -> web.StreamResponse | None:
    await _begin(request, reply, cut)
    await asyncio.sleep(0)
    return _abort(request)


async def _stall_body(request: web.BaseRequest, reply: Reply, cut: int, pace: Pace) -> web.StreamResponse | None:
    await _begin(request, reply, cut)
    await pace.wait(pace.stall_s)
    return _abort(request)


async def _drip(request: web.BaseRequest, reply: Reply, _: int, pace: Pace) -> web.StreamResponse | None:
    """Sixteen drops of a byte over `drip_s`, then all the rest: who is patient gets the whole file."""
    stream = await _begin(request, reply, 1)
    for drop in range(1, 16):
        await pace.wait(pace.drip_s / 16)
        await stream.write(reply.content[drop : drop + 1])
    await stream.write(reply.content[16:])
    await stream.write_eof()
    return stream


Spoiler = Callable[[web.BaseRequest, Reply, int, Pace], Awaitable[web.StreamResponse | None]]
_SPOILERS: dict[FaultKind, Spoiler] = {
    K.CUT_CLEAN: _cut_clean,
    K.CUT_SHORT: _cut_short,
    K.RESET_BODY: _reset_body,
    K.STALL_BODY: _stall_body,
    K.DRIP: _drip,
}
