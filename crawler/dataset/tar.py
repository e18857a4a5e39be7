"""The bytes of a tar, as a function of names and contents alone: no clock, no owner, no umask in it."""

from __future__ import annotations

import tarfile

END = bytes(2 * tarfile.BLOCKSIZE)
"""What a tar ends with."""


def header(name: str, size: int) -> bytes:
    """The header of a member (GNU format, so that a long name fits)."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What follows a member's bytes."""
    return bytes(-size % tarfile.BLOCKSIZE)


def size(name: str, size: int) -> int:
    """What a member of `size` bytes takes in the tar."""
    return len(header(name, size)) + size + len(padding(size))
