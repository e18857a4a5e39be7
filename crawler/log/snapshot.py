"""A snapshot of the state beside the log: a restart reads it, and only the lines that came after.

It can be deleted at any time and is rebuilt from the log. It stands for the log's first `offset` bytes, and says so by
samples of them: their beginning, their end and places between. So it does not matter when the log was touched, copied
or moved; a log that was cut shorter, repaired or replaced is not taken for the one that the snapshot knows. Whatever is
wrong with it, from a flipped bit to another version of this program, it is passed over.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import orjson

from crawler import __version__
from crawler.disk import Disk
from crawler.log.files import PRIVATE
from crawler.rules.frozen import Frozen, pack, unpack
from crawler.rules.replay import State

NAME = "snapshot"
_MAGIC = b"crawler snapshot 1\n"
_DIGEST = 16
_SAMPLE = 4096
_SAMPLES = 16
_END = 1 << 16


def load(log: Path) -> tuple[State, int, dict[str, int]] | None:
    """The state after the first bytes of a log, how many these are, and the last `seq` of each log in them.

    None where there is no snapshot that fits. Reads only. Raises OSError when the log itself cannot be read.
    """
    try:
        data = (log.parent / PRIVATE / NAME).read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != _digest(memoryview(data)[start:]):
        return None
    end = data.index(b"\n", start)
    head = orjson.loads(data[start:end])
    if head["version"] != __version__:
        return None
    descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if head["samples"] != _samples(descriptor, head["offset"]):
            return None
    finally:
        os.close(descriptor)
    return State.thaw(unpack(memoryview(data)[end + 1 :])), head["offset"], head["last"]


def save(disk: Disk, log: Path, frozen: Frozen, offset: int, last: dict[str, int]) -> int:
    """Put down that `frozen` stands for the first `offset` bytes of a log, which are durable; its size in bytes.

    Replaced atomically. Not synced: after a power cut it may be broken, shows it, and is rebuilt. Raises OSError.
    """
    descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    try:
        samples = _samples(descriptor, offset)
    finally:
        os.close(descriptor)
    head = {"version": __version__, "offset": offset, "samples": samples, "last": last}
    body = b"".join([orjson.dumps(head), b"\n", *pack(frozen)])
    path = log.parent / PRIVATE / NAME
    part = path.with_name(f"{NAME}.new")
    try:
        file = disk.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            disk.write(file, _MAGIC + _digest(body) + body)
        finally:
            disk.close(file)
        disk.replace(part, path)
    except OSError:
        with suppress(OSError):
            disk.unlink(part)
        raise
    return len(body)


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _samples(descriptor: int, size: int) -> str:
    """A digest of pieces of the first `size` bytes of a file; another one for a file that has not as many."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=_DIGEST)
    for number in range(_SAMPLES):
        at = size * number // _SAMPLES
        digest.update(os.pread(descriptor, min(_SAMPLE, size - at), at))
    digest.update(os.pread(descriptor, min(_END, size), max(0, size - _END)))
    if os.fstat(descriptor).st_size < size:
        digest.update(b"cut")
    return digest.hexdigest()
