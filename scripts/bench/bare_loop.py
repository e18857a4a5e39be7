"""bare_loop.py LIST FOLDER CA: the floor under a crawler on libcurl: GET, SHA-256, write aside, rename, and no more.

No limiter, no check, no log, no retry, no guard: what is left of an image's CPU when all that a crawl needs is taken
away, with the same library, settings and number of connections as the fast lane (crawler/fetch/lane.py).
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pycurl as _pycurl
from contenders import CONNECTIONS

curl: Any = _pycurl
BUFFER_BYTES = 256 * 1024


def main(listed: str, folder: str, ca: str) -> None:
    """Fetch every URL of LIST into FOLDER."""
    left = Path(listed).read_text().split()
    left.reverse()
    made = 0
    multi = curl.CurlMulti()
    multi.setopt(curl.M_PIPELINING, 0)
    free: list[Any] = []
    for _ in range(CONNECTIONS):
        handle = curl.Curl()
        handle.pieces = pieces = list[bytes]()
        handle.setopt(curl.WRITEFUNCTION, pieces.append)
        handle.setopt(curl.HTTP_VERSION, curl.CURL_HTTP_VERSION_1_1)
        handle.setopt(curl.BUFFERSIZE, BUFFER_BYTES)
        handle.setopt(curl.NOSIGNAL, 1)
        handle.setopt(curl.FAILONERROR, 1)
        handle.setopt(curl.CAINFO, ca)
        free.append(handle)
    busy = 0
    while left or busy:
        while left and free:
            handle = free.pop()
            handle.setopt(curl.URL, left.pop())
            multi.add_handle(handle)
            busy += 1
        multi.perform()
        more = True
        while more:
            more, well, badly = multi.info_read()
            if badly:
                raise SystemExit(str(badly[0][1:]))
            for handle in well:
                multi.remove_handle(handle)
                keep(b"".join(handle.pieces), f"{folder}/{made}")
                made += 1
                busy -= 1
                handle.pieces.clear()
                free.append(handle)
        if busy:
            multi.select(1.0)


def keep(body: bytes, name: str) -> str:
    """Hash, write under another name, rename."""
    digest = hashlib.sha256(body).hexdigest()
    aside = os.open(f"{name}.part", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(aside, body)
    os.close(aside)
    os.replace(f"{name}.part", name)
    return digest


main(*sys.argv[1:])
