"""What a crash may leave, looked at from outside, and what it may cost afterwards."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from judge import write_config
from starter import CRAWLER, popen


@dataclass(slots=True)
class Standing:
    """What an intact log states: lines of images by (id, page), works with an answer, and bytes that are no line."""

    stored: dict[tuple[Any, Any], dict[str, Any]] = field(default_factory=dict)
    answered: set[Any] = field(default_factory=set)
    torn: int = 0
    lines: int = 0


def some_ids(count: int, seed: int = 1) -> list[int]:
    """Ids that a stand-in may or may not have."""
    return random.Random(seed).sample(range(258, 61_897_803), count)


def prepare(folder: Path, origin: Any, ids: Iterable[int], more: str = "") -> Path:
    """A config in `folder` for these ids, few requests at once: what is in flight when a run dies is a handful."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(folder, origin, 'path = "ids.txt"\n' + more)
    text = config.read_text().replace("works = 64", "works = 4").replace("connections = 16", "connections = 4")
    config.write_text(text + "\n[log]\ncommit_ms = 20\n")
    return config


def start(config: Path, *before: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    """The installed command on its way; `before` it: a tool that runs it."""
    return popen(
        [*before, *CRAWLER, "run", str(config), "--progress", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


def standing(root: Path) -> Standing:
    """What the log of `root` says now, read without the code that is tested; bad bytes only at its end."""
    found = Standing()
    path = root / "log.jsonl"
    for raw in path.read_bytes().split(b"\n") if path.exists() else ():
        line = proven(raw)
        if line is None:
            found.torn += len(raw)
            continue
        assert found.torn == 0, "bad bytes with a good line after them"
        found.lines += 1
        match line["event"]:
            case "stored":
                found.stored[line["id"], line["page"]] = line
            case "described" | "gone":
                found.answered.add(line["id"])
    return found


def proven(raw: bytes) -> dict[str, Any] | None:
    """A line whose checksum is right."""
    body, key, crc = raw.rpartition(b',"crc":"')
    if not key or crc != b'%08x"}' % zlib.crc32(body):
        return None
    line: dict[str, Any] = json.loads(raw)
    return line


def broken(root: Path, found: Standing) -> list[str]:
    """The paths of stored lines whose bytes are not there."""
    return [
        line["path"]
        for line in found.stored.values()
        if not (root / line["path"]).is_file()
        or hashlib.sha256((root / line["path"]).read_bytes()).hexdigest() != line["sha256"]
    ]


def sound(root: Path) -> Standing:
    """What the log says, after looking that all of it is true."""
    found = standing(root)
    assert broken(root, found) == []
    return found


def repeated(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]], left: Standing) -> int:
    """How many URLs of `before` (a crash) were asked for again until `after`; none whose answer `left` had."""
    again = {key for key in after - before if key[1] != "/robots.txt"}
    for line in left.stored.values():
        url = urlsplit(line["url"])
        assert (url.netloc, url.path) not in again, line
    for host, path in again:
        if host == "www.pixiv.net":
            assert int(path.split("/")[3].partition("?")[0]) not in left.answered, path
    return sum(key in before for key in again)


def needs(*tools: str, root: bool = False) -> None:
    """Skip where a tool or the right to use it is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed here")
    if root and os.geteuid() != 0:
        pytest.skip("only root may mount file systems")


@contextlib.contextmanager
def mounted(place: Path, kind: str, options: str, device: str = "none") -> Iterator[Path]:
    """A file system mounted at `place` (made), gone afterwards. Skips where this may not be done."""
    needs("mount", "umount", root=True)
    place.mkdir(parents=True, exist_ok=True)
    mount(place, "-t", kind, "-o", options, device)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True, timeout=60)


def mount(place: Path, *how: str) -> None:
    """Mount, or mount again. Skips where this may not be done."""
    done = subprocess.run(["mount", *how, place], check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
