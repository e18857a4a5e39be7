"""Ray dies or hangs while it starts, or what is at the address is no Ray: the command ends in plain words, in time."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from judge import judge
from origin_process import far_origin
from ray_kit import config_of, kill, nodes, of_ray, start, wait_for

pytestmark = pytest.mark.timeout(400)
TWO = "[cluster]\nworkers = 2"
LATE = Path(__file__).with_name("ray_late.py")


@pytest.mark.long
@pytest.mark.parametrize(
    ("what", "later_s"),
    [("raylet/raylet", 0.0), ("raylet/raylet", 1.5), ("raylet/raylet", 4.0), ("gcs/gcs_server", 0.6)],
)
def test_a_part_of_our_own_ray_dies_while_it_starts(tmp_path: Path, short: Path, what: str, later_s: float) -> None:
    """SIGKILL of the raylet or of the head's books, so long after they came: the command ends with a code of its own
    and in plain words, and the same command again does the work."""
    ids = list(range(300_000, 300_400))
    with far_origin(tmp_path, seed=31) as origin:
        config = config_of(tmp_path, origin, ids, TWO)
        run = start(config)
        try:
            found = wait_for(lambda: [pid for pid, text in of_ray(short).items() if what in text.split(" ")[0]])
            time.sleep(later_s)
            kill(found)
            code = run.wait(200)
        finally:
            run.kill()
        said = config.with_name("run.log").read_text()
        assert code in (1, 2), said
        assert "run the same command again" in said
        assert "Traceback" not in said
        assert "this is a bug" not in said
        assert start(config).wait(120) == 0, config.with_name("run.log").read_text()
        judge(origin.world, tmp_path / "out", ids)


def _nonsense(listening: socket.socket) -> None:
    """Answers whatever comes with what no Ray would say."""
    while True:
        try:
            caller, _ = listening.accept()
            caller.recv(999)
            caller.sendall(b"HTTP/1.1 200 OK\r\n\r\nnonsense\n")
            caller.close()
        except OSError:
            return


def _late(tmp_path: Path, address: str) -> tuple[int, str]:
    """How `crawler run` ends that waits for six seconds, and what it says."""
    (tmp_path / "ids.txt").write_text("1\n")
    (tmp_path / "c.toml").write_text('[source]\npath = "ids.txt"\n[output]\ndir = "out"\n')
    words = [sys.executable, str(LATE), "6", "run", "c.toml", "--ray", address, "--progress", "plain"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.parametrize("answers", [True, False], ids=["nonsense", "silence"])
def test_what_listens_there_is_no_ray(tmp_path: Path, answers: bool) -> None:
    """A server that speaks nonsense, or nothing: Ray itself would try for ever, the command ends when its time is up,
    and names the address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.9", 0))
        listening.listen(20)
        if answers:
            threading.Thread(target=_nonsense, args=(listening,), daemon=True).start()
        address = f"127.0.0.9:{listening.getsockname()[1]}"
        code, said = _late(tmp_path, address)
        listening.shutdown(socket.SHUT_RDWR)
    assert code == 1, said
    assert f"--ray {address}: no answer in 6 s" in said
    assert not (tmp_path / "out" / "log.jsonl").exists()


@pytest.mark.long
def test_the_head_hangs(tmp_path: Path) -> None:
    """SIGSTOP of the head's books: the same, and nothing was asked."""
    with nodes(1) as made:
        books = [pid for pid, text in of_ray(made.home).items() if "gcs/gcs_server" in text.split(" ")[0]]
        assert books
        for pid in books:
            os.kill(pid, signal.SIGSTOP)
        code, said = _late(tmp_path, made.address)
        for pid in books:
            os.kill(pid, signal.SIGCONT)
    assert code == 1, said
    assert f"--ray {made.address}: no answer in 6 s" in said
