"""What may stand for a proxy, a host, an address and a network in [network]; pure, and with words for what may not."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from crawler.cli.toml import show


def complaint(key: str, value: Any) -> str:
    """What is wrong with a value of the right type; "" where nothing is, or where the key names no endpoint."""
    match key:
        case "network.proxy":
            return _proxy(value)
        case "network.resolve":
            return _resolve(cast("Mapping[str, str]", value))
        case "network.allow_private":
            return _networks(cast("tuple[str, ...]", value))
        case _:
            return ""


def _proxy(proxy: str) -> str:
    try:
        parts = urlsplit(proxy)
        fine = bool(parts.scheme == "http" and parts.hostname and parts.port != 0 and parts.path in ("", "/"))
        fine = fine and not parts.query and not parts.fragment and not any(c.isspace() for c in proxy)
    except ValueError:
        fine = False
    # The value is not shown: it may hold a password.
    return "" if fine or not proxy else "must be http://HOST:PORT (HTTPS goes through it by CONNECT)"


def _resolve(resolve: Mapping[str, str]) -> str:
    for host, target in resolve.items():
        if not host or any(c in "/:@[]" or c.isspace() for c in host):
            return f"must name a host alone, without scheme, port or path, not {show(host)}"
        if not _is_endpoint(target):
            return f'must be "ip:port", like "127.0.0.1:8443" or "[::1]:8443", not {show(target)}'
    return ""


def _is_endpoint(target: str) -> bool:
    ip, colon, port = target.rpartition(":")
    bracketed = ip.startswith("[") and ip.endswith("]")
    try:
        address = ipaddress.ip_address(ip[1:-1] if bracketed else ip)
    except ValueError:
        return False
    right_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    return bool(colon) and right_port and bracketed == (address.version == 6)


def _networks(networks: tuple[str, ...]) -> str:
    for number, network in enumerate(networks, 1):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            wrong = f'must hold networks, like "10.0.0.0/8", not {show(network)} (item {number})'
            try:
                return f"{wrong}; did you mean {ipaddress.ip_network(network, strict=False)}?"
            except ValueError:
                return wrong
    return ""
