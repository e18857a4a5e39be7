"""Takes the shell commands out of a document, and runs them as a reader would who has the stand-in for a site."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import starter

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'?(\w+)'?")
SESSION = "1000_madeup"

LEFT_OUT: Mapping[str, str] = {
    "pip install": "needs a package registry: tests/test_wheel.py installs the wheel into an empty environment",
    "python3 -m venv": "the test runs in an environment that has the command",
    ". .venv/": "the same",
    "scripts/": "each sets up an environment of its own; the test runner is one of them",
}
"""Beginnings of commands that are not run, each with its reason."""
ENDLESS = ("crawler tail data/popular -f", "crawler origin")
"""Commands that go on until Ctrl-C: run for a moment, then interrupted."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: what it is in, and its first line's number."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command as it stands in a document, at that line."""

    text: str
    line: int


@dataclass(frozen=True)
class Ended:
    """What a command left behind it."""

    code: int
    output: str


def blocks(document: Path) -> list[Block]:
    """Every fenced block."""
    text = document.read_text()
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


def commands(document: Path) -> list[Command]:
    """Every command of the `sh` blocks, in order; one may go over several lines (a backslash, a here-document)."""
    found: list[Command] = []
    for block in blocks(document):
        if block.language != "sh":
            continue
        pending: list[str] = []
        until = ""
        for at, line in enumerate(block.text.splitlines()):
            pending.append(line)
            if until:
                until = "" if line == until else until
            elif heredoc := _HEREDOC.search(line):
                until = heredoc[1]
            if until or line.endswith("\\"):
                continue
            text = "\n".join(pending)
            if text.split("#")[0].strip():
                found.append(Command(text, block.line + at - len(pending) + 1))
            pending = []
        assert not pending, f"{document.name}:{block.line}: a command without an end"
    return found


def left_out(command: Command) -> bool:
    """Whether it is one of those that a test cannot run."""
    return any(command.text.startswith(start) for start in LEFT_OUT)


class Reader:
    """Somebody who types a document's commands one after the other, beginning in an empty folder.

    The environment makes the stand-in the site and lifts the rate limits; the commands stay as they are written.
    `forks`: in the short round they are forked (starter.py).
    """

    def __init__(self, folder: Path, site: Any, *, forks: bool = True) -> None:
        self.folder = folder
        self.forks = forks
        self._where = folder
        resolve = ", ".join(f'"{host}" = "{address}"' for host, address in site.resolve.items())
        self._env = {
            **os.environ,
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CRAWLER_NETWORK__RESOLVE": f"{{ {resolve} }}",
            "CRAWLER_NETWORK__CA_FILE": site.ca_file,
            "CRAWLER_LIMITS__API__RATE": "0",
            "CRAWLER_LIMITS__IMAGES__RATE": "0",
            "CRAWLER_RETRY__BASE_S": "0.02",
            "CRAWLER_RETRY__CAP_S": "0.1",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder.parent / "hf"),
        }

    def type(self, text: str) -> Ended:
        """Run one command to its end, in the folder that the ones before it led to."""
        place = self.folder.parent / "place"
        environment, inherited = self._env, list[int]()
        if starter.warm is not None and self.forks:
            environment, inherited = starter.warm.in_a_shell(self.folder.parent, self._env)
        script = f'{text}\ncode=$?; pwd > "{place}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._where,
            env=environment,
            pass_fds=inherited,
            input=SESSION + "\n",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if place.exists():
            self._where = Path(place.read_text().strip())
        return Ended(done.returncode, done.stdout + done.stderr)

    def type_and_interrupt(self, text: str) -> Ended:
        """Begin a command that has no end, wait for it to say something, and press Ctrl-C."""
        with subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self._where,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child:
            assert child.stdout is not None
            said = child.stdout.readline()
            time.sleep(0.2)
            assert child.poll() is None, said + child.stdout.read()
            child.send_signal(signal.SIGINT)
            rest = child.communicate(timeout=60)[0]
        return Ended(child.returncode, said + rest)

    def fetch(self, url: str) -> Ended:
        """What a `curl -LO` of the document would have put here, a few lines of it."""
        name = url.rpartition("/")[2]
        ids = random.Random(name).sample(range(258, 61_897_803), 40)
        if name.endswith(".csv"):
            text = "".join(f"{a},{b}\n" for a, b in zip(ids[:20], ids[20:], strict=True))
        else:
            text = "".join(f"{id}\n" for id in ids)
        (self._where / name).write_text(text)
        return Ended(0, "")
