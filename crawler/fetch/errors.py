"""The border: every error of aiohttp, asyncio, ssl and the operating system becomes a Failure with a kind.

    ClientError
    ├ ClientConnectorError ─ DNS · TLS · CONNECT · ADDRESS (our own guard) · PROXY
    ├ ServerTimeoutError ─── CONNECT_TIMEOUT · IDLE
    ├ ServerDisconnected, ClientOSError, reset ─ RESET
    ├ ClientPayloadError ─── TRUNCATED
    ├ ClientResponseError ── PROTOCOL
    └ InvalidURL ─────────── BAD_URL

Only errors raised by the network calls themselves come here: what an exchange raises (disk full) never does.
"""

from __future__ import annotations

import ssl

import aiohttp
from aiohttp import client_exceptions, http_exceptions

from crawler.model import Failure, Kind


class AddressRefused(OSError):
    """Raised by the guard in place of a socket; an OSError, so that another address of the name may still be tried."""

    def __init__(self, why: str) -> None:
        # The same text for every address: the connector passes a refusal of several on as it is only if all agree.
        super().__init__("address refused")
        self.why = why


class LostReply(OSError):
    """A body that broke off on the fast lane; its Failure is known already."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


KINDS: tuple[tuple[type[BaseException], Kind], ...] = (
    (AddressRefused, Kind.ADDRESS),
    # connecting
    (aiohttp.ClientConnectorDNSError, Kind.DNS),
    (aiohttp.ClientProxyConnectionError, Kind.PROXY),
    (aiohttp.ClientHttpProxyError, Kind.PROXY),
    (aiohttp.ClientSSLError, Kind.TLS),
    (aiohttp.ClientConnectorCertificateError, Kind.TLS),
    (aiohttp.ServerFingerprintMismatch, Kind.TLS),
    (aiohttp.ClientConnectorError, Kind.CONNECT),
    (aiohttp.ConnectionTimeoutError, Kind.CONNECT_TIMEOUT),
    # waiting
    (aiohttp.SocketTimeoutError, Kind.IDLE),
    (aiohttp.ServerTimeoutError, Kind.IDLE),
    # what came
    (aiohttp.ClientPayloadError, Kind.TRUNCATED),
    (aiohttp.InvalidURL, Kind.BAD_URL),
    (aiohttp.NonHttpUrlClientError, Kind.BAD_URL),
    (client_exceptions.RedirectClientError, Kind.REDIRECT),
    (aiohttp.TooManyRedirects, Kind.REDIRECT),
    (aiohttp.ClientResponseError, Kind.PROTOCOL),
    (client_exceptions.UploadAbortedError, Kind.PROTOCOL),
    (aiohttp.WSMessageTypeError, Kind.PROTOCOL),
    (http_exceptions.HttpProcessingError, Kind.PROTOCOL),
    # the connection went away
    (aiohttp.ClientConnectionResetError, Kind.RESET),
    (aiohttp.ServerConnectionError, Kind.RESET),
    (aiohttp.ClientOSError, Kind.RESET),
    (aiohttp.ClientConnectionError, Kind.RESET),
    # below aiohttp
    (ssl.CertificateError, Kind.TLS),
    (ssl.SSLError, Kind.TLS),
    (TimeoutError, Kind.IDLE),
    (OSError, Kind.RESET),
    (ValueError, Kind.BAD_URL),  # names that IDNA refuses, header values with line breaks
    (RuntimeError, Kind.RESET),  # uvloop: a transport closed under us
)
"""The first entry that fits decides; the bare ClientError is left out on purpose, so that a newcomer is noticed."""

FOREIGN = (aiohttp.ClientError, OSError, ValueError, RuntimeError, http_exceptions.HttpProcessingError)
"""What the network calls may raise on a normal day (TimeoutError is an OSError)."""


def kind_of(error: type[BaseException]) -> Kind | None:
    """The kind for an error class; None for one that nobody has thought about."""
    return next((kind for known, kind in KINDS if issubclass(error, known)), None)


def failure_of(error: BaseException) -> Failure:
    """The Failure for an error of the network. Its text carries no header and no body."""
    if isinstance(error, LostReply):
        return error.failure
    cause = getattr(error, "os_error", None)
    if isinstance(cause, AddressRefused):
        error = cause
    if isinstance(error, AddressRefused):
        return Failure(Kind.ADDRESS, error.why)
    kind = kind_of(type(error)) or Kind.PROTOCOL
    text = str(error) or type(error).__name__
    return Failure(kind, " ".join(text.split())[:200])
