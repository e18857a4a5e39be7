"""The certificates that `byway.tls_context` trusts, as one file for libcurl."""

from __future__ import annotations

import re
import ssl
import tempfile
from pathlib import Path
from typing import IO

from crawler.stop import Stop

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL)
_DESCRIPTORS = "/proc/self/fd"
_NAMELESS = Path(_DESCRIPTORS).is_dir()


class BadNetwork(Stop):
    """A network setting cannot be used (ca_file)."""

    code, reason = 2, "config"


def trusting(context: ssl.SSLContext, ca_file: str) -> None:
    """Have a context trust `ca_file`. Raises BadNetwork."""
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise BadNetwork(f"network.ca_file: {ca_file}: {error}. Give a file of PEM certificates.") from error


class Trust:
    """The system's certificates, and `network.ca_file` in addition: libcurl keeps what it parsed of a single file."""

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        self._made: IO[bytes] | None = None

    def path(self) -> str:
        """The file; made when first asked for, if the system has none that will do. Raises OSError."""
        system = ssl.get_default_verify_paths()
        if self._made is None and not self._ca_file and system.cafile:
            return system.cafile
        if self._made is None:
            sources = [Path(self._ca_file)] if self._ca_file else []
            if system.cafile:
                sources.append(Path(system.cafile))
            elif system.capath:
                sources += sorted(path for path in Path(system.capath).iterdir() if path.is_file())
            found = dict.fromkeys(pem for path in sources for pem in _PEM.findall(path.read_bytes()))
            # Without a name, where such a file can be opened all the same: then no kill leaves it behind.
            make = tempfile.TemporaryFile if _NAMELESS else tempfile.NamedTemporaryFile
            self._made = make(suffix=".pem")
            self._made.write(b"\n".join(found) + b"\n")
            self._made.flush()
        return f"{_DESCRIPTORS}/{self._made.fileno()}" if _NAMELESS else self._made.name

    def close(self) -> None:
        """Remove what was made."""
        if self._made is not None:
            self._made.close()
            self._made = None
