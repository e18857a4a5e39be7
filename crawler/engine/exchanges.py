"""What the engine wants from hosts: the answer to a question, and the bytes of an image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from crawler.fetch.exchange import Exchange, Head, Request
from crawler.model import Failure, Kind, Page
from crawler.rules.media import Inspector, Media, inspect
from crawler.sinks.sink import Part

ANSWER_BYTES = 4 * 1024 * 1024
"""No metadata body is larger: 7 to 30 KB (pixiv.md 1.1), 17 bytes a work for all of a user's. Full of the smallest
objects it takes thirty times its size for a moment."""

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_SENDABLE = re.compile(r"[ -~]{1,1000}")
"""A validator that can be sent back: an ETag may hold bytes that are no text (RFC 9110 8.8.3), an old note anything."""


A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Asking(Protocol[A_co]):
    """A request, and how to read its whole reply."""

    def request(self) -> Request: ...
    def read(self, status: int, content_type: str, body: bytes) -> A_co | Failure: ...


class Question(Exchange, Generic[A]):
    """An Exchange that puts one question of a site and reads the whole reply."""

    _parts: list[bytes]
    _size = 0
    _status = 0
    _type = ""

    def __init__(self, ask: Asking[A]) -> None:
        self._ask = ask
        self.answer: A | None = None

    def request(self) -> Request:
        return self._ask.request()

    async def whole(self, head: Head, body: bytes) -> Failure | None:
        return self._read(head.status, head.headers.get("content-type", ""), body)

    async def start(self, head: Head) -> Failure | None:
        self._parts, self._size = [], 0
        self._status, self._type = head.status, head.headers.get("content-type", "")
        return None

    async def feed(self, chunk: bytes) -> None:
        if self._size <= ANSWER_BYTES:
            self._size += len(chunk)
            self._parts.append(chunk)

    async def finish(self) -> Failure | None:
        return self._read(self._status, self._type, b"".join(self._parts))

    def _read(self, status: int, content_type: str, body: bytes) -> Failure | None:
        if len(body) > ANSWER_BYTES:
            return Failure(Kind.TOO_LARGE, f"metadata of more than {ANSWER_BYTES} bytes", status)
        answer = self._ask.read(status, content_type, body)
        if isinstance(answer, Failure):
            return answer
        self.answer = answer
        return None


class Download(Exchange):
    """An Exchange that brings one image into a part: resumed by Range where that is safe, anew where it is not.

    Range goes with If-Range (RFC 9110 13.1.5), so that a file which changed meanwhile comes whole. Bytes are checked
    as they stream; `media` says what they are once `finish` found nothing wrong.
    """

    media: Media | None = None
    _inspector: Inspector | None = None
    _tried = False
    _total: int | None = None
    _size = 0

    def __init__(self, part: Part, request: Request, page: Page) -> None:
        self._part = part
        self._page: Page = page
        self._request = request

    def request(self) -> Request:
        if self._tried:  # an attempt came before: offer what it brought to this one
            self._part.pause()
        held = self._part.held
        if held is None or held.url != self._request.url or _SENDABLE.fullmatch(held.validator) is None:
            return self._request
        ranged = {**self._request.headers, "Range": f"bytes={held.bytes}-", "If-Range": held.validator}
        return self._request._replace(headers=ranged)

    async def whole(self, head: Head, body: bytes) -> Failure | None:
        if head.status != 200 or not self._part.whole(self._request.url, validator_of(head.headers), body):
            return await super().whole(head, body)
        self._tried, self._inspector, self._size, self._total = True, None, len(body), head.length
        return await self._judge(inspect(body, self._page))

    async def start(self, head: Head) -> Failure | None:
        if head.status == 206:
            return await self._go_on(head)
        if head.status == 200:
            await self._part.begin(self._request.url, validator_of(head.headers))
            self._tried, self._inspector, self._size, self._total = True, Inspector(self._page), 0, head.length
            return None
        if head.status == 416:
            await self._part.drop()
            return Failure(Kind.RANGE, "the host has fewer bytes than we hold; starting anew", 416)
        return refusal_of(head.status)

    async def _go_on(self, head: Head) -> Failure | None:
        held = self._part.held
        match = _CONTENT_RANGE.fullmatch(head.headers.get("content-range", "").strip())
        if held is None or match is None or int(match[1]) != held.bytes:
            await self._part.drop()
            return Failure(Kind.RANGE, "the host sent another range than was asked; starting anew", 206)
        if self._inspector is None or self._size != held.bytes:  # left by an earlier run
            self._tried, self._inspector = True, Inspector(self._page)
            async for block in self._part.reread():
                self._inspector.feed(block)
            self._size = held.bytes
        self._total = None if match[3] == "*" else int(match[3])
        return None

    async def feed(self, chunk: bytes) -> None:
        assert self._inspector is not None
        self._inspector.feed(chunk)
        self._size += len(chunk)
        await self._part.write(chunk)

    async def finish(self) -> Failure | None:
        assert self._inspector is not None
        return await self._judge(self._inspector.finish())

    async def _judge(self, media: Media | Failure) -> Failure | None:
        if self._total is not None and self._size != self._total:
            return Failure(Kind.TRUNCATED, f"{self._size} bytes came of {self._total}")
        if isinstance(media, Failure):
            if media.kind is not Kind.TRUNCATED or self._total is not None:
                # A whole body that is wrong stays wrong: nothing in it is worth going on from.
                await self._part.drop()
            return media
        self.media = media
        return None


def validator_of(headers: Mapping[str, str]) -> str:
    """What may stand in If-Range: a strong ETag, else Last-Modified, else nothing."""
    etag = headers.get("etag", "")
    if etag.startswith('"') and _SENDABLE.fullmatch(etag):
        return etag
    date = headers.get("last-modified", "")
    return date if _SENDABLE.fullmatch(date) else ""


def refusal_of(status: int) -> Failure:
    """An image host's status other than 200, 206, 416 and redirects, as a Failure."""
    if status in (404, 410):
        return Failure(Kind.NOT_FOUND, "no such file", status)
    if status == 403:
        return Failure(Kind.FORBIDDEN, "the image host refuses", status)
    if status >= 500:
        return Failure(Kind.SERVER_ERROR, f"the image host says {status}", status)
    return Failure(Kind.STATUS, f"the image host says {status}", status)
