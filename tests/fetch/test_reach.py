"""Where the door goes: addresses, TLS, resolve, proxy, redirects and the headers that go along."""

import asyncio
import ipaddress
import socket
import ssl
import tempfile
from pathlib import Path

import pytest
import trustme
from fetch_kit import FAST, Server, Want, door, named, real, reply
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from yarl import URL

from crawler.fetch.byway import tls_context
from crawler.fetch.exchange import Had
from crawler.fetch.settings import NetworkSettings
from crawler.fetch.trust import BadNetwork, Trust
from crawler.fetch.where import host_key, parse_url
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings

ONCE = RetrySettings(attempts=1, base_s=0.01)


def failed(got: Had | Failure) -> Failure:
    assert isinstance(got, Failure), got
    return got


SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[::7f00:1]:{port}/",
    "http://0.0.0.0:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://①②⑦.0.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://127.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0x7f000001:{port}/",
    "//127.0.0.1:{port}/",
    "http://10.0.0.1/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://0x7f.0.0.0x1:{port}/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@real
async def test_no_spelling_reaches_a_private_address(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for directly or by a redirect, no form of a private address is connected to: refused before any packet."""
    connects: list[object] = []
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def spy(sock: socket.socket, address: object) -> None:
        connects.append(address)
        await connect(sock, address)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "sock_connect", spy)
    async with Server(lambda _: reply(body=b"secret")) as inside:
        there_url = spelling.format(port=inside.port)
        front = Server(lambda _: reply(302, b"", location=there_url))
        async with front, door({"resolve": named(a=front)}, retry=FAST) as there:
            got = failed(await there.get(Want("http://a.test/")))
            assert got.kind in (Kind.ADDRESS, Kind.REDIRECT, Kind.BAD_URL, Kind.DNS), got
            if not there_url.startswith("//"):
                got = failed(await there.get(Want(there_url)))
                assert got.kind in (Kind.ADDRESS, Kind.BAD_URL, Kind.DNS), got
            if "localhost" in there_url or "[::1]" in there_url or "//127.0.0.1" in spelling:
                assert got.kind in (Kind.ADDRESS, Kind.REDIRECT)
        assert inside.seen == []
        assert set(connects) <= {("127.0.0.1", front.port)}


@real
async def test_addresses_that_are_named_may_be_reached() -> None:
    """allow_private opens a network; resolve opens one address and port, and not its neighbour's."""
    async with Server(lambda _: reply()) as one, Server(lambda _: reply()) as two:
        async with door({"allow_private": ["127.0.0.0/8"]}) as there:
            assert await there.get(Want(f"http://127.0.0.1:{one.port}/")) == Had(1)
            assert await there.get(Want(f"http://localhost:{two.port}/")) == Had(1)
        async with door({"resolve": named(a=one)}) as there:
            assert await there.get(Want(f"http://127.0.0.1:{one.port}/")) == Had(1)
            assert failed(await there.get(Want(f"http://127.0.0.1:{two.port}/"))).kind is Kind.ADDRESS


@real
async def test_resolve_connects_there_and_changes_nothing_else() -> None:
    """Whatever port the URL names, name or literal: another socket, the same Host, the same URL in the head."""
    async with Server(lambda _: reply()) as server:
        resolve = {"A.test": server.there, "93.184.216.34": server.there, "2606:2800::1": server.there}
        async with door({"resolve": resolve}) as there:
            for url, host in [
                ("http://a.test/p?q=%27", "a.test"),
                ("http://a.test:8081/p?q=%27", "a.test:8081"),
                ("http://93.184.216.34/p?q=%27", "93.184.216.34"),
                ("http://[2606:2800::1]:99/p?q=%27", "[2606:2800::1]:99"),
            ]:
                want = Want(url)
                assert await there.get(want) == Had(1)
                assert (server.seen[-1].path, server.seen[-1].headers["host"]) == ("/p?q=%27", host)
                assert want.heads[0].url == url


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


def serving(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@real
async def test_tls_is_verified_by_the_name_in_the_url(ca: tuple[trustme.CA, Path]) -> None:
    """With the CA and the right name it passes; without the CA, or with another name, nothing is sent at all."""
    authority, path = ca
    async with Server(lambda _: reply(), tls=serving(authority, "a.test", "93.184.216.34")) as server:
        resolve = {"a.test": server.there, "b.test": server.there, "93.184.216.34": server.there}
        async with door({"resolve": resolve, "ca_file": str(path)}, retry=ONCE) as there:
            assert await there.get(Want("https://a.test/")) == Had(1)
            assert await there.get(Want("https://93.184.216.34/")) == Had(1)
            assert failed(await there.get(Want("https://b.test/"))).kind is Kind.TLS
        async with door({"resolve": resolve}, retry=ONCE) as there:
            assert failed(await there.get(Want("https://a.test/"))).kind is Kind.TLS
        assert len(server.seen) == 2


@real
async def test_plain_http_where_tls_is_spoken_and_the_other_way_round(ca: tuple[trustme.CA, Path]) -> None:
    """Wrong protocol: a failure, not an exception."""
    async with (
        Server(lambda _: reply()) as plain,
        Server(lambda _: reply(), tls=serving(ca[0], "b.test")) as tls,
        door({"resolve": named(a=plain, b=tls), "connect_s": 0.2}, retry=ONCE) as there,
    ):
        assert failed(await there.get(Want("https://a.test/"))).kind in (Kind.TLS, Kind.CONNECT_TIMEOUT)
        assert failed(await there.get(Want("http://b.test/"))).kind in (Kind.RESET, Kind.PROTOCOL)


def test_a_ca_file_adds_and_a_bad_one_is_told(ca: tuple[trustme.CA, Path], tmp_path: Path) -> None:
    """ca_file is in addition to the system's; a missing or empty one stops with exit code 2, naming the file."""
    system = len(tls_context("").get_ca_certs())
    assert len(tls_context(str(ca[1])).get_ca_certs()) == system + 1
    assert tls_context("").verify_mode is ssl.CERT_REQUIRED
    (tmp_path / "junk.pem").write_text("junk")
    for name in ("missing.pem", "junk.pem"):
        with pytest.raises(BadNetwork, match=name) as caught:
            tls_context(str(tmp_path / name))
        assert caught.value.code == 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="a file without a name cannot be opened here")
def test_what_libcurl_trusts_leaves_nothing_behind(
    ca: tuple[trustme.CA, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that libcurl reads holds the system's certificates and ours, and has no name that a kill would leave."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trust = Trust(str(ca[1]))
    context = tls_context("")
    before = len(context.get_ca_certs())
    context.load_verify_locations(cafile=trust.path())
    assert len(context.get_ca_certs()) == before + 1
    assert list(tmp_path.iterdir()) == []
    trust.close()


@real
async def test_nothing_listens() -> None:
    """A refused connection is CONNECT, a name that does not exist DNS; a re-run may cure both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        async with door({"resolve": {"a.test": f"127.0.0.1:{port}"}}, retry=FAST) as there:
            got = failed(await there.get(Want("http://a.test/")))
            assert (got.kind, got.attempts, got.permanent) == (Kind.CONNECT, 3, False)


@real
async def test_a_connection_that_never_comes_is_a_timeout() -> None:
    """connect_s covers TCP and the TLS handshake: a server that accepts and stays silent is CONNECT_TIMEOUT."""

    async def silent(_r: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(5)
        finally:
            writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with door({"resolve": {"a.test": f"127.0.0.1:{port}"}, "connect_s": 0.2}, retry=ONCE) as there:
        assert failed(await there.get(Want("https://a.test/"))).kind is Kind.CONNECT_TIMEOUT
    server.close()


@real
async def test_headers_are_built_anew_for_each_hop() -> None:
    """Public headers go along, Referer to no other host; the secret is seen by the first origin alone, also
    when a later hop returns to it."""

    def first(seen):
        return reply() if seen.path == "/back" else reply(302, b"moved", location="http://b.test/x?y=1#z")

    async with (
        Server(first) as a,
        Server(lambda _: reply(307, b"", location="http://a.test/back")) as b,
        door({"resolve": named(a=a, b=b), "user_agent": "me/1"}) as there,
    ):
        want = Want("http://a.test/1", headers={"Referer": "https://r/"}, secret={"Cookie": "PHPSESSID=canary"})
        assert await there.get(want) == Had(1)
        assert (a.paths(), b.paths()) == (["/1", "/back"], ["/x?y=1"])
        assert [seen.headers.get("cookie") for seen in a.seen] == ["PHPSESSID=canary"] * 2
        assert "canary" not in str(b.seen)
        assert [seen.headers.get("referer") for seen in a.seen + b.seen] == ["https://r/", "https://r/", None]
        assert {seen.headers["user-agent"] for seen in a.seen + b.seen} == {"me/1"}
        assert want.heads[0].url == "http://a.test/back"
        assert (there.requests, [h.requests for h in there.hosts()]) == (3, [2, 1])


@pytest.mark.parametrize("hop", ["http://a.test:81/x", "https://a.test/x", "http://sub.a.test/x"])
@real
async def test_the_secret_is_bound_to_scheme_host_and_port(hop: str, ca: tuple[trustme.CA, Path]) -> None:
    """Another port, another scheme, a sub-domain: another origin, no secret."""
    authority, path = ca
    tls = serving(authority, "a.test") if hop.startswith("https") else None
    async with Server(lambda _: reply(), tls=tls) as second:
        async with Server(lambda _: reply(302, b"", location=hop)) as first:
            # `resolve` sends every port of a host to one place, so each hop gets a host of its own behind the scenes.
            resolve = {"a.test": first.there, "sub.a.test": second.there}
            network = {"resolve": resolve, "ca_file": str(path), "max_redirects": 1, "connect_s": 0.3}
            async with door(network, retry=ONCE) as there:
                got = await there.get(Want("http://a.test/", secret={"Cookie": "canary"}))
        if hop.startswith("http://sub"):
            assert got == Had(1)
            assert "canary" not in str(second.seen)
        else:
            seen = [s for s in first.seen if s.headers["host"] != "a.test"]
            assert "canary" not in str(seen)
            assert [s.headers.get("cookie") for s in first.seen if s.headers["host"] == "a.test"] == ["canary"]


@real
async def test_cookies_are_never_kept() -> None:
    """What a server sets is not sent back: no session but the user's, to no other host."""
    async with Server(lambda _: reply(set_cookie="a=1; Path=/")) as server, door({"resolve": named(a=server)}) as there:
        await there.get(Want("http://a.test/"))
        await there.get(Want("http://a.test/"))
        assert all("cookie" not in seen.headers for seen in server.seen)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ftp://a.test/",
        "file:///etc/hostname",
        "javascript:1",
        "http://",
        "http://[::1",
        "http://u:p@a.test/",
        "http://a b/",
    ],
)
@real
async def test_redirects_to_nowhere_are_failures(location: str) -> None:
    """No Location, another scheme, junk, credentials: REDIRECT, final at once."""
    async with (
        Server(lambda _: reply(301, b"", location=location)) as server,
        door({"resolve": named(a=server)}, retry=FAST) as there,
    ):
        got = failed(await there.get(Want("http://a.test/")))
        assert (got.kind, got.permanent, len(server.seen)) == (Kind.REDIRECT, True, 1)


@real
async def test_redirects_are_counted_and_never_go_down_to_http(ca: tuple[trustme.CA, Path]) -> None:
    """A loop ends after max_redirects; https to http is refused; a relative Location is joined."""
    authority, path = ca
    async with (
        Server(lambda s: reply(302, b"", location="?" + s.path[-1])) as loops,
        Server(lambda _: reply(302, b"", location="http://a.test/"), tls=serving(authority, "b.test")) as down,
        door({"resolve": named(a=loops, b=down), "ca_file": str(path), "max_redirects": 3}) as there,
    ):
        assert failed(await there.get(Want("http://a.test/d/x"))).kind is Kind.REDIRECT
        assert loops.paths() == ["/d/x", "/d/x?x", "/d/x?x", "/d/x?x"]
        assert failed(await there.get(Want("https://b.test/"))).kind is Kind.REDIRECT
        assert len(loops.seen) == 4


@real
async def test_a_proxy_is_used_and_literals_are_still_checked() -> None:
    """All goes to the proxy; the private address in a URL is refused before it, a dead or refusing proxy is PROXY."""
    async with (
        Server(lambda s: reply(407, b"") if s.path.startswith("b.test") else reply(body=s.path.encode())) as proxy,
        door({"proxy": f"http://127.0.0.1:{proxy.port}"}, retry=ONCE) as there,
    ):
        want = Want("http://a.test/x")
        assert await there.get(want) == Had(1)
        assert want.body == b"http://a.test/x"
        assert failed(await there.get(Want("https://b.test/"))).kind is Kind.PROXY
        assert failed(await there.get(Want("http://169.254.169.254/"))).kind is Kind.ADDRESS
        assert len(proxy.seen) == 2
    async with door({"proxy": f"http://127.0.0.1:{proxy.port}"}, retry=ONCE) as there:
        assert failed(await there.get(Want("http://a.test/x"))).kind is Kind.PROXY


@real
async def test_the_environment_is_not_asked_for_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """trust_env is off: HTTP_PROXY changes nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with Server(lambda _: reply()) as server, door({"resolve": named(a=server)}) as there:
        assert await there.get(Want("http://a.test/")) == Had(1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "/x",
        "ftp://a.test/",
        "http://",
        "http://a.test:0/",
        "http://a%00b/",
        "http://a b/",
        "http://" + "a" * 64 + ".test/",
    ],
)
@real
async def test_a_url_that_is_none_is_a_failure(url: str) -> None:
    """BAD_URL, at once and without a request; a label that IDNA refuses may show only when the name is looked up."""
    async with door(retry=FAST) as there:
        got = failed(await there.get(Want(url)))
        assert got.kind in ((Kind.BAD_URL,) if len(url) < 60 else (Kind.BAD_URL, Kind.DNS))


@real
async def test_a_header_with_a_line_break_is_not_sent() -> None:
    """What a site puts into a header cannot smuggle another one."""
    async with Server(lambda _: reply()) as server, door({"resolve": named(a=server)}, retry=ONCE) as there:
        got = failed(await there.get(Want("http://a.test/", headers={"Referer": "x\r\nX-Evil: 1"})))
        assert (got.kind, server.seen) == (Kind.BAD_URL, [])


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30) | st.text(max_size=20).map(lambda tail: "http://" + tail))
def test_parsing_any_text_gives_a_url_or_a_value_error(text: str) -> None:
    """Nothing else is raised, and what comes out is http(s) with a host."""
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert url.scheme in ("http", "https")
    assert host_key(url)


def test_urls_keep_their_spelling_and_hosts_have_keys() -> None:
    """What is plain ASCII is sent as it was given; the port is part of the key where it is unusual."""
    signed = "https://i.test/a%2Fb%7E?sig=%27+%2B&x=~"
    assert str(parse_url(signed)) == signed
    assert str(parse_url("http://a.test/画")) == "http://a.test/%E7%94%BB"
    assert str(parse_url("../c", URL("http://a.test/b/d"))) == "http://a.test/c"
    keys = ["http://A.test/", "https://a.test./", "http://a.test:443/", "https://a.test:443/", "http://[::1]:81/"]
    assert [host_key(parse_url(key)) for key in keys] == ["a.test", "a.test", "a.test:443", "a.test", "::1:81"]


@pytest.mark.parametrize(
    "bad",
    [{"resolve": {"a": "b:80"}}, {"resolve": {"a": "1.2.3.4"}}, {"allow_private": ["x"]}, {"proxy": "socks5://a:1"}],
)
def test_settings_that_cannot_work_are_refused_early(bad: dict[str, object]) -> None:
    """A bad address, network or proxy is an error of the config, not of the first request."""
    with pytest.raises(ValidationError):
        NetworkSettings(**bad)  # type: ignore[arg-type]
    assert ipaddress.ip_address("127.0.0.1").is_loopback
