"""`crawler demo`: what somebody who has nothing yet sees, with the live page if he asks for it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from crawler.cli.main import main


def test_the_page_is_up_while_it_crawls(tmp_path: Path) -> None:
    """--page-port 0 takes a free port, says the URL before the first work, and goes slowly enough to be looked at."""
    command = [sys.executable, "-m", "crawler", "demo", "d", "--page-port", "0", "--progress", "none"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        url = ""
        for line in child.stderr:
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            if found:
                url = found[0]
                break
        assert url
        with urllib.request.urlopen(url + "metrics", timeout=60) as reply:
            said = reply.read().decode()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    assert "crawler_" in said
    assert child.returncode == 130
    assert "crawler status d/data" in out
    status = json.loads((tmp_path / "d" / "data" / "status.json").read_text())
    assert status["pending"] > 200


def test_a_port_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is made."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["demo", "d", "--page-port", port]) == 2
    assert f"--page-port {port}: " in capsys.readouterr().err
    assert main(["demo", "d", "--page-port", "70000"]) == 2
    assert list(tmp_path.iterdir()) == []
