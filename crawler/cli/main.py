"""The outermost rim: chooses the command, and turns whatever ends it into an exit code and words for people."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from crawler import __version__
from crawler.cli.errors import ConfigError, UsageError
from crawler.cli.parser import Parser, suggestion

COMMANDS = {
    "demo": "show it all against a stand-in site: no network, no config, no account",
    "init": "write a commented config",
    "plan": "what would run: ids, requests, time, disk; asks nothing",
    "doctor": "whether this machine can do what a config asks; asks no site",
    "run": "the main job; run again to go on",
    "collect": "from tags, users, bookmarks or links to a list of ids",
    "status": "counts, rate and failures of a run, from its log",
    "tail": "the log of a run, for humans",
    "report": "one HTML page with plots on what was asked and got",
    "verify": "every file of a run against its log, offline",
    "export": "the files as a data set: webdataset, parquet, imagefolder, pairs",
    "pairs": "candidate pairs from descriptions, judged in a browser, as a list",
    "purge": "take works out of a crawl and its exports, for good",
    "origin": "serve the stand-in site, with faults if you like",
    "simulate": "a crawl in made-up time, with kills and power cuts from a seed",
    "tune": "how many connections are worth it, against a host of your own",
    "config": "the effective settings and where each came from",
    "completion": "a script that completes all this in bash, zsh or fish",
}
_T = TypeVar("_T", bound=Exception)
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}


def main(argv: list[str] | None = None) -> int:
    """Run a command line (default: the process's own); the exit code (design.md 1.1)."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        # A title in another script, or bytes of a path that are no text, must not end a command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as done:  # argparse, after --help
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost rim: no traceback reaches a user who did not ask for it
        return _explain(error, debug="CRAWLER_DEBUG" in os.environ or _verbose(argv))
    return code


def _dispatch(argv: Sequence[str]) -> int:
    name_at = next((at for at, a in enumerate(argv) if not a.startswith("-")), len(argv))
    before, name, rest = argv[:name_at], argv[name_at : name_at + 1], argv[name_at + 1 :]
    if "--version" in before or "-V" in before:
        print(f"crawler {__version__}")
        return 0
    if "-h" in before or "--help" in before:
        print(_help())
        return 0
    unknown = [a for a in before if a not in ("-v", "-vv", "-q", "--verbose", "--quiet")]
    if unknown:
        raise UsageError(f"crawler: {unknown[0].partition('=')[0]}: no such option before a command\n{_see()}")
    if not name:
        print(_help(), file=sys.stderr)
        return 2
    command = name[0]
    if command not in COMMANDS:
        raise UsageError(f"crawler: {command}: no such command{suggestion(command, list(COMMANDS))}\n{_see()}")
    module = importlib.import_module(f"crawler.cli.{command}")
    return int(module.run(parser_of(command, module).read([*before, *rest])))


def parser_of(command: str, module: Any) -> Parser:
    """The parser of a command, given its module."""
    parser = Parser(prog=f"crawler {command}", description=_sentence(COMMANDS[command]))
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more; show where a bug happened")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what is wrong")
    module.add_arguments(parser)
    return parser


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _help() -> str:
    lines = [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "A list of page ids in, a verified image data set out: polite, resumable, with a log that is the truth.",
            "",
            "usage: crawler COMMAND ...",
            "",
            *lines,
            "",
            "`crawler COMMAND --help` tells more; `crawler demo` is the place to start.",
        ]
    )


def _see() -> str:
    return "`crawler --help` lists the commands"


def _verbose(argv: Sequence[str]) -> bool:
    return any(a == "--verbose" or (a.startswith("-v") and set(a[1:]) == {"v"}) for a in argv)


def _explain(error: Exception, *, debug: bool) -> int:
    """Say what ended the command; the exit code."""
    # Imported only now: the common way out needs none of it.
    from crawler.sources.lines import SourceError
    from crawler.stop import Stop

    stop = _inner(error, Stop)
    if isinstance(error, ConfigError):
        _say(*error.lines)
        return 2
    if isinstance(error, UsageError | SourceError):
        _say(str(error))
        return 2
    if stop is not None:
        _say(str(stop))
        return stop.code
    if debug:
        traceback.print_exception(error)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
        place = f": {error.filename}" if error.filename is not None else ""
        _say(f"crawler: {error.strerror or type(error).__name__}{place}; nothing more was written")
        return 7
    hint = "" if debug else "; the same command with -v shows where"
    _say(
        f"crawler: this is a bug, not your mistake: {type(error).__name__}{hint}",
        "What was stored is safe: run the command again to go on. Please report it, with the lines that -v adds.",
    )
    return 1


def _inner(error: Exception, kind: type[_T]) -> _T | None:
    """The first exception of a kind, in groups too."""
    if isinstance(error, ExceptionGroup):
        parts = cast("ExceptionGroup[Exception]", error).exceptions
        return next((found for part in parts if (found := _inner(part, kind)) is not None), None)
    return error if isinstance(error, kind) else None


def _say(*lines: str) -> None:
    with contextlib.suppress(OSError):  # nobody is there to be told; the exit code still tells
        print(*lines, sep="\n", file=sys.stderr, flush=True)
