"""The border: no error class of aiohttp is without a kind."""

import socket
import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions

from crawler.fetch.byway_errors import FOREIGN, failure_of, kind_of
from crawler.fetch.errors import AddressRefused
from crawler.model import Kind

EXPECTED = {
    "ClientConnectionError": Kind.RESET,
    "ClientConnectionResetError": Kind.RESET,
    "ClientConnectorCertificateError": Kind.TLS,
    "ClientConnectorDNSError": Kind.DNS,
    "ClientConnectorError": Kind.CONNECT,
    "ClientConnectorSSLError": Kind.TLS,
    "ClientHttpProxyError": Kind.PROXY,
    "ClientOSError": Kind.RESET,
    "ClientPayloadError": Kind.TRUNCATED,
    "ClientProxyConnectionError": Kind.PROXY,
    "ClientResponseError": Kind.PROTOCOL,
    "ClientSSLError": Kind.TLS,
    "ConnectionTimeoutError": Kind.CONNECT_TIMEOUT,
    "ContentTypeError": Kind.PROTOCOL,
    "InvalidURL": Kind.BAD_URL,
    "InvalidUrlClientError": Kind.BAD_URL,
    "InvalidUrlRedirectClientError": Kind.BAD_URL,
    "NonHttpUrlClientError": Kind.BAD_URL,
    "NonHttpUrlRedirectClientError": Kind.BAD_URL,
    "RedirectClientError": Kind.REDIRECT,
    "ServerConnectionError": Kind.RESET,
    "ServerDisconnectedError": Kind.RESET,
    "ServerFingerprintMismatch": Kind.TLS,
    "ServerTimeoutError": Kind.IDLE,
    "SocketTimeoutError": Kind.IDLE,
    "TooManyRedirects": Kind.REDIRECT,
    "UnixClientConnectorError": Kind.CONNECT,
    "UploadAbortedError": Kind.PROTOCOL,
    "WSMessageTypeError": Kind.PROTOCOL,
    "WSServerHandshakeError": Kind.PROTOCOL,
}


def classes(module: object) -> dict[str, type[BaseException]]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__.startswith("aiohttp")
        and not name.startswith("_")
    }


def test_every_client_exception_of_aiohttp_has_its_kind() -> None:
    """A class that aiohttp adds fails here until somebody has thought about it; so does one that moves."""
    found = classes(client_exceptions) | {
        n: c for n, c in classes(aiohttp).items() if issubclass(c, aiohttp.ClientError)
    }
    found.pop("ClientError")  # the root: nothing raises it bare
    assert {name: kind_of(cls) for name, cls in found.items()} == EXPECTED


def test_every_parser_exception_of_aiohttp_is_of_the_protocol() -> None:
    """What the parsers raise reaches us wrapped; if it ever comes bare, it still has a kind."""
    for name, cls in classes(http_exceptions).items():
        assert kind_of(cls) is Kind.PROTOCOL, name


@pytest.mark.parametrize("cls", [*classes(client_exceptions).values(), *classes(http_exceptions).values()])
def test_every_one_of_them_is_caught(cls: type[BaseException]) -> None:
    """FOREIGN, the tuple in the except clauses, covers what the kinds cover."""
    assert issubclass(cls, FOREIGN) or cls is client_exceptions.WSMessageTypeError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(104, "reset"), Kind.RESET),
        (BrokenPipeError(), Kind.RESET),
        (TimeoutError(), Kind.IDLE),
        (ssl.SSLError(1, "bad record"), Kind.TLS),
        (ssl.CertificateError("name"), Kind.TLS),
        (socket.gaierror(-2, "unknown"), Kind.RESET),
        (UnicodeError("label too long"), Kind.BAD_URL),
        (RuntimeError("the handler is closed"), Kind.RESET),
        (aiohttp.ClientError("new"), Kind.PROTOCOL),
    ],
)
def test_errors_from_below_have_kinds_too(error: BaseException, kind: Kind) -> None:
    """asyncio, ssl and the operating system, should they come unwrapped."""
    assert failure_of(error).kind is kind


def test_the_guard_is_seen_through_its_wrapping() -> None:
    """The connector wraps the guard's refusal; the reason is what is told."""
    error = aiohttp.ClientConnectorError(None, AddressRefused("10.0.0.1 is private"))  # type: ignore[arg-type]
    failure = failure_of(error)
    assert (failure.kind, failure.detail) == (Kind.ADDRESS, "10.0.0.1 is private")
    assert str(AddressRefused("a")) == str(AddressRefused("b"))


def test_texts_are_one_short_line() -> None:
    """What goes to the log is bounded, whatever the peer wrote."""
    detail = failure_of(OSError("a\nb" * 1000)).detail
    assert len(detail) <= 200
    assert "\n" not in detail
