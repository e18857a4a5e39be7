"""What a command loads: heavy libraries only where they are used, since everybody waits for them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HEAVY = ("PIL", "aiohttp", "prometheus_client", "pyarrow", "pycurl", "rich", "uvloop", "pydantic")
SCRIPT = """
import json, sys
from crawler.cli.main import main
code = main(sys.argv[1:])
print("\\nLOADED", json.dumps([code, sorted(name for name in sys.modules if "." not in name)]))
"""


def loaded(*command: str, cwd: Path) -> tuple[int, set[str]]:
    """The exit code of a command, and those of HEAVY that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command], cwd=cwd, capture_output=True, text=True, timeout=60, check=True
    )
    code, names = json.loads(done.stdout.rpartition("\nLOADED ")[2])
    return code, set(names).intersection(HEAVY)


class Missing(BaseHTTPRequestHandler):
    """Has nothing, and counts who asked."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def host() -> Iterator[int]:
    """A host without pictures; its port."""
    Missing.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Missing)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_help_loads_nothing_that_is_heavy(tmp_path: Path) -> None:
    """`crawler --help` is the first thing that anybody does."""
    assert loaded("--help", cwd=tmp_path) == (0, set())


def test_a_run_loads_what_it_uses_and_status_what_it_shows(tmp_path: Path, host: int) -> None:
    """A run on the fast lane, to its end: no second HTTP client, no web server, no screen, no pictures."""
    (tmp_path / "list.txt").write_text(f"http://127.0.0.1:{host}/a.jpg\n")
    flags = ["--source.kind", "urls", "--source.path", "list.txt", "--output.dir", "out", "--limits.images.rate", "0"]
    network = ["--network.allow_private", "127.0.0.0/8", "--network.robots", "ignore"]
    code, names = loaded("run", *flags, *network, "-q", cwd=tmp_path)
    assert (code, Missing.asked) == (0, 1)
    assert names == {"pycurl", "pydantic", "uvloop"}
    code, names = loaded("status", "out", cwd=tmp_path)
    assert code == 0
    assert names <= {"pydantic", "rich"}
    code, names = loaded("export", "out", "--to", "webdataset", "--out", "tars", cwd=tmp_path)
    assert (code, names) == (0, set())
