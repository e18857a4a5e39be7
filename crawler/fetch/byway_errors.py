"""The border of the byway: every error of aiohttp becomes a Failure with a kind.

ClientError
├ ClientConnectorError ─ DNS · TLS · CONNECT · ADDRESS (our own guard) · PROXY
├ ServerTimeoutError ─── CONNECT_TIMEOUT · IDLE
├ ServerDisconnected, ClientOSError, reset ─ RESET
├ ClientPayloadError ─── TRUNCATED
├ ClientResponseError ── PROTOCOL
└ InvalidURL ─────────── BAD_URL
"""

from __future__ import annotations

import aiohttp
from aiohttp import client_exceptions, http_exceptions

from crawler.fetch import errors
from crawler.model import Failure, Kind

KINDS: errors.Kinds = (
    (errors.AddressRefused, Kind.ADDRESS),
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
    *errors.KINDS,
)
"""The bare ClientError is left out on purpose, so that a newcomer is noticed."""

FOREIGN = (aiohttp.ClientError, http_exceptions.HttpProcessingError, *errors.FOREIGN)
"""What aiohttp may raise on a normal day."""


def kind_of(error: type[BaseException]) -> Kind | None:
    """See errors.kind_of."""
    return errors.kind_of(error, KINDS)


def failure_of(error: BaseException) -> Failure:
    """See errors.failure_of."""
    return errors.failure_of(error, KINDS)
