"""Which addresses may be connected to: the public internet, and what the user names. Pure.

`ipaddress.is_global` alone is not enough: Python 3.11.7 calls NAT64 64:ff9b::7f00:1, 6to4 2002:7f00:1::, 192.0.0.8 and
64:ff9b:1::/48 global (engines.md 6, row 1), so what is wrapped inside is looked at, and a list is denied outright.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_UNICAST = IPv6Network("2000::/3")
"""All that IANA gives out of IPv6. The rest is reserved; some of it leads into IPv4 (::ffff:0:127.0.0.1, RFC 2765)."""

_DENIED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("168.63.129.16/32", "where Azure answers its own machines"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this host"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discarded"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """`network.allow_private` as networks; a lone address is a network of one. Raises ValueError."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def endpoint(text: str) -> tuple[str, int]:
    """The address and port of "ip:port" or "[ip]:port", the address in its canonical form. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not of the form ip:port")
    return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)


def refused(ip_text: str, allowed: Iterable[Network] = ()) -> str | None:
    """Why `ip_text` is not connected to; None when it may be. An IPv6 zone (`%eth0`) is ignored.

    `allowed` networks may be reached whatever they are. What is no address at all is refused.
    """
    try:
        address = ip_address(ip_text.partition("%")[0])
    except ValueError:
        return f"{ip_text} is no address"
    layers = _layers(address)
    if any(layer in network for network in allowed for layer in layers):
        return None
    for layer in layers:
        for network, why in _DENIED:
            if layer in network:
                return f"{ip_text} is {why}"
        if layer is layers[-1] and not (layer.is_global and (layer.version == 4 or layer in _UNICAST)):
            return f"{ip_text} is not public"
    return None


def _layers(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address that it carries, if any (mapped, compatible, 6to4, NAT64)."""
    if isinstance(address, IPv4Address):
        return (address,)
    inner: IPv4Address | None = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return (address,) if inner is None else (address, inner)
