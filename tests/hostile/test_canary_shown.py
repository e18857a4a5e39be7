"""Planted secrets, and those who show more than others: tracebacks with local variables, and a real terminal."""

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
from canary_kit import CANARY, ENV, PARTS, PASSWORD, clean
from judge import write_config
from planted import cli, look
from rich.console import Console
from rich.traceback import Traceback

from crawler.cli.main import main
from crawler.fetch.client import Client
from crawler.fetch.lane_transfer import Transfer
from crawler.hidden import Hidden
from crawler.origin.server import origin_thread
from crawler.origin.work import Mix

PACKAGE = str(Path(sys.modules["crawler"].__path__[0]))
KNOWN = base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()


class Bug(Exception):
    """Not one of ours."""


def printed(error: BaseException) -> str:
    """A traceback with the locals of every frame, as Python, rich and pytest print it."""
    ways = ["".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())]
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

    def broken(*_: object) -> None:
        with dump.open("w") as file:
            faulthandler.dump_traceback(file)
        raise Bug("on the wire")

    monkeypatch.setattr(traceback, "print_exception", lambda error: told.append(printed(error)))
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        asked = ["run", config, "-v", "--progress", "none", "--network.transport", transport]
        asked += ["--network.robots", "ignore"]
        # Below aiohttp's own frames there; where libcurl's answer is waited for here.
        monkeypatch.setattr(*((Client, "_guard") if transport == "aiohttp" else (Transfer, "head")), broken)
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


# -- a proxy that wants a password ---------------------------------------------------------------------


class Proxy(http.server.BaseHTTPRequestHandler):
    """Says no, and what it heard."""

    heard: list[tuple[str, str, dict[str, str]]]

    def do_GET(self) -> None:
        self.heard.append((self.command, self.path, dict(self.headers.items())))
        body = f"<Error><Code>InvalidAccessKeyId</Code><Message>{self.headers.items()}</Message></Error>".encode()
        self.send_response(
            407 if self.path.startswith("http:") or self.command == "CONNECT" else 403, str(self.headers.items())[:500]
        )
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
    handler = type("Heard", (Proxy,), {"heard": heard})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


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
