#!/usr/bin/env python
"""A site that costs little to serve and nothing to keep, in a process of its own: every work there is, with one image.

    memory_origin.py FOLDER BYTES

It serves images of BYTES, over TLS and plain, on two free ports of all of 127.0.0.0/8, which it prints; the authority
that its certificate is from lies in FOLDER/ca.pem.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import sys
from pathlib import Path

import trustme
import uvloop
from bench_origin import jpeg

from crawler.origin.work import Mix
from crawler.origin.world import World

_WORK = re.compile(rb"GET /ajax/illust/([0-9]+) ")
_MODEL = 50_000_000


def metadata() -> bytes:
    """The site's answer for one work of one page, a JPEG."""
    plain = dict.fromkeys(("dead", "r18", "r18g", "sanity", "ugoira", "long", "big", "broken", "hashed"), 0.0)
    plain |= dict.fromkeys(("placeholder", "mismatched", "webp", "gif", "mixed", "lost"), 0.0)
    world = World(1, Mix(multi=0.0, **plain))
    for id in range(_MODEL, _MODEL + 100):
        found = world.detail(id) or b""
        if f"{id}_p0.jpg".encode() in found:
            return found.replace(str(id).encode(), b"%(id)s")
    raise SystemExit("no work with a JPEG")


class Peer(asyncio.Protocol):
    """One connection."""

    detail = b""
    image = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for request in requests:
            work = _WORK.match(request)
            if request.startswith(b"GET /robots.txt "):
                self.answer(b"404 Not Found", b"text/plain", b"")
            elif work is not None:
                self.answer(b"200 OK", b"application/json", self.detail.replace(b"%(id)s", work[1]))
            else:
                self.answer(b"200 OK", b"image/jpeg", self.image)

    def answer(self, status: bytes, kind: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
        self.transport.write(head + body)  # type: ignore[attr-defined]


async def main(folder: Path, size: int) -> None:
    """Serve until killed."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("www.pixiv.net", "i.pximg.net").configure_cert(tls)
    Peer.detail, Peer.image = metadata(), jpeg(size, random.Random(1))
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Peer, "0.0.0.0", 0, ssl=context, backlog=4096) for context in (tls, None)]  # noqa: S104
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
