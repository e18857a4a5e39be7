"""What no single key can know: settings that name things which must exist, and settings that must fit each other."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from crawler.cli.coming import refusals
from crawler.cli.toml import show
from crawler.settings import Settings

Complaint = tuple[str, str]
"""A key (with its entry, for tables) and what is wrong with it."""


def complaints(settings: Settings, *, source_needed: bool) -> Iterator[Complaint]:
    """All that is wrong with settings whose every value may stand by itself. Touches the disk, never the network."""
    yield from refusals(settings).items()
    yield from _source(settings, source_needed)
    yield from _output(settings.output.dir)
    yield from _proxy(settings.network.proxy)
    yield from _resolve(settings.network.resolve)
    yield from _networks(settings.network.allow_private)
    yield from _ca_file(settings.network.ca_file)


def paths_of(path: str | tuple[str, ...]) -> tuple[str, ...]:
    """The files of source.path."""
    return (path,) if isinstance(path, str) else path


def _source(settings: Settings, needed: bool) -> Iterator[Complaint]:
    source = settings.source
    if (source.kind == "urls") != (settings.site.name == "urls"):
        kinds = '"urls"' if settings.site.name == "urls" else '"ids" or "pairs"'
        yield "source.kind", f'does not go with site.name = "{settings.site.name}", which takes {kinds}'
    if source.key_column and source.kind != "urls":
        yield "source.key_column", f'means nothing with source.kind = "{source.kind}": only urls have a key column'
    paths = paths_of(source.path)
    if needed and (not paths or paths == ("",)):
        yield "source.path", 'missing: name the file that lists what to fetch, or "-" for standard input'
    elif "" in paths and paths != ("",):
        yield "source.path", "holds an empty path"
    elif needed:
        for path in paths:
            if path != "-" and not os.path.exists(path):
                yield "source.path", f"no such file: {path}"
            elif path != "-" and os.path.isdir(path):
                yield "source.path", f"is a folder: {path}"


def _output(path: str) -> Iterator[Complaint]:
    if not path:
        yield "output.dir", "must name a folder"
    elif not path.startswith("s3://") and os.path.exists(path) and not os.path.isdir(path):
        yield "output.dir", f"is not a folder: {path}"


def _proxy(proxy: str) -> Iterator[Complaint]:
    # The value is not shown: it may hold a password.
    try:
        parts = urlsplit(proxy)
        fine = bool(parts.scheme == "http" and parts.hostname and parts.port != 0 and parts.path in ("", "/"))
        fine = fine and not parts.query and not parts.fragment and not any(c.isspace() for c in proxy)
    except ValueError:
        fine = False
    if proxy and not fine:
        yield "network.proxy", "must be http://HOST:PORT (HTTPS goes through it by CONNECT; nothing else is spoken)"


def _resolve(resolve: Mapping[str, str]) -> Iterator[Complaint]:
    for host, target in resolve.items():
        key = f"network.resolve.{host}"
        if not host or any(c in "/:@[]" or c.isspace() for c in host):
            yield key, "must be a host's name alone: no scheme, no port, no path"
        if not _is_address(target):
            yield key, f'must be "ip:port", like "127.0.0.1:8443" or "[::1]:8443", not {show(target)}'


def _is_address(target: str) -> bool:
    ip, colon, port = target.rpartition(":")
    bracketed = ip.startswith("[") and ip.endswith("]")
    try:
        address = ipaddress.ip_address(ip[1:-1] if bracketed else ip)
    except ValueError:
        return False
    right_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    return bool(colon) and right_port and bracketed == (address.version == 6)


def _networks(networks: tuple[str, ...]) -> Iterator[Complaint]:
    for number, network in enumerate(networks, 1):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            try:
                meant = f"; did you mean {ipaddress.ip_network(network, strict=False)}?"
            except ValueError:
                meant = ""
            yield (
                "network.allow_private",
                f'must hold networks, like "10.0.0.0/8", not {show(network)} (item {number}){meant}',
            )


def _ca_file(path: str) -> Iterator[Complaint]:
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except FileNotFoundError:
        yield "network.ca_file", f"no such file: {path}"
    except ssl.SSLError:
        yield "network.ca_file", f"holds no certificate in PEM form: {path}"
    except OSError as error:
        yield "network.ca_file", f"cannot be read: {error.strerror}: {path}"
