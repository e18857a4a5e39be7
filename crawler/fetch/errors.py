"""The border: every error of asyncio, ssl and the operating system becomes a Failure with a kind.

Only errors raised by the network calls themselves come here: what an exchange raises (disk full) never does. For those
of aiohttp, which is loaded where it is needed only, see `byway_errors`.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from crawler.model import Failure, Kind


class AddressRefused(OSError):
    """Raised by the guard in place of a socket; an OSError, so that another address of the name may still be tried."""

    def __init__(self, why: str) -> None:
        # The same text for every address: the connector passes a refusal of several on as it is only if all agree.
        super().__init__("address refused")
        self.why = why


class LostReply(OSError):
    """A body that broke off on its way; its Failure is known already."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


Kinds = Sequence[tuple[type[BaseException], Kind]]
"""Which kind an error has; the first entry that fits decides."""

KINDS: Kinds = (
    (AddressRefused, Kind.ADDRESS),
    (ssl.CertificateError, Kind.TLS),
    (ssl.SSLError, Kind.TLS),
    (TimeoutError, Kind.IDLE),
    (OSError, Kind.RESET),
    (ValueError, Kind.BAD_URL),  # names that IDNA refuses, header values with line breaks
    (RuntimeError, Kind.RESET),  # uvloop: a transport closed under us
)

FOREIGN = (OSError, ValueError, RuntimeError)
"""What the network calls may raise on a normal day (TimeoutError is an OSError)."""


def kind_of(error: type[BaseException], kinds: Kinds = KINDS) -> Kind | None:
    """The kind for an error class; None for one that nobody has thought about."""
    return next((kind for known, kind in kinds if issubclass(error, known)), None)


def failure_of(error: BaseException, kinds: Kinds = KINDS) -> Failure:
    """The Failure for an error of the network. Its text carries no header and no body."""
    if isinstance(error, LostReply):
        return error.failure
    cause = getattr(error, "os_error", None)
    if isinstance(cause, AddressRefused):
        error = cause
    if isinstance(error, AddressRefused):
        return Failure(Kind.ADDRESS, error.why)
    kind = kind_of(type(error), kinds) or Kind.PROTOCOL
    text = str(error) or type(error).__name__
    return Failure(kind, " ".join(text.split())[:200])
