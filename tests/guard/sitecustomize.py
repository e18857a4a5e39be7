"""Loaded by every Python process of the tests: a socket to anything but loopback is an error.

pytest loads it by way of conftest.py, child processes by way of PYTHONPATH. An audit hook sees each connection that
Python code opens (PEP 578), whatever library asked for it.
"""

import ipaddress
import sys

OWN = ipaddress.ip_network("10.99.7.0/30")
"""Of two network namespaces that one test makes, with a cable between them and no way out (cluster/namespaces.py)."""

violations: list[str] = []


def is_local(host: object) -> bool:
    if not isinstance(host, str):
        return host in (None, b"", b"localhost", b"127.0.0.1")
    if host in ("", "localhost", "ip6-localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or (mapped or address).is_unspecified or address in OWN


def watch(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if isinstance(address, tuple) and address and not is_local(address[0]):
            refuse(f"{event} to {address!r}")
    elif event == "socket.getaddrinfo" and not is_local(args[0]):
        refuse(f"name look-up of {args[0]!r}")


def refuse(what: str) -> None:
    violations.append(what)
    raise PermissionError(f"a test may reach loopback only: {what}")


sys.addaudithook(watch)
