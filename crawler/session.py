"""The session: the one secret. It comes from a private file or from the caller, and no message here ever holds it."""

from __future__ import annotations

import errno
import os
import re
import stat

from crawler.hidden import Hidden

_MOST_BYTES = 4096
# What RFC 6265 4.1.1 lets a cookie's value hold: no space, quote, comma, semicolon, backslash, control character.
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


class BadSession(Exception):
    """The session cannot be used. The text names neither the value nor the path: a value may be given for a path."""


def read(path: str) -> Hidden:
    """The session in a file of mode 0600 that is our own, and no link. Raises BadSession."""
    return checked(_content(path))


def checked(text: str) -> Hidden:
    """The value of PHPSESSID, without the blanks around it. Raises BadSession for what no cookie can hold."""
    text = Hidden(text)
    value = Hidden(text.strip())
    if not value:
        raise BadSession("empty: it must hold the value of the cookie PHPSESSID")
    if value.startswith("PHPSESSID="):
        raise BadSession("holds `PHPSESSID=` too: only what follows it is wanted")
    if not _COOKIE.fullmatch(value):
        raise BadSession(
            "holds a character that no cookie can (a control character, space, quote, comma, semicolon, …): "
            "it must be the bare value of PHPSESSID"
        )
    return value


def _content(path: str) -> Hidden:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise BadSession("no such file") from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise BadSession("a link, which may be turned to another file: name the file itself") from None
        raise BadSession(f"cannot be read: {getattr(error, 'strerror', None) or 'bad path'}") from None
    try:
        # The file that was opened is judged, not what its path may name a moment later.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadSession("not a regular file")
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise BadSession(f"the file has mode {mode:04o}, so others can read it: `chmod 600` it")
        if status.st_uid != os.geteuid():
            raise BadSession(f"the file is owned by user {status.st_uid}, who can read and change it: `chown` it")
        raw = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > _MOST_BYTES:
        raise BadSession(f"longer than {_MOST_BYTES} bytes: it must hold the value of PHPSESSID and no more")
    return Hidden(raw.decode("utf-8", "replace"))
