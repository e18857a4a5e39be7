"""Addresses: nothing but the public internet is reached, however it is spelt."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.rules import addresses
from crawler.rules.addresses import endpoint, networks, refused

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:0",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
    "100:0:0:1::1",
    "1fff::1",
    "4000::1",
    "3fff::1",
    "5f00::1",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.1",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("text", REFUSED)
def test_special_addresses_are_refused_with_a_reason(text: str) -> None:
    """Loopback, private, link-local, metadata, reserved, and each of them wrapped in IPv6."""
    why = refused(text)
    assert why
    assert text in why


@pytest.mark.parametrize("text", ALLOWED)
def test_public_addresses_are_not(text: str) -> None:
    """The neighbours of the refused ranges, and public addresses in wrappers."""
    assert refused(text) is None


def test_what_the_library_knows_is_refused_without_our_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is what 3.11 lacks and more; should a later Python know another network, that is refused too, and
    wrapped in IPv6 as well. Public addresses in wrappers stay public."""
    monkeypatch.setattr(addresses, "_DENIED", ())
    for text in ("10.1.2.3", "127.0.0.1", "::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"):
        assert refused(text) == f"{text} is not public"
    assert [text for text in ALLOWED if refused(text)] == []


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "2130706433", "0177.0.0.1", "1.2.3.4.5", "[::1]", "8.8.8.8/32"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Other spellings than the canonical ones are not guessed at."""
    assert refused(text)


def test_networks_that_are_named_may_be_reached() -> None:
    """allow_private opens what it names, wrapped or not, and nothing beside it."""
    allowed = networks(["127.0.0.0/8", " 10.1.0.0/16", "::1", "192.168.1.7/24"])
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "::1", "192.168.1.200"):
        assert refused(text, allowed) is None
    assert refused("2001:0:4136:e378:8000:63bf:80ff:fffe", allowed)  # Teredo, of 127.0.0.1: a tunnel of others
    for text in ("10.2.0.1", "169.254.169.254", "::2", "fe80::1"):
        assert refused(text, allowed)
    with pytest.raises(ValueError, match="nowhere"):
        networks(["nowhere"])


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32 - 1))
def test_a_wrapper_never_reaches_more_than_what_is_inside(number: int) -> None:
    """For every IPv4 address: mapped, NAT64 and 6to4 forms are refused whenever it is; and never is it laxer than
    the standard library."""
    inner = IPv4Address(number)
    wrapped = [0xFFFF << 32 | number, int(IPv6Address("64:ff9b::")) | number, 0x2002 << 112 | number << 80 | 1]
    if refused(str(inner)):
        assert all(refused(str(IPv6Address(text))) for text in wrapped)
    else:
        assert inner.is_global


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**128 - 1))
def test_ipv6_is_never_laxer_than_the_standard_library(number: int) -> None:
    """What ipaddress calls not global is refused, wrappers of public addresses apart; so is what nobody was given."""
    address = IPv6Address(number)
    if refused(str(address)) is None:
        wrappers = [IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "64:ff9b::/96")]
        assert any(address in network for network in [IPv6Network("2000::/3"), *wrappers])
        assert address.is_global or address in IPv6Network("2002::/16") or address.ipv4_mapped


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (" [::1]:8443 ", ("::1", 8443)),
        ("[0:0::1]:1", ("::1", 1)),
        ("::1:5", ("::1", 5)),
    ],
)
def test_endpoints_are_read(text: str, there: tuple[str, int]) -> None:
    """ip:port and [ip]:port, the address in the form that sockets report."""
    assert endpoint(text) == there
    assert str(ip_address(there[0])) == there[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1",
        "localhost:80",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "1.2.3.4:x",
        "1.2.3.4:+80",
        "1.2.3.4:8_0",
        "1.2.3.4: 80",
        ":80",
    ],
)
def test_endpoints_that_are_none_are_refused(text: str) -> None:
    """A name, no port, or a port that does not exist is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        endpoint(text)


@pytest.mark.parametrize("wrapped", ["{}", "::ffff:{}", "::{}", "64:ff9b::{}", "2002:a01:203::"])
def test_one_address_is_opened_to_its_last_bit(wrapped: str) -> None:
    """However it is wrapped, and none beside it."""
    text = wrapped.format("10.1.2.3")
    assert refused(text, networks(["10.1.2.3"])) is None
    for beside in ("10.1.2.2", "10.1.2.4", "10.1.3.3", "11.1.2.3"):
        assert refused(text, networks([beside]))


def test_the_two_first_addresses_carry_no_other() -> None:
    """`::` and `::1` are themselves; what follows them is an old way to write IPv4."""
    nothing = networks(["0.0.0.0/8"])
    assert refused("::", nothing)
    assert refused("::1", nothing)
    assert refused("::2", nothing) is None


def test_the_last_port_is_one() -> None:
    """65535; none after it, and none is 0."""
    assert endpoint("192.0.2.1:65535") == ("192.0.2.1", 65535)
    for text in ("192.0.2.1:65536", "192.0.2.1:0"):
        with pytest.raises(ValueError, match="ip:port"):
            endpoint(text)
