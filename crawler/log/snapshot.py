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
from crawler.within import plain, read

NAME = "snapshot"
_MAGIC = b"crawler snapshot 1\n"
_DIGEST = 16
_SAMPLE = 4096
_SAMPLES = 16
_END = 1 << 16
_HEAD = 1 << 24
_MOST = 1 << 33


def load(log: Path) -> tuple[State, int, dict[str, int]] | None:
    """The state after the first bytes of a log, how many these are, and the last `seq` of each log in them.

    None where there is no snapshot that fits. Reads only. Raises OSError when the log itself cannot be read.
    """
    try:
        data = read(log.parent / PRIVATE / NAME, _MOST)
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != _digest(memoryview(data)[start:]):
        return None
    descriptor = plain(log)
    try:
        return _fitting(memoryview(data)[start:], descriptor)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None  # right digests are no witness: a folder may be anybody's
    finally:
        os.close(descriptor)


def _fitting(data: memoryview, log: int) -> tuple[State, int, dict[str, int]] | None:
    """As `load`. Raises what odd types do."""
    end = bytes(data[:_HEAD]).index(b"\n")
    head = orjson.loads(data[:end])
    offset, last = int(head["offset"]), head["last"]
    if head["version"] != __version__ or offset < 0 or head["samples"] != _samples(log, offset):
        return None
    if not all(isinstance(name, str) and isinstance(seq, int) for name, seq in last.items()):
        return None
    return State.thaw(unpack(data[end + 1 :])), offset, last


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
        file = disk.fresh(part)
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
