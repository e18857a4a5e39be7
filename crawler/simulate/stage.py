"""What is the same in all simulated worlds: certificates and trust made once, answers worked out once, small buffers.

Making them takes longer than a whole world; what is scaled down goes with the size of the pictures.
"""

from __future__ import annotations

import functools
import random
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import trustme

import crawler.engine.crew
import crawler.fetch.byway
import crawler.fetch.daily
import crawler.fetch.reply
import crawler.sinks.folder
from crawler.origin.work import Mix
from crawler.origin.world import World


@functools.cache
def authority() -> trustme.CA:
    """One CA for all worlds of this process."""
    return trustme.CA()


@functools.cache
def _trust(pem: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pem.decode())
    context.set_alpn_protocols(["http/1.1"])
    return context


class KnownWorld(World):
    """A World that works out each answer once a process."""

    def __init__(self, seed: int, mix: Mix) -> None:
        super().__init__(seed, mix)
        self.paint = functools.cache(super().paint)
        self.work = functools.cache(super().work)
        self.detail = functools.cache(super().detail)
        self.pages = functools.cache(super().pages)


@functools.cache
def known_world(seed: int, mix: Mix) -> KnownWorld:
    """One for all stories that play there."""
    return KnownWorld(seed, mix)


@contextmanager
def scaled_down(*, days: bool = False) -> Generator[None]:
    """Buffers as small as the pictures, so that all that happens to large ones happens; trust that is made once.

    `days`: the world waits for days: who looks up now and then does so rarely, each look is a jump of the clock.
    """
    looks = crawler.engine.crew.ROOM_EVERY_S, crawler.fetch.daily.NAP_S
    if days:
        crawler.engine.crew.ROOM_EVERY_S, crawler.fetch.daily.NAP_S = 60.0, 3600.0
    buffer, piece, context = (
        crawler.sinks.folder.BUFFER_BYTES,
        crawler.fetch.reply.PIECE_BYTES,
        crawler.fetch.byway.tls_context,
    )
    state = random.getstate()
    crawler.sinks.folder.BUFFER_BYTES = 2048
    crawler.fetch.reply.PIECE_BYTES = 1024
    crawler.fetch.byway.tls_context = lambda ca_file: _trust(Path(ca_file).read_bytes())
    try:
        yield
    finally:
        crawler.engine.crew.ROOM_EVERY_S, crawler.fetch.daily.NAP_S = looks
        crawler.sinks.folder.BUFFER_BYTES = buffer
        crawler.fetch.reply.PIECE_BYTES = piece
        crawler.fetch.byway.tls_context = context
        random.setstate(state)
