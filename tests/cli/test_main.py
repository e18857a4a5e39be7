"""Laws of the rim: which command runs, and what exit code and words every end of one turns into."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import NoReturn

import pytest

from crawler.cli import main as rim
from crawler.cli.errors import ConfigError, UsageError
from crawler.cli.keys import keys
from crawler.cli.main import COMMANDS, main
from crawler.cli.parser import TABLES
from crawler.sources.lines import SourceError
from crawler.stop import Blocked, SessionRefused, StorageFailed

SECRET = "12345_s3cr3tSessionValue"


def crawler(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    """`python -m crawler ARGS` in a process of its own."""
    command = [sys.executable, "-m", "crawler", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--help lists every command on stdout, --version says one line; no command at all is a usage error."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("crawler ")
    assert main([]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of the table can be asked what it takes."""
    assert main([command, "--help"]) == 0
    assert f"crawler {command}" in capsys.readouterr().out


def test_only_the_chosen_command_is_imported() -> None:
    """--help and --version answer at once: neither models, nor the loop, nor HTTP are loaded."""
    code = (
        "import sys; from crawler.cli.main import main; main(['--help']); "
        "sys.exit(any(m in sys.modules for m in ('pydantic', 'asyncio', 'aiohttp', 'rich', 'ssl')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rnu"], "crawler: rnu: no such command; did you mean run?"),
        (["statsu", "x"], "did you mean status?"),
        (["--hepl"], "--hepl: no such option before a command"),
        (["run", "--workz", "3"], "crawler run: --workz: no such option; did you mean --works?"),
        (["run", "--workz=3"], "--workz: no such option; did you mean --works?"),
        (["run", "--limits.api.rat", "3"], "did you mean --limits.api.rate?"),
        (["run", "--limits.rate", "3"], "did you mean --limits.api.rate?"),
        (["plan", "--rate", "3"], "--rate: no such option; did you mean "),
        (["plan", "a.toml", "b.toml"], "crawler plan: b.toml: not expected here"),
        (["plan", "--limits.works"], "crawler plan: argument -j/--works/--limits.works: expected one argument"),
        (["plan", "--limits.work", "1", "c.toml"], "--limits.work: no such option; did you mean --limits.works?"),
        (["config", "-x"], "crawler config: -x: not expected here"),
    ],
)
def test_usage_errors(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be understood exits 2 with the nearest real word, on stderr, without a traceback."""
    assert main(argv) == 2
    streams = capsys.readouterr()
    assert said in streams.err
    assert "--help` " in streams.err
    assert "Traceback" not in streams.err
    assert streams.out == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "--site.session", SECRET],
        ["run", f"--site.session={SECRET}"],
        ["run", "c.toml", "--site.sesion", SECRET],
        ["run", f"--site.sesion={SECRET}"],
        ["run", f"--session={SECRET}"],
        ["run", "c.toml", "site.session", SECRET],
        ["config", "--site.session_file", SECRET],
        ["plan", "c.toml", "--session", SECRET, "x"],
    ],
)
def test_a_session_on_the_command_line_is_refused_and_not_repeated(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """However a session is given as an argument: exit 2, and its value is in no output."""
    assert main(argv) == 2
    streams = capsys.readouterr()
    assert SECRET not in streams.err + streams.out


def test_the_tables_of_the_parser_are_those_of_the_config() -> None:
    """Each key that is a table can be set entry by entry."""
    assert {f"--{key.name}" for key in keys().values() if key.shape == "table"} == set(TABLES)


def command(monkeypatch: pytest.MonkeyPatch, ending: BaseException | int) -> None:
    """A command `boom` that ends so."""
    module = types.ModuleType("crawler.cli.boom")

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("-v", action="store_true", dest="own", help="a -v of its own does no harm")

    def run(_: Namespace) -> int:
        return raise_it(ending) if isinstance(ending, BaseException) else ending

    module.__dict__.update(add_arguments=add_arguments, run=run)
    monkeypatch.setitem(sys.modules, "crawler.cli.boom", module)
    monkeypatch.setitem(rim.COMMANDS, "boom", "ends badly")


def raise_it(error: BaseException) -> NoReturn:
    """Raises it."""
    raise error


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        (0, 0, ""),
        (4, 4, ""),
        (ConfigError(["a:1: b: c", "d:2: e: f"]), 2, "a:1: b: c\nd:2: e: f\n"),
        (UsageError("no"), 2, "no\n"),
        (SourceError("list.txt: no such file"), 2, "list.txt: no such file\n"),
        (SessionRefused("refused"), 5, "refused\n"),
        (Blocked("blocked"), 6, "blocked\n"),
        (StorageFailed("disk"), 7, "disk\n"),
        (ExceptionGroup("g", [ValueError(), ExceptionGroup("h", [Blocked("inside")])]), 6, "inside\n"),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 7, "crawler: Permission denied: /x; "),
        (OSError(errno.ENOSPC, "No space left on device"), 7, "crawler: No space left on device; "),
        (ConnectionResetError(errno.ECONNRESET, "reset"), 1, "crawler: this is a bug, not your mistake: Connection"),
        (ZeroDivisionError(SECRET), 1, "crawler: this is a bug, not your mistake: ZeroDivisionError; "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_end_has_its_code_and_words(
    ending: BaseException | int,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever a command ends with becomes an exit code and words; never a traceback, never an exception's own text."""
    command(monkeypatch, ending)
    assert main(["boom"]) == code
    err = capsys.readouterr().err
    assert err.startswith(said) if said.endswith((" ", "Connection")) else err == said
    assert "Traceback" not in err
    assert SECRET not in err


def test_a_bug_shows_its_traceback_to_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With -v, or CRAWLER_DEBUG, an internal error shows where it happened."""
    command(monkeypatch, ZeroDivisionError("x"))
    for argv in (["boom", "-v"], ["-v", "boom"]):
        assert main(argv) == 1
        assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("CRAWLER_DEBUG", "1")
    assert main(["boom"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_had_enough_is_success() -> None:
    """A closed pipe behind stdout ends a command quietly with 0."""
    for argv in (["--help"], ["config"], ["run", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            command = [sys.executable, "-m", "crawler", *argv]
            done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


def test_odd_bytes_do_not_end_a_command(tmp_path: Path) -> None:
    """Arguments that are no text, and a terminal that knows ASCII only, are survived."""
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = crawler("config", os.fsdecode(b"\xff\xfe.toml"), cwd=tmp_path, env=environ)
    assert (done.returncode, "no such file" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    done = crawler("config", "--filter.tags_any", "女の子", cwd=tmp_path, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
