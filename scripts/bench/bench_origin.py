#!/usr/bin/env python
"""The origin of the throughput benchmark: nginx with sendfile, plain and TLS, and files of the shapes a crawl meets.

Bodies are whole JPEGs and PNGs by structure (noise inside, entropy bytes escaped, checksums right, chunks of 8 KB as
libpng writes them), so that everything the crawler checks is there to be checked. Metadata is what the stand-in site
says of its works, padded with neighbours to the 14 KB that the real one sends (pixiv.md 1.1).

Run by itself it only makes the files: `bench_origin.py FOLDER WORKS`; the benchmark does that in a process of its own,
so as to stay small: what a parent weighs is counted in its children's peak.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

SIZES = {"20 KB": 20_480, "300 KB": 307_200, "1.5 MB": 1_572_864}
BODIES = 100
METADATA_BYTES = 14_000
FIRST_PORT = 18_500
IDAT_BYTES = 8192
_CONF = """
daemon off; master_process on; worker_processes 1; worker_cpu_affinity {mask}; pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; gzip off; keepalive_requests 1000000; keepalive_timeout 300s;
  open_file_cache max=100000 inactive=600s; open_file_cache_valid 600s; default_type application/octet-stream;
  types {{ image/jpeg jpg; image/png png; application/json json; text/plain txt; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
  {servers}
}}
"""
_SERVER = """
  server {{
    listen 127.0.0.1:{port} {tls} backlog=4096; root {folder}/files; etag on;
    location = /robots.txt {{ return 200 "User-agent: *\\nDisallow: /private/\\n"; }}
    location ~ ^/ajax/illust/(\\d+)/pages$ {{ try_files /meta/$1.pages.json =404; }}
    location ~ ^/ajax/illust/(\\d+)$ {{ try_files /meta/$1.json =404; }}
    location ~ "(\\d\\d)(?:_p\\d+)?\\.(jpg|png)$" {{ try_files /bodies/{size}/$1.$2 =404; }}
  }}
"""


def jpeg(size: int, dice: random.Random) -> bytes:
    """A JPEG of about `size` bytes."""
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    head += b"\xff\xdb\x00\x43\x00" + bytes(64) + b"\xff\xc0\x00\x0b\x08\x04\x00\x04\x00\x01\x01\x11\x00"
    head += b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    return head + dice.randbytes(size - len(head) - size // 256).replace(b"\xff", b"\xff\x00") + b"\xff\xd9"


def png(size: int, dice: random.Random) -> bytes:
    """A PNG of about `size` bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1024).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    data = dice.randbytes(size - 57 - 12 * (size // IDAT_BYTES))
    parts = [chunk(b"IDAT", data[at : at + IDAT_BYTES]) for at in range(0, len(data), IDAT_BYTES)]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(parts) + chunk(b"IEND", b"")


def make_files(folder: Path, works: int) -> None:
    """Bodies, certificates, and metadata of `works` works; ids and their images into ids.json."""
    import trustme

    from crawler.origin.work import Mix
    from crawler.origin.world import World

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf = authority.issue_cert("127.0.0.1", "localhost", "www.pixiv.net", "i.pximg.net")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    files = folder / "files"
    dice = random.Random(1)
    for name, size in SIZES.items():
        place = files / "bodies" / slug(name)
        place.mkdir(parents=True)
        for number in range(BODIES):
            (place / f"{number:02}.jpg").write_bytes(jpeg(size, dice))
            (place / f"{number:02}.png").write_bytes(png(size, dice))
    meta = files / "meta"
    meta.mkdir()
    plain = dict.fromkeys(("dead", "r18", "r18g", "sanity", "ugoira", "long", "big", "broken", "hashed"), 0.0)
    plain |= dict.fromkeys(("placeholder", "mismatched", "webp", "gif", "mixed", "lost"), 0.0)
    world = World(1, Mix(multi=0.19, **plain))
    ids: list[tuple[int, int]] = []
    for id in range(50_000_000, 50_000_000 + works):
        detail = json.loads(world.detail(id) or b"")
        count = detail["body"]["pageCount"]
        short = METADATA_BYTES - len(json.dumps(detail))
        neighbours = {str(id - n): None for n in range(1, max(1, short // 18))}
        detail["body"]["userIllusts"] = {**detail["body"].get("userIllusts", {}), **neighbours}
        (meta / f"{id}.json").write_text(json.dumps(detail))
        if count > 1:
            (meta / f"{id}.pages.json").write_bytes(world.pages(id) or b"")
        ids.append((id, count))
    (folder / "ids.json").write_text(json.dumps(ids))


def slug(name: str) -> str:
    """A size as a folder's name."""
    return name.replace(" ", "").replace(".", "_")


@dataclass
class Origin:
    """A running nginx, pinned to one core; its CPU seconds so far are `cpu()`."""

    folder: Path
    core: int
    ids: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def start(self, works: int) -> None:
        """Make the files in a process apart, then serve them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, __file__, self.folder, str(works)], check=True)
        self.ids = [(id, count) for id, count in json.loads((self.folder / "ids.json").read_text())]
        servers = [
            _SERVER.format(port=self.port(name, tls=tls), tls="ssl" if tls else "", folder=self.folder, size=slug(name))
            for name in SIZES
            for tls in (False, True)
        ]
        conf = self.folder / "nginx.conf"
        mask = "1" + "0" * self.core
        conf.write_text(_CONF.format(folder=self.folder, mask=mask, servers="".join(servers)))
        self._nginx = subprocess.Popen(["nginx", "-p", self.folder, "-c", conf, "-e", self.folder / "error.log"])
        for _ in range(100):
            time.sleep(0.05)
            if self._workers():
                return
        raise SystemExit((self.folder / "error.log").read_text())

    def stop(self) -> None:
        """End it."""
        self._nginx.send_signal(signal.SIGTERM)
        self._nginx.wait()

    def port(self, size: str, *, tls: bool) -> int:
        """Where bodies of this size are served."""
        return FIRST_PORT + 2 * list(SIZES).index(size) + tls

    def urls(self, size: str, count: int, *, tls: bool) -> list[str]:
        """So many different URLs of images, JPEG and PNG in turn."""
        base = f"{'https' if tls else 'http'}://127.0.0.1:{self.port(size, tls=tls)}/p"
        return [f"{base}/{number:06}.{('jpg', 'png')[number % 2]}" for number in range(count)]

    def cpu(self) -> float:
        """CPU seconds of the workers."""
        ticks = 0
        for pid in self._workers():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / 100

    def _workers(self) -> list[int]:
        path = Path(f"/proc/{self._nginx.pid}/task/{self._nginx.pid}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []


if __name__ == "__main__":
    make_files(Path(sys.argv[1]), int(sys.argv[2]))
