"""`crawler completion bash|zsh|fish`: a script that completes commands, flags, values and files, from the parsers."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from typing import Any, cast

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
        yield command_of(name, help, main.parser_of(name, importlib.import_module(f"crawler.cli.{name}")))


def command_of(name: str, help: str, parser: argparse.ArgumentParser) -> Command:
    """What one parser takes; of a command that has commands of its own, what any of them takes."""
    flags: list[Flag] = []
    places: list[Values] = []
    for action in actions_of(parser):
        if action.option_strings:
            flags.append(_flag(action))
            continue
        places.append(_values(action))
        inner: list[Command] = [command_of(name, help, each) for each in parsers_in(action).values()]
        flags += dict.fromkeys(flag for each in inner for flag in each.flags if flag not in flags)
        for at in range(max((len(each.places) for each in inner), default=0)):
            kinds: set[Values] = {each.places[at] for each in inner if len(each.places) > at}
            places.append(kinds.pop() if len(kinds) == 1 else "files")
    return Command(name, help, tuple(flags), tuple(places))


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options and places of a parser that people are told of."""
    # argparse has no public list of its actions; this name has stood since Python 2.7.
    return [action for action in vars(parser)["_actions"] if action.help != argparse.SUPPRESS]


def parsers_in(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    """The commands of a command, by name; none for any other action."""
    choices: object = action.choices
    if not isinstance(choices, dict):
        return {}
    named = cast("dict[str, object]", choices)
    return {name: each for name, each in named.items() if isinstance(each, argparse.ArgumentParser)}


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
