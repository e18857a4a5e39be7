"""Laws of `crawler completion`: what each shell really offers is what the parsers take."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crawler.cli import shells
from crawler.cli.completion import command_of, table
from crawler.cli.keys import keys
from crawler.cli.main import COMMANDS, main
from crawler.cli.parser import Parser

SHELLS = ("bash", "zsh", "fish")


def needs(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a config, a list, a folder, and the three scripts."""
    folder = tmp_path_factory.mktemp("shells") / "work"  # its parent is HOME, where shells leave things
    folder.mkdir()
    for name in ("popular.toml", "my list.txt", "data/log.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    commands = list(table())
    for shell, write in (("bash", shells.bash), ("zsh", shells.zsh), ("fish", shells.fish)):
        (folder / f".crawler.{shell}").write_text(write(commands))
    return folder


def offered(shell: str, line: str, folder: Path) -> set[str]:
    """What a shell offers at the end of a line."""
    path = needs(shell)
    if shell == "fish":
        script = f"source .crawler.fish; complete -C {shells._fish_quote(line)}"
        command = [path, "--no-config", "-c", script]
    else:
        words = " ".join(f"'{word}'" for word in line.split(" "))
        command = [
            path,
            "--norc",
            "-c",
            f"source .crawler.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))",
        ]
        command[-1] += "; _crawler 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""
    env = {**os.environ, "HOME": str(folder.parent), "TERM": "dumb"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=True)
    return {found.partition("\t")[0].strip() for found in done.stdout.splitlines()} - {""}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_commands_flags_and_values(shell: str, folder: Path) -> None:
    """After nothing the commands, after a dash the flags of that command, after a flag what it takes."""
    assert set(COMMANDS) <= offered(shell, "crawler ", folder)
    assert offered(shell, "crawler ver", folder) == {"verify"}
    assert offered(shell, "crawler run --limits.api.ra", folder) == {"--limits.api.rate"}
    assert offered(shell, "crawler verify --de", folder) == {"--decode"}
    assert offered(shell, "crawler verify --limits.ap", folder) == set()
    assert offered(shell, "crawler run --ui.progress ", folder) == {"auto", "rich", "plain", "json", "none"}
    assert offered(shell, "crawler run --recheck g", folder) == {"gone"}
    assert offered(shell, "crawler run --limits.api.adaptive ", folder) == {"true", "false"}
    assert offered(shell, "crawler run --limits.api.rate ", folder) == set()
    assert offered(shell, "crawler -v export data --to web", folder) == {"webdataset"}
    assert offered(shell, "crawler completion ", folder) == set(SHELLS)


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_names_on_the_disk(shell: str, folder: Path) -> None:
    """A config is a TOML file, a run is a folder, and a list is any file; an option's value is no argument."""
    assert "popular.toml" in offered(shell, "crawler run ", folder)
    assert {f.rstrip("/") for f in offered(shell, "crawler status ", folder)} == {"data"}
    assert {f.rstrip("/") for f in offered(shell, "crawler tail -n 5 ", folder)} == {"data"}
    assert {"popular.toml", "my list.txt"} <= offered(shell, "crawler run --source.path ", folder)
    if shell == "bash":
        assert "my list.txt" not in offered(shell, "crawler run ", folder)
        assert offered(shell, "crawler status data ", folder) == set()
        assert offered(shell, "crawler run --ui.progress = pl", folder) == {"plain"}
    else:
        assert offered(shell, "crawler run --ui.progress=pl", folder) == {"--ui.progress=plain"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("crawler veri\t", "crawler verify "),
        ("crawler run --limits.daily.re\t", "--limits.daily.requests"),
        ("crawler run --ui.progress js\t", "--ui.progress json"),
        ("crawler run --ui.progress=js\t", "--ui.progress=json"),
        ("crawler run pop\t", "crawler run popular.toml"),
        ("crawler status da\t", "crawler status data/"),
        ("crawler plan --source.path my\t", "my\\ list.txt"),
    ],
)
def test_a_person_presses_tab(shell: str, typed: str, shown: str, folder: Path) -> None:
    """The real shell on a real terminal, Tab pressed."""
    path = needs(shell)
    start = {"bash": [path, "--norc", "--noprofile", "-i"], "zsh": [path, "-f", "-i"]}[shell]
    load = {"bash": "", "zsh": "autoload -Uz compinit; compinit -D; "}[
        shell
    ] + f"source ./.crawler.{shell}; PS1='re'ady'> '"
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ |= {"HOME": str(folder.parent), "TERM": "dumb", "COLUMNS": "200", "PS1": "", "INPUTRC": "/dev/null"}
        os.execv(path, start)
    try:
        os.write(terminal, load.encode() + b"\n")
        read_until(terminal, "ready> ")
        os.write(terminal, typed.encode())
        assert shown in read_until(terminal, shown)
    finally:
        os.close(terminal)  # hangs up
        os.waitpid(child, 0)


def read_until(terminal: int, wanted: str, patience_s: float = 60) -> str:
    """What came on a terminal until it has `wanted`, or patience ends."""
    seen, end = "", time.monotonic() + patience_s
    while wanted not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                break
    return seen


def test_the_table_is_the_parsers() -> None:
    """Every command has its help flag, every setting is completed where settings are taken, choices are all there."""
    found = {command.name: command for command in table()}
    assert list(found) == list(COMMANDS)
    for command in found.values():
        assert any("--help" in flag.names for flag in command.flags)
    flags = {name: flag for flag in found["run"].flags for name in flag.names}
    for key in keys().values():
        assert f"--{key.name}" in flags
        if key.choices:
            assert flags[f"--{key.name}"].values == key.choices
    assert "--site.session" not in flags
    assert flags["--recheck"].values == ("gone", "restricted", "failed", "all")


def test_commands_of_a_command() -> None:
    """Their names stand at its first place, then what they take; their flags are offered for all."""
    parser = Parser(prog="crawler pairs")
    inner = parser.add_subparsers()
    find, review = inner.add_parser("find"), inner.add_parser("review")
    find.add_argument("dir", metavar="DIR")
    find.add_argument("--near", choices=("a", "b"))
    review.add_argument("dir", metavar="DIR")
    review.add_argument("port", nargs="?", metavar="N")
    found = command_of("pairs", "", parser)
    assert found.places == (("find", "review"), "folders", "none")
    assert [flag.values for flag in found.flags if "--near" in flag.names] == [("a", "b")]
    assert len([flag for flag in found.flags if "--help" in flag.names]) == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, for a file; a shell that is not known is told so."""
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == (folder / f".crawler.{shell}").read_text()
    assert main(["completion", "tcsh"]) == 2


def test_completing_costs_the_other_commands_nothing() -> None:
    """No command but `completion` loads what writes the scripts."""
    code = (
        "import sys; from crawler.cli.main import main; main(['init', '--help']); "
        "sys.exit(any(name in sys.modules for name in ('crawler.cli.completion', 'crawler.cli.shells')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0
