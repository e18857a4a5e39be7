"""The live page as a server: who may look, what is told, and that the run never pays for it."""

import asyncio
import re
import socket
import stat
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from page_kit import frames, served

from crawler.events import Described, Stored
from crawler.log.codec import encode
from crawler.model import Image
from crawler.origin.paint import picture
from crawler.progress import Snapshot
from crawler.watch import page as page_module
from crawler.watch.web import kept_token, listen, names_loopback

TOKEN = "a-token-of-twenty-letters"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


class Told:
    """A run that goes on by two works a look."""

    def __init__(self, now: Snapshot) -> None:
        self.now = now

    def __call__(self) -> Snapshot:
        now = self.now
        self.now = replace(now, t=now.t + 2, done=now.done + 2, pending=now.pending - 2, new_works=now.new_works + 2)
        return self.now


@pytest.fixture
def told() -> Told:
    """BUSY of tests/watch, built here: the two folders share no module."""
    return Told(
        Snapshot(
            t=1.7e9, elapsed_s=60, phase="crawling", listed=1000, done=10, gone=2, failed=1, pending=987, in_flight=4,
            images=30, bytes=3000, new_images=30, new_bytes=3000, new_works=13, expected_images=33, failed_images=1,
            requests=50, retries=2, reasons={"not_found": 2}, directory="data/<b>x</b>",
        )
    )  # fmt: skip


def test_everything_comes_from_here_and_says_so(tmp_path: Path, told: Told) -> None:
    """Each file has the strict policy; the page names nothing but files that are served; nothing else is."""

    async def main() -> None:
        async with served(tmp_path, told) as live:
            for path in ("/", "/tokens.css", "/page.css", "/page.js", "/chart.js", "/icon.svg", "/metrics"):
                response = await live.get(path)
                assert response.status == 200, path
                assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
                assert "unsafe" not in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
            text = await (await live.session.get(live.url + "/")).text()
            named = re.findall(r'(?:src|href)="([^"]*)"', text)
            assert set(named) == {"/icon.svg", "/tokens.css", "/page.css", "/page.js", "/chart.js", "/metrics"}
            for path in (
                "/log.jsonl",
                "/thumb/../log.jsonl",
                "/static/page.js",
                "/thumb/" + "0" * 20 + ".jpg",
                "//etc",
            ):
                assert (await live.get(path)).status == 404, path
            async with live.session.post(live.url + "/") as response:
                assert response.status == 405

    run(main())


def test_all_then_changes_then_the_end(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who looks is told everything, then what changes, then that the run is over, with its last numbers."""
    monkeypatch.setattr(page_module, "LOOK_S", 0.05)
    monkeypatch.setattr(page_module, "GLANCE_S", 0.05)

    async def main() -> None:
        async with served(tmp_path, told) as live:
            names, last = [], {}
            async with live.session.get(live.url + "/events") as response:
                assert response.headers["Content-Type"].startswith("text/event-stream")
                async for name, body in frames(response):
                    names.append(name)
                    if name == "tick":
                        last = body["state"]
                    if len(names) == 4:
                        live.done.set()
            assert names[:4] == ["hello", "tick", "tick", "tick"]
            assert names[-1] == "end"
            assert last["done"] == told.now.done
            assert live.warned == []

    run(main())


def test_the_wall_shows_images_of_the_disk(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that the log names comes as a thumbnail, veiled if its work is rated; a path out of the folder never."""
    monkeypatch.setattr(page_module, "LOOK_S", 0.05)
    (tmp_path / "images" / "007").mkdir(parents=True)
    (tmp_path / "images" / "007" / "7_p0.png").write_bytes(picture(("a",), 300, 200, "png"))
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(picture(("b",), 300, 200, "png"))
    describe = Described(7, (Image(0, "https://i.pximg.net/7.png"),), {"xRestrict": 1})
    stored = Stored(7, 0, "images/007/7_p0.png", 9, "00", "image/png", 300, 200, "original", "u")
    escape = stored._replace(id=8, path="../outside.png")
    absolute = stored._replace(id=9, path=str(outside))
    events = (describe, stored, escape, absolute)
    (tmp_path / "log.jsonl").write_bytes(b"".join(encode("abc", n, "t", event) for n, event in enumerate(events, 1)))

    async def main() -> None:
        async with served(tmp_path, told) as live, live.session.get(live.url + "/events") as response:
            tiles: list[dict[str, Any]] = []
            async for name, body in frames(response):
                tiles += body.get("wall", [])
                if tiles and name == "tick":
                    break
            assert [(tile["id"], tile["veiled"]) for tile in tiles] == [("7", True)]
            thumb = await live.get(f"/thumb/{tiles[0]['key']}.jpg")
            assert (thumb.status, thumb.content_type) == (200, "image/jpeg")

    run(main())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("0.0.0.0", 403),
        ("x@evil.example", 403),
    ],
)
def test_only_the_right_host_on_loopback(tmp_path: Path, told: Told, host: str, status: int) -> None:
    """A name that someone made to resolve to 127.0.0.1 reads nothing: neither page, metrics, events nor files."""

    async def main() -> None:
        async with served(tmp_path, told) as live:
            for path in ("/", "/metrics", "/page.js"):
                assert (await live.get(path, Host=host)).status == status

    run(main())


def test_other_sites_embed_nothing(tmp_path: Path, told: Told) -> None:
    """A page elsewhere that asks for a part of this one is refused; following a link to it is not."""

    async def main() -> None:
        async with served(tmp_path, told) as live:
            for path in ("/events", "/metrics", "/page.js"):
                assert (await live.get(path, **{"Sec-Fetch-Site": "cross-site"})).status == 403
            assert (await live.get("/", **{"Sec-Fetch-Site": "cross-site"})).status == 200

    run(main())


HERE = b"Host: 127.0.0.1\r\n"
ODD = {
    b"GET /metrics HTTP/1.1\r\nHost: evil.example@127.0.0.1\r\n\r\n": 403,
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1/.evil.example\r\n\r\n": 403,
    b"GET /metrics HTTP/1.1\r\nHost: localhost#.evil.example\r\n\r\n": 403,
    b"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n": 403,
    b"GET /metrics HTTP/1.0\r\n\r\n": 403,
    b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n" + HERE + b"\r\n": 400,
    b"GET /metrics HTTP/1.1\r\n" + HERE + b"Accept: application/openmetrics-text;version=1.x\xff\r\n\r\n": 200,
    b"TRACE / HTTP/1.1\r\n" + HERE + b"\r\n": 405,
    b"OPTIONS / HTTP/1.1\r\n" + HERE + b"Origin: http://evil.example\r\n\r\n": 405,
    b"GET /events HTTP/1.1\r\n" + HERE + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n": 200,
    b"GET /thumb/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + HERE + b"\r\n": 404,
    b"GET /page.js%00.css HTTP/1.1\r\n" + HERE + b"\r\n": 404,
    b"GET /?token=" + TOKEN.encode() + b"a" * 9000 + b" HTTP/1.1\r\n" + HERE + b"\r\n": 400,
    b"GET / HTTP/1.1\r\n" + HERE + b"Cookie: \x01\x1b[2J\r\n\r\n": 400,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 400,
    b"\x16\x03\x01\x02" + bytes(500): 400,
}


def test_odd_requests_are_answered_and_no_news(tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Hosts that only begin like this machine, methods and upgrades that nobody offers, and what is no request at all:
    refused, and nothing of it is said on the terminal of the run; least of all the token."""

    async def main() -> None:
        async with served(tmp_path, told) as live:
            for request, status in ODD.items():
                reader, writer = await asyncio.open_connection("127.0.0.1", int(live.url.rpartition(":")[2]))
                writer.write(request)
                line = await reader.readline()
                assert line.split(b" ")[1] == str(status).encode(), (request, line)
                writer.close()
            assert live.warned == []

    run(main())
    assert caplog.records == []


def test_elsewhere_a_token_is_needed(tmp_path: Path, told: Told) -> None:
    """In the URL, as a bearer, or as the cookie that the URL left behind; without, nothing is told."""

    async def main() -> None:
        async with served(tmp_path, told, token=TOKEN) as live:
            for path in ("/", "/events", "/metrics", "/page.js", "/?token=", "/?token=wrong", "/none"):
                assert (await live.get(path)).status == 401, path
            assert (await live.get("/", Cookie="crawler_token=wrong")).status == 401
            assert (await live.get("/metrics", Authorization=f"Bearer {TOKEN}")).status == 200
            first = await live.get(f"/?token={TOKEN}", Host="any.name")
            assert first.status == 200
            cookie = first.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert (await live.get("/page.js", Cookie=cookie.partition(";")[0])).status == 200

    run(main())


def test_the_token_stays_and_is_private(tmp_path: Path) -> None:
    """One token a folder, readable by its owner alone; a damaged one is replaced."""
    path = tmp_path / ".crawl" / "page-token"
    token = kept_token(path)
    assert len(token) >= 20
    assert kept_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    assert kept_token(path) not in ("short", token)


def test_a_door_is_open_to_this_machine_or_asks_for_a_token(tmp_path: Path) -> None:
    """Loopback addresses need no token; the wildcard gets one, in its URL. A port in use is an error at once."""
    for host in ("127.0.0.1", "localhost"):
        door = listen(host, 0, tmp_path)
        assert door.token == ""
        with pytest.raises(OSError, match="in use"):
            listen(host, int(door.listener.getsockname()[1]), tmp_path)
        door.listener.close()
    door = listen("0.0.0.0", 0, tmp_path)
    assert door.url.endswith(f"/?token={door.token}")
    assert door.token
    door.listener.close()
    assert not names_loopback("[")
    assert not names_loopback("")


def test_a_page_that_breaks_does_not_break_the_run(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of the page ends the page: it says so, and returns as if the run were over."""
    monkeypatch.setattr(page_module, "GLANCE_S", 0.02)
    looks = iter([told(), told()])

    async def main() -> None:
        async with served(tmp_path, lambda: next(looks)) as live:
            await asyncio.wait_for(live.warning.wait(), 30)
            assert "the live page is off" in live.warned[0]
            assert "the run goes on" in live.warned[0]
            with pytest.raises(aiohttp.ClientConnectionError):
                await live.get("/")

    run(main())


def test_one_who_stops_reading_holds_nobody_up(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer whose line is stuck is let go after a while; the run ends in time all the same."""
    monkeypatch.setattr(page_module, "LOOK_S", 0.01)
    monkeypatch.setattr(page_module, "STALLED_S", 0.3)
    told.now = replace(told.now, directory="x" * 400_000)

    async def main() -> None:
        async with served(tmp_path, told) as live:
            port = int(live.url.rpartition(":")[2])
            stuck = socket.socket()
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with stuck:
                stuck.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(stuck, ("127.0.0.1", port))
                await loop.sock_sendall(stuck, b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.sleep(0.8)
                before = loop.time()
                assert (await live.get("/metrics")).status == 200
                live.done.set()
            assert loop.time() - before < 20
        assert live.warned == []

    run(main())


def test_a_port_in_use_is_told_before_the_run(tmp_path: Path) -> None:
    """Exit 2, with the key, the place it came from and the reason; nothing was asked of any site."""
    from judge import command

    (tmp_path / "ids.txt").write_text("1\n")
    (tmp_path / "c.toml").write_text('[source]\npath = "ids.txt"\n[output]\ndir = "out"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command("run", tmp_path / "c.toml", "--ui.page_port", port)
    assert done.code == 2
    assert re.search(rf"^--ui.page_port: cannot listen on 127.0.0.1 port {port}: .*in use", done.err)
    assert not (tmp_path / "out").exists()
