"""`crawler init [FILE]`: writes a commented config with every key, made from the settings models so it cannot drift.

On a terminal it asks a few questions first; elsewhere, and with --yes, it asks nothing.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from crawler.cli.asking import Asking, at_terminal
from crawler.cli.errors import UsageError
from crawler.cli.keys import Key, keys, sections
from crawler.cli.toml import write

FILE = "crawler.toml"
_WIDE = 60
"""A longer value pushes no other line's comment out."""
EXAMPLES: Mapping[str, Any] = {"source.path": "ids.txt"}
"""Keys that have no useful default."""
_TOP = """\
# What `crawler run` reads. Every key stands here, most with their default: delete what you don't change.
# Paths are relative to this file's folder. `crawler plan THIS_FILE` says what would run, and asks nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `init`."""
    parser.add_argument("file", metavar="FILE", nargs="?", default=FILE, help=f"the config to write [{FILE}]")
    parser.add_argument("-y", "--yes", action="store_true", help="ask nothing: every key with its default")


def run(args: argparse.Namespace) -> int:
    """Write the file; never over another. Raises UsageError."""
    path: str = args.file
    asks = not args.yes and not args.quiet and at_terminal()
    if os.path.lexists(path):
        raise UsageError(f"{path}: is there already, and is left as it is; name another file")
    values = {**EXAMPLES, "output.dir": _folder(path)}
    if asks:
        values = {**values, **Asking(path, values).all()}
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text(values))
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and is left as it is; name another file") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: there is no such folder to write into") from None
    if not args.quiet:
        said = shlex.quote(path)
        todo = "Next:" if asks else f"Put your ids into {EXAMPLES['source.path']} beside it, one a line; then:"
        print(f"{chr(10) if asks else ''}Wrote {path}. {todo}", file=sys.stderr)
        print(f"  crawler plan {said}    what would run, without a request", file=sys.stderr)
        print(f"  crawler run {said}     Ctrl-C whenever you like; the same again goes on", file=sys.stderr)
    return 0


def _folder(path: str) -> str:
    """Where the images go if nothing else is said: configs beside each other do not share a folder."""
    default = next(key.default for key in keys().values() if key.name == "output.dir")
    name = os.path.basename(path).removesuffix(".toml")
    return default if os.path.basename(path) == FILE or not name.strip(".") else f"{default}/{name}"


def text(values: Mapping[str, Any] = EXAMPLES) -> str:
    """The config file: each section with its sentence, each key with its value in `values`, else its default, and its
    help."""
    return _TOP + "".join(_section(section, sentence, values) for section, sentence in sections().items())


def _section(section: str, sentence: str, values: Mapping[str, Any]) -> str:
    own = [key for key in keys().values() if key.section == section]
    return "\n".join(["", f"# {sentence}", f"[{section}]", *_lines(own, values)]) + "\n"


def _lines(own: list[Key], values: Mapping[str, Any]) -> Iterator[str]:
    pairs = [f"{key.field} = {write(values.get(key.name, key.default))}" for key in own]
    width = max((len(pair) for pair in pairs if len(pair) <= _WIDE), default=0)
    for pair, key in zip(pairs, own, strict=True):
        yield f"{pair:<{width}}  # {key.help}"
