"""What was published of a run, in a local folder: so that all that reads a log reads that of an object store too.

A folder that holds the log of images which lie elsewhere says where: `.crawl/store.json`. A run's work folder does, and
so does a mirror, which lies among the user's caches and can be deleted. Nothing is ever sent from a mirror.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson

from crawler.store.address import is_address, name_of, problem, tidy
from crawler.within import opened, read, replace

if TYPE_CHECKING:
    from crawler.store.objects import Objects

LOOK_S = 15
"""So long somebody who only looks waits for a store."""
MARK = Path(".crawl") / "store.json"
_LOG = "log.jsonl"


def mark(folder: Path, address: str, **more: Any) -> None:
    """Say in a folder where the images of its log are. Raises OSError."""
    path = folder / MARK
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.new")
    replace(path, part, orjson.dumps({"address": address} | more))


def images_of(folder: Path) -> str:
    """The address under which the images of a folder's log are; "" when they are in the folder itself."""
    address = _read(folder).get("address")
    return address if isinstance(address, str) and is_address(address) and problem(address) is None else ""


def busy_there(folder: Path) -> bool:
    """Whether, when a mirror was last refreshed, somebody wrote to its store."""
    return _read(folder).get("busy") is True


def caches() -> Path:
    """Where this user's mirrors are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crawler"


def refresh(address: str, folder: Path | None = None) -> Path:
    """Bring the mirror of an address up to date; its folder, with `log.jsonl` if anything was ever published there.

    Only pieces that are new are fetched. Blocking. Raises StorageFailed, OSError.
    """
    from crawler.store.objects import Objects

    address = tidy(address)
    folder = folder or caches() / name_of(address)
    (folder / ".crawl").mkdir(parents=True, exist_ok=True)
    objects = Objects.at(address, retry_s=LOOK_S)
    with _alone(folder):
        _catch_up(objects, folder)
    return folder


def _catch_up(objects: Objects, folder: Path) -> None:
    from crawler.store.lease import busy_now
    from crawler.store.segments import FOLDER, fetch, key_of, ordered

    log, seen = folder / _LOG, _read(folder)
    count, size = _number(seen, "pieces"), _number(seen, "bytes")
    here = log.stat().st_size if log.exists() else 0
    fresh = ordered(
        list(objects.listing_now(FOLDER, key_of(count - 1) if count > 1 else "")),
        objects.address,
        after=max(0, count - 1),
    )
    same = count > 0 and here >= size and bool(fresh) and fresh[0].at.timestamp() == seen.get("at")
    if same:
        os.truncate(log, size)
        new = fresh[1:]
        fetch(objects, new, log, append=True)
    else:  # never seen, or not what it was: from the beginning
        count = size = 0
        fresh = new = ordered(list(objects.listing_now(FOLDER)), objects.address)
        with suppress(FileNotFoundError):
            (folder / ".crawl" / "snapshot").unlink()
        if not new:
            with suppress(FileNotFoundError):
                log.unlink()
        else:
            part = folder / ".crawl" / f"{_LOG}.fetched"
            fetch(objects, new, part)
            part.replace(log)
    mark(
        folder,
        objects.address,
        pieces=count + len(new),
        bytes=size + sum(piece.bytes for piece in new),
        at=fresh[-1].at.timestamp() if fresh else None,
        busy=busy_now(objects),
    )


@lru_cache(2)
def _looker(address: str) -> Objects:
    from crawler.store.objects import Objects

    return Objects.at(address, retry_s=LOOK_S)


@contextmanager
def at_hand(folder: Path, path: str) -> Generator[str]:
    """An image of the log in `folder` as a file, a copy of it if it lies elsewhere. Blocking. Raises StorageFailed.

    What is not there is not there then.
    """
    address = images_of(folder)
    if not address:
        try:
            os.close(opened(folder, path))  # decoders take any path, and a log can be anybody's
        except FileNotFoundError:
            pass  # who asks is told so
        except OSError:
            path = ""
        yield path and str(folder / path)
        return
    data = _looker(address).get_now(path)
    if data is None:
        yield ""
        return
    with tempfile.NamedTemporaryFile(prefix="crawler-", suffix=Path(path).suffix) as copy:
        copy.write(data)
        copy.flush()
        yield copy.name


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    descriptor = os.open(
        folder / ".crawl" / "mirror.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(folder: Path) -> dict[str, Any]:
    try:
        value: Any = orjson.loads(read(folder / MARK, 1 << 16))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _number(seen: dict[str, Any], name: str) -> int:
    value = seen.get(name)
    return value if isinstance(value, int) else 0
