"""`crawler init [FILE]`: writes a commented config with every key, made from the settings models so it cannot drift."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from crawler.cli.errors import UsageError
from crawler.cli.keys import Key, keys, sections
from crawler.cli.toml import write

_EXAMPLES = {"source.path": "ids.txt"}
"""Keys that have no useful default."""
_TOP = """\
# What `crawler run` reads. Every key stands here with its default: delete what you don't change.
# Paths are relative to this file's folder. `crawler plan THIS_FILE` says what would run, and asks nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `init`."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="crawler.toml", help="[crawler.toml]")


def run(args: argparse.Namespace) -> int:
    """Write the file; never over another. Raises UsageError."""
    path = args.file
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text())
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and is left as it is; name another file") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: there is no such folder to write into") from None
    if not args.quiet:
        print(
            f"Wrote {path}. Put your ids into {_EXAMPLES['source.path']} beside it, one a line; then:", file=sys.stderr
        )
        print(f"  crawler plan {path}\n  crawler run {path}", file=sys.stderr)
    return 0


def text() -> str:
    """The config file: each section with its sentence, each key with its default and help."""
    return _TOP + "".join(_section(section, sentence) for section, sentence in sections().items())


def _section(section: str, sentence: str) -> str:
    own = [key for key in keys().values() if key.section == section]
    return "\n".join(["", f"# {sentence}", f"[{section}]", *_lines(own)]) + "\n"


def _lines(own: list[Key]) -> Iterator[str]:
    pairs = [f"{key.field} = {write(_EXAMPLES.get(key.name, key.default))}" for key in own]
    width = max(map(len, pairs))
    for pair, key in zip(pairs, own, strict=True):
        yield f"{pair:<{width}}  # {key.help}"
