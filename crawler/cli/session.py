"""The session: the one secret. It comes from the environment or a private file, and no message here ever holds it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from crawler.cli.keys import SESSION_VARIABLE
from crawler.cli.layers import Origin

_MOST_BYTES = 4096
# What RFC 6265 4.1.1 lets a cookie's value hold: no space, quote, comma, semicolon, backslash, control character.
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


class BadSession(Exception):
    """The session cannot be used. The text names neither the value nor the path: a value may be given for a path."""

    def __init__(self, text: str, origin: Origin) -> None:
        super().__init__(text)
        self.origin = origin


def find(path: str, named: Origin, environ: Mapping[str, str]) -> tuple[str, Origin]:
    """The session's value and where it came from; ("", default) for none.

    A --site.session_file beats the variable, the variable beats a session_file named elsewhere.
    Raises BadSession.
    """
    variable = environ.get(SESSION_VARIABLE)
    if variable is not None and not (path and named.kind == "flag"):
        origin = Origin("environment", SESSION_VARIABLE)
        return _checked(variable, origin), origin
    return (_checked(_content(path, named), named), named) if path else ("", Origin("default"))


def _content(path: str, named: Origin) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadSession("no such file", named) from None
    except (OSError, ValueError) as error:
        raise BadSession(f"cannot be read: {getattr(error, 'strerror', None) or 'bad path'}", named) from None
    try:
        # The file that was opened is judged, not what its path may name a moment later.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadSession("not a regular file", named)
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise BadSession(f"the file has mode {mode:04o}, so others can read it: `chmod 600` it", named)
        raw = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > _MOST_BYTES:
        raise BadSession(f"longer than {_MOST_BYTES} bytes: it must hold the value of PHPSESSID and no more", named)
    return raw.decode("utf-8", "replace")


def _checked(text: str, origin: Origin) -> str:
    value = text.strip()
    if not value:
        raise BadSession("empty: it must hold the value of the cookie PHPSESSID", origin)
    if value.startswith("PHPSESSID="):
        raise BadSession("holds `PHPSESSID=` too: only what follows it is wanted", origin)
    if not _COOKIE.fullmatch(value):
        raise BadSession(
            "holds a character that no cookie can (a control character, space, quote, comma, semicolon, …): "
            "it must be the bare value of PHPSESSID",
            origin,
        )
    return value
