"""Laws of starter.py: a command that is a fork is, for all that a test can see, a command that was started."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import starter
from starter import CRAWLER, popen, run

WAYS = ("fresh", *(("forked",) if hasattr(os, "pidfd_open") else ()))


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Whether commands are forked from here on."""
    warm = starter.warm or starter.Warm()
    monkeypatch.setattr(starter, "warm", warm if request.param == "forked" else None)
    yield request.param
    monkeypatch.undo()
    if warm is not starter.warm:
        warm.close()


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_streams_folder_environment_and_code(way: str, tmp_path: Path) -> None:
    """What goes in and comes out is the command's own, and so are the folder and the variables it looks at."""
    (tmp_path / "c.toml").write_text('[source]\npath = "-"\n[output]\ndir = "out"\n')
    environment = {**os.environ, "CRAWLER_LIMITS__WORKS": "7"}
    said = run([*CRAWLER, "plan", "c.toml"], cwd=tmp_path, env=environment, input="5\n6\nfive\n")
    assert said.returncode == 0, said.stderr
    assert "2 ids" in said.stdout
    assert "<stdin>:3: five" in said.stderr
    shown = run([*CRAWLER, "config", "c.toml"], cwd=tmp_path, env=environment).stdout
    assert "CRAWLER_LIMITS__WORKS" in shown
    assert "CRAWLER_LIMITS__WORKS" not in run([*CRAWLER, "config", "c.toml"], cwd=tmp_path).stdout
    wrong = run([*CRAWLER, "no-such-command"])
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no-such-command" in wrong.stderr


@pytest.mark.parametrize("way", WAYS, indirect=True)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_it_can_be_told_to_end(way: str, number: int, code: int) -> None:
    """Signals reach it and nobody else; how it ended is told as of any process."""
    with popen([*CRAWLER, "origin"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[network]\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.parametrize("way", WAYS[1:], indirect=True)
def test_in_a_shell(way: str, tmp_path: Path) -> None:
    """`crawler`, as it is typed: its pipes, its folder and its exit code are those of a program that was started."""
    assert starter.warm is not None
    environment, inherited = starter.warm.in_a_shell(tmp_path, os.environ)
    text = "cd /; printf '5\\n6\\n' | crawler plan --source.path - | grep ids; crawler runn; echo $?"
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=environment,
        pass_fds=inherited,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 ids" in done.stdout
    assert done.stdout.endswith("\n2\n")
    assert "runn" in done.stderr


def test_what_an_interpreter_reads_when_it_starts_takes_a_new_one() -> None:
    """A command with another PYTHONHASHSEED is no fork of an interpreter that has begun already."""
    assert starter.at_start({"PYTHONPATH": "a", "HOME": "here"}) == starter.at_start({"PYTHONPATH": "a", "TZ": "UTC"})
    assert starter.at_start({"PYTHONPATH": "a", "PYTHONHASHSEED": "1"}) != starter.at_start({"PYTHONPATH": "a"})
