"""The border to object stores: few verbs, obstore's exceptions made into `StorageFailed` or plain answers.

Retries are obstore's own, with its jittered and growing pauses, on what a store says when it wants less (429, 5xx,
connections that break): for RETRY_S in all, then the run stops and can be started again. One put is all or nothing.
A multipart upload that is broken off leaves no object; parts of it may stay, hidden: see docs/object-storage.md.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import obstore
from obstore import exceptions as foreign
from obstore.store import MemoryStore, from_url

from crawler.hidden import without
from crawler.stop import StorageFailed
from crawler.store.address import problem, tidy

T = TypeVar("T")

RETRY_S = 180
"""So long a store may give no answer before a run stops."""
PART_BYTES = 8 << 20
"""Bodies up to this go with one request; larger ones in parts of it. S3 wants at least 5 MiB (its own limits)."""
PARTS_AT_ONCE = 4

KNOWN = (
    foreign.AlreadyExistsError,
    foreign.GenericError,
    foreign.InvalidPathError,
    foreign.JoinError,
    foreign.NotModifiedError,
    foreign.NotSupportedError,
    foreign.PermissionDeniedError,
    foreign.PreconditionError,
    foreign.UnauthenticatedError,
    foreign.UnknownConfigurationKeyError,
)
"""Every class of obstore's errors but the one that it says it no longer raises; a test holds it against the library."""
_KEYS = re.compile(r"(AWS|GOOGLE|AZURE)_.*(KEY|SECRET|TOKEN|PASSWORD|SAS).*")
_ALLOWS_HTTP = ("AWS_ALLOW_HTTP", "ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "AZURE_ALLOW_HTTP")


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a listing has it; `at`: when it was written, by the store's clock."""

    key: str
    bytes: int
    at: datetime


class _Reply(Protocol):
    """What obstore gives for a get."""

    def bytes(self) -> Any: ...
    def stream(self, min_chunk_size: int) -> Any: ...
    async def bytes_async(self) -> Any: ...


class Objects:
    """The objects under an address. Keys are relative to it. Verbs ending in `_now` block, for threads; others do not.

    Raises StorageFailed, from every verb, for what a retry did not cure.
    """

    def __init__(self, address: str, store: Any, retry_s: float = 0) -> None:
        self.address = address
        self._retry_s = retry_s
        self.failed = False
        """Whether a verb has raised: the store was given RETRY_S, and more asking would only make a user wait."""
        self._store = store

    @classmethod
    def at(cls, address: str, *, retry_s: float = RETRY_S) -> Objects:
        """The store at an address, with credentials and endpoint from the environment. Asks nothing of it yet."""
        wrong = problem(address)
        if wrong is not None:
            raise StorageFailed(f"{address}: {wrong}")
        retry: Any = {
            "max_retries": 1000,  # the time is the limit
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
        }
        allow = any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in _ALLOWS_HTTP)
        options: Any = {"allow_http": allow, "connect_timeout": "10s", "timeout": "120s"}
        try:
            return cls(tidy(address), from_url(tidy(address), client_options=options, retry_config=retry), retry_s)
        except (*KNOWN, ValueError) as error:
            raise StorageFailed(f"{address}: {reason(error)}. Credentials and endpoint come from AWS_*.") from None

    @classmethod
    def in_memory(cls) -> Objects:
        """A store that lives as long as this object: for tests and simulations."""
        return cls("memory://", MemoryStore())

    # -- writing -----------------------------------------------------------------------------------

    async def put(self, key: str, data: bytes) -> None:
        """Put an object, in one request, in the place of any that was there."""
        await self._ask(key, lambda: obstore.put_async(self._store, key, data, use_multipart=False))

    async def create(self, key: str, data: bytes) -> bool:
        """Put an object that is not there yet; whether it was this call that did so, or one just like it before.

        An answer may be lost on its way, and the retry then finds its own object: equal bytes are ours.
        """

        until, wait_s = time.monotonic() + self._retry_s, 0.1

        async def ask() -> bool:
            nonlocal wait_s
            while True:
                try:
                    await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
                except (foreign.AlreadyExistsError, foreign.PreconditionError):
                    return False
                except foreign.GenericError:
                    # The library does not repeat this verb when its connection breaks. For equal bytes we may.
                    if time.monotonic() + wait_s > until:
                        raise
                    await asyncio.sleep(wait_s)
                    wait_s = min(5.0, 2 * wait_s)
                else:
                    return True

        return await self._ask(key, ask) or await self.get(key) == data

    async def upload(self, key: str, path: Path) -> None:
        """Put a file, streamed in parts: memory does not know how large it is."""
        await self._ask(
            key,
            lambda: obstore.put_async(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE),
        )

    async def delete(self, *keys: str) -> None:
        """Remove objects; what is not there is removed."""
        for key in keys:
            await self._ask(key, lambda key=key: _gone(obstore.delete_async(self._store, key)))

    def put_now(self, key: str, data: bytes) -> None:
        self._ask_now(key, lambda: obstore.put(self._store, key, data, use_multipart=False))

    def upload_now(self, key: str, path: Path) -> None:
        """As `upload`."""
        self._ask_now(
            key,
            lambda: obstore.put(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE),
        )

    def copy_now(self, key: str, to: str) -> bool:
        """Copy within the store; whether there was something to copy."""
        return self._ask_now(key, lambda: _there(lambda: obstore.copy(self._store, key, to)))

    def delete_now(self, key: str) -> None:
        """Remove an object; what is not there is removed."""
        self._ask_now(key, lambda: _there(lambda: obstore.delete(self._store, key)))

    # -- reading -----------------------------------------------------------------------------------

    async def get(self, key: str) -> bytes | None:
        """A small object whole; None where there is none."""

        async def ask() -> bytes | None:
            try:
                return bytes(await cast("_Reply", await obstore.get_async(self._store, key)).bytes_async())
            except FileNotFoundError:
                return None

        return await self._ask(key, ask)

    def get_now(self, key: str) -> bytes | None:
        """As `get`."""

        def ask() -> bytes | None:
            try:
                return bytes(cast("_Reply", obstore.get(self._store, key)).bytes())
            except FileNotFoundError:
                return None

        return self._ask_now(key, ask)

    def size_now(self, key: str) -> int:
        """Bytes of an object. Raises FileNotFoundError."""
        return self._ask_now(key, lambda: obstore.head(self._store, key)["size"])

    def blocks_now(self, key: str) -> Iterator[bytes]:
        """An object, a piece at a time. Raises FileNotFoundError at the first."""
        stream = self._ask_now(
            key, lambda: cast("_Reply", obstore.get(self._store, key)).stream(min_chunk_size=1 << 20)
        )
        pieces = iter(stream)
        while (piece := self._ask_now(key, lambda: next(pieces, None))) is not None:
            yield bytes(piece)

    async def listing(self, prefix: str, after: str = "") -> Sequence[Found]:
        """What lies under a prefix (a folder, without its last slash), behind the key `after`, by key."""

        async def ask() -> list[Found]:
            found: list[Found] = []
            pages: AsyncIterator[Any] = _listing(self._store, prefix, after)
            async for chunk in pages:
                found += map(_found, chunk)
            return sorted(found, key=lambda one: one.key)

        return await self._ask(prefix, ask)

    def listing_now(self, prefix: str, after: str = "") -> Iterator[Found]:
        """As `listing`, a page at a time and in the store's order."""
        pages: Iterator[Any] = iter(_listing(self._store, prefix, after))
        while (chunk := self._ask_now(prefix, lambda: next(pages, None))) is not None:
            yield from map(_found, chunk)

    # -- the border --------------------------------------------------------------------------------

    async def _ask(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except (*KNOWN, FileNotFoundError) as error:
            raise self._failed(key, error) from None

    def _ask_now(self, key: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except KNOWN as error:
            raise self._failed(key, error) from None

    def _failed(self, key: str, error: Exception) -> StorageFailed:
        self.failed = True
        what = reason(error)
        if isinstance(error, foreign.PermissionDeniedError | foreign.UnauthenticatedError):
            what += ". Look at the credentials (AWS_*) and at what they allow"
        return StorageFailed(
            f"{self.address}/{key}: the object store does not do what was asked: {what}. No partial object has a name. "
            "Run the same command again when the store answers: it goes on where it stopped."
        )


def reason(error: Exception) -> str:
    """What the store said, for people: one line, without what obstore adds for its own makers."""
    text = str(error).partition("\n\nDebug source:")[0]
    # S3's own errors name the key they do not know; what is between may repeat every header.
    keys = [value for name, value in os.environ.items() if _KEYS.fullmatch(name)]
    return " ".join(without(text, keys).split())[:400]


def _listing(store: Any, prefix: str, after: str) -> Any:
    library: Any = obstore  # its types name a package that nobody here needs
    return library.list(store, prefix, offset=after or None, chunk_size=1000)


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], meta["last_modified"])


def _there(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except FileNotFoundError:
        return False
    return True


async def _gone(ask: Awaitable[object]) -> None:
    try:
        await ask
    except FileNotFoundError:
        return
