"""`crawler completion bash|zsh|fish`: a script that completes commands, flags, values and files, from the parsers."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from crawler.cli import main, shells
from crawler.cli.keys import keys
from crawler.cli.layers import FILES
from crawler.cli.shells import Command, Flag, Values

SHELLS = ("bash", "zsh", "fish")
_INSTALL = {
    "bash": "crawler completion bash > ~/.local/share/bash-completion/completions/crawler",
    "zsh": "crawler completion zsh > ~/.zfunc/_crawler   (and in ~/.zshrc, above compinit: fpath+=~/.zfunc)",
    "fish": "crawler completion fish > ~/.config/fish/completions/crawler.fish",
}
_BY_METAVAR: dict[str, Values] = {"CONFIG": "configs", "FILE": "files", "DIR": "folders", "PATH": "folders"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `completion`."""
    parser.add_argument("shell", choices=SHELLS, help="which shell the script is for")


def run(args: argparse.Namespace) -> int:
    """Print the script; on a terminal say where it belongs."""
    write = {"bash": shells.bash, "zsh": shells.zsh, "fish": shells.fish}[args.shell]
    print(write(list(table())), end="")
    if sys.stdout.isatty() and not args.quiet:
        print(
            f"\nThis belongs into a file, made once and again after an update:\n  {_INSTALL[args.shell]}",
            file=sys.stderr,
        )
    return 0


def table() -> Iterator[Command]:
    """What each command takes, read off its parser."""
    for name, help in main.COMMANDS.items():
        parser = main.parser_of(name, importlib.import_module(f"crawler.cli.{name}"))
        # argparse has no public list of its actions; this name has stood since Python 2.7.
        actions: list[argparse.Action] = [a for a in vars(parser)["_actions"] if a.help != argparse.SUPPRESS]
        flags = tuple(_flag(action) for action in actions if action.option_strings)
        places: list[Values] = [_values(action) for action in actions if not action.option_strings]
        yield Command(name, help, flags, tuple(places))


def _flag(action: argparse.Action) -> Flag:
    takes = action.nargs != 0
    many = type(action).__name__ in ("_AppendAction", "_CountAction")
    help = (action.help or "").replace("%%", "%")
    return Flag(tuple(action.option_strings), _values(action) if takes else None, help, _label(action.metavar), many)


def _label(metavar: Any) -> str:
    return metavar if isinstance(metavar, str) and "|" not in metavar else ""


def _values(action: argparse.Action) -> Values:
    key = keys().get(action.dest)
    if key is not None and any(f"--{key.name}" == name for name in action.option_strings):
        if key.shape == "flag":
            return ("true", "false")
        if key.choices:
            return key.choices
        if key.name == "output.dir":
            return "folders"
        return "files" if key.name in FILES else "none"
    if action.choices is not None:
        return tuple(str(choice) for choice in action.choices)
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if "|" in metavar:
        return tuple(metavar.split("|"))
    return _BY_METAVAR.get(metavar, "none")
