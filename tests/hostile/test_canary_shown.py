"""Planted secrets, and those who show more than others: tracebacks with local variables, and a real terminal."""

import asyncio
import base64
import faulthandler
import http.server
import io
import os
import pickle
import pty
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler
from canary_kit import CANARY, ENV, KEY, PARTS, PASSWORD, clean
from judge import write_config
from planted import cli, look
from rich.console import Console
from rich.traceback import Traceback

from crawler.cli.main import main
from crawler.fetch.client import Client
from crawler.fetch.lane import CurlLane
from crawler.hidden import Hidden
from crawler.origin.server import origin_thread
from crawler.origin.work import Mix
from crawler.stop import StorageFailed
from crawler.store.objects import Objects
from crawler.watch.web import guard, listen

PACKAGE = str(Path(sys.modules["crawler"].__path__[0]))
KNOWN = base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()


class Bug(Exception):
    """Not one of ours."""


def printed(error: BaseException, *, all_ways: bool) -> str:
    """A traceback with the locals of every frame, as Python prints it; and as rich and pytest do, slowly."""
    ways = ["".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())]
    if not all_ways:
        return ways[0]
    screen = Console(file=io.StringIO(), width=200)
    how: Any = {"show_locals": True, "locals_max_string": 30, "extra_lines": 0}
    screen.print(Traceback.from_exception(type(error), error, error.__traceback__, **how))
    assert isinstance(screen.file, io.StringIO)
    ways.append(screen.file.getvalue())
    told = pytest.ExceptionInfo.from_exception(error)
    ways.append(str(told.getrepr(showlocals=True, style="long", truncate_locals=False)))
    return "\n".join(ways)


@pytest.mark.parametrize("transport", ["auto", "aiohttp"])
def test_locals_of_a_traceback_are_no_secret(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug on the wire with the session in hand, told by -v with all locals: every frame from the command to it."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ids.txt").write_text("59120000\n")
    told: list[str] = []
    dump = tmp_path / "dump"

    def broken(*_: object, **__: object) -> None:
        with dump.open("w") as file:
            faulthandler.dump_traceback(file)
        raise Bug("on the wire")

    monkeypatch.setattr(
        traceback, "print_exception", lambda error: told.append(printed(error, all_ways=transport == "auto"))
    )
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        asked = ["run", config, "-v", "--progress", "none", "--network.transport", transport]
        asked += ["--network.robots", "ignore"]
        # Below aiohttp's own frames there; where libcurl is told what to send here.
        monkeypatch.setattr(*((Client, "_guard") if transport == "aiohttp" else (CurlLane, "get")), broken)
        code, said = cli(*asked)
    assert code == 1, said
    assert "on the wire" in told[0]
    assert "PHPSESSID" not in told[0]
    assert "Cookie" in told[0], "the header was in hand"
    clean(said, *told, dump.read_bytes())


@pytest.mark.parametrize("transport", ["auto", "aiohttp"])
def test_no_frame_of_ours_shows_it(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in a run a bug may be: what every function has in its locals when it waits or ends."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        aiohttp.ClientResponse, "__repr__", lambda self: "<a reply>"
    )  # its own breaks it, if asked early
    (tmp_path / "ids.txt").write_text("59120000\n")
    seen: set[tuple[str, str, str]] = set()
    functions: set[str] = set()
    secrets = [part.decode() for part in PARTS]

    def looks(frame: FrameType, event: str, arg: object) -> None:
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if event != "return" or not file.startswith(PACKAGE) or "/origin/" in file or "/cli/" in file:
            return
        sys.setprofile(None)
        functions.add(name)
        for local, value in list(frame.f_locals.items()):
            shown = repr(value)
            if any(part in shown for part in secrets):
                seen.add((file.removeprefix(PACKAGE), name, local))
        sys.setprofile(looks)

    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY, mix=Mix(scale=0.1)) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        sys.setprofile(looks)
        try:
            code, said = cli("run", config, "-q", "--network.transport", transport)
        finally:
            sys.setprofile(None)
        assert origin.seen.requests
    assert code == 0, said
    assert {"api_request", "_visit", "open", "fetch_as"} <= functions
    assert not seen


def test_a_bug_of_a_page_does_not_show_its_token(tmp_path: Path) -> None:
    """Behind its door, in the query, as a bearer and as a cookie: locals of every frame; and the door itself."""
    door = listen("127.0.0.1", 0, tmp_path, writes=True)
    door.listener.close()
    token = str(door.token)
    told = [repr(door)]

    async def bug(request: web.Request) -> web.Response:
        raise Bug(request)

    @web.middleware
    async def outside(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Bug as error:
            told.append(printed(error, all_ways=len(told) == 1))
            return web.Response(status=500)

    async def ask() -> None:
        app = web.Application(middlewares=[outside, guard(token)])
        app.router.add_get("/", bug)
        ways = ({"params": {"token": token}}, {"headers": {"Authorization": f"Bearer {token}"}})
        async with TestClient(TestServer(app)) as client:
            for how in (*ways, {"cookies": {"crawler_token": token}}):
                assert (await client.get("/", **how)).status == 500

    asyncio.run(ask())
    assert len(told) == 4
    assert "shown" in told[1]
    assert token not in "".join(told)


def test_what_is_hidden_is_text_like_any_other() -> None:
    """Equal, sent and pickled as it is; its repr, that of what holds it and that of its pieces tell nothing."""
    hidden = Hidden(CANARY)
    assert (hidden, hash(hidden), hidden.encode(), len(hidden)) == (CANARY, hash(CANARY), CANARY.encode(), len(CANARY))
    assert f"{hidden}" == "".join(hidden) == pickle.loads(pickle.dumps(hidden)) == CANARY
    clean(
        repr(hidden),
        repr({"Cookie": hidden}),
        repr(hidden[:30]),
        f"{hidden!r:.99}",
        repr(pickle.loads(pickle.dumps(hidden))),
    )


# -- a terminal ------------------------------------------------------------------------------------------


def at_terminal(*words: object) -> tuple[int, bytes]:
    """Run a command in this process, as somebody at a terminal does: exit code, all that the terminal was sent."""
    master, slave = pty.openpty()
    told: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # EIO: the other end is closed
            while piece := os.read(master, 65536):
                told.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open(slave, "w") as screen, redirect_stdout(screen), redirect_stderr(screen):
            assert sys.stdout.isatty()
            code = main([str(word) for word in words])
    finally:
        reader.join()
        os.close(master)
    return code, b"".join(told)


def test_a_terminal_is_shown_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with its screen, status and tail; then a session that is refused, and a file that others can read."""
    for name, value in {**ENV, "TERM": "xterm-256color", "COLUMNS": "250", "LINES": "50"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ids.txt").write_text("59120000\n59120001\n")
    path = tmp_path / "session.txt"
    path.write_text(CANARY)
    path.chmod(0o640)
    out = tmp_path / "out"
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY, mix=Mix(scale=0.1)) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        for words, expected in (
            (("run", config, "-v"), 0),
            (("status", out), 0),
            (("tail", out), 0),
            (("run", config, "-v", "--site.session_file", path), 2),
        ):
            code, told = at_terminal(*words)
            assert code == expected, told
            assert told
            clean(told)
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session="another") as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        code, told = at_terminal("run", config, "-v", "--output.dir", tmp_path / "refused")
        assert code == 5, told
        assert b"refused the session" in told
        clean(told)
    for name, body in (*look(out).items(), *look(tmp_path / "refused").items()):
        clean(name, body)


# -- who repeats what it is told -------------------------------------------------------------------------


class Echo(http.server.BaseHTTPRequestHandler):
    """A proxy, or a store: says no, and what it was told."""

    heard: list[tuple[str, str, dict[str, str]]]

    def do_GET(self) -> None:
        self.heard.append((self.command, self.path, dict(self.headers.items())))
        told = str(sorted(self.headers.items(), key=lambda item: "uth" not in item[0]))  # what is secret comes first
        body = f"<Error><Code>InvalidAccessKeyId</Code><Message>{told}</Message></Error>".encode()
        self.send_response(403 if self.path.startswith("/") else 407, told)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_PUT = do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def echo() -> Iterator[tuple[int, list[tuple[str, str, dict[str, str]]]]]:
    """A server that refuses all, and repeats what it was told: as a proxy, or as an object store."""
    heard: list[tuple[str, str, dict[str, str]]] = []
    handler = type("Heard", (Echo,), {"heard": heard})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


CONFIG = """
[source]
path = "ids.txt"
[output]
dir = "{dir}"
[limits]
drain_s = 0
[limits.api]
rate = 0
[retry]
attempts = 2
base_s = 0.01
cap_s = 0.01
"""


def test_a_proxy_that_repeats_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told it, by CONNECT; its answer is in the log, on the screen and in status, without."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ids.txt").write_text("59120000\n")
    (tmp_path / "c.toml").write_text(CONFIG.format(dir="out"))
    with echo() as (port, heard):
        monkeypatch.setenv("CRAWLER_NETWORK__PROXY", f"http://somebody:{PASSWORD}@127.0.0.1:{port}")
        code, told = at_terminal("run", tmp_path / "c.toml", "-v")
        assert code == 4, told
        (tmp_path / "urls.txt").write_text("http://img.example/a.png\n")
        urls = ["--source.kind", "urls", "--source.path", tmp_path / "urls.txt", "--output.dir", tmp_path / "urls"]
        code, more = cli("run", tmp_path / "c.toml", "-v", *urls, "--limits.images.rate", 0)
        assert code == 3, more
    assert {(method, head.get("Proxy-Authorization")) for method, _, head in heard} == {
        ("CONNECT", f"Basic {KNOWN}"),
        ("GET", f"Basic {KNOWN}"),
    }
    said = [told, more, *(cli(words, tmp_path / "out")[1] for words in ("status", "tail"))]
    assert "Basic ***" in said[-1], "it was repeated"
    clean(*said, *look(tmp_path / "out").values(), *look(tmp_path / "urls").values())
    assert KNOWN not in repr([*said, *look(tmp_path / "out").values(), *look(tmp_path / "urls").values()])


def test_a_store_that_repeats_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's name and the token, which every request shows: commands that ask it, and what the library raises."""
    token = "CanaryTokenOfASession0123456789"
    (tmp_path / "ids.txt").write_text("59120000\n")
    (tmp_path / "c.toml").write_text(CONFIG.format(dir="s3://bucket/prefix"))
    with echo() as (port, heard):
        address = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "1", "AWS_REGION": "here"}
        for name, value in {**ENV, **address, "AWS_SESSION_TOKEN": token}.items():
            monkeypatch.setenv(name, value)
        said = [at_terminal("run", tmp_path / "c.toml", "-v")]
        said += [cli(words, "s3://bucket/prefix", "-v") for words in ("status", "tail", "verify")]
        with pytest.raises(StorageFailed) as raised:
            Objects.at("s3://bucket/prefix").put_now("key", b"")
    assert [code for code, _ in said] == [7] * 4, said
    assert any(KEY in str(head) and token in str(head) for _, _, head in heard), "it was told"
    shown = [told for _, told in said] + ["".join(traceback.format_exception(raised.value))]
    assert "***" in str(shown[0]), "and repeated it"
    clean(*shown)
    assert token[:20] not in repr(shown)
