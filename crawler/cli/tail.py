"""`crawler tail DIR`: the log for humans, also while it is being written."""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.store.address import is_address, missing_extra, problem
from crawler.store.mirror import images_of

if TYPE_CHECKING:
    from rich.console import Console

    from crawler.watch.follow import Piece
    from crawler.watch.lines import Filter

LOOK_S = 2.0
"""How often `tail -f` asks an object store for new pieces of the log."""
EVENTS = ("opened", "listed", "described", "stored", "gone", "failed", "voided", "throttled", "spent", "closed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tail`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder, or its address: s3://bucket/prefix")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines as they come; Ctrl-C ends")
    parser.add_argument("-n", "--lines", type=_many, default=10, metavar="N", help="begin with the last N (default 10)")
    parser.add_argument(
        "--event", action="append", default=[], metavar="E", help=f"only these events, repeatable: {', '.join(EVENTS)}"
    )
    parser.add_argument("--id", default="", metavar="ID", help="only lines about this work")
    parser.add_argument("--failed", action="store_true", help="the same as --event failed")
    parser.add_argument("--json", action="store_true", help="the lines as they are in the log")


def _many(text: str) -> int:
    n = int(text)
    if n < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return n


def run(args: argparse.Namespace) -> int:
    """0; 2 without a log (unless following, which waits for it); 7 when it cannot be read; 130 after Ctrl-C."""
    from crawler.watch.follow import last_lines
    from crawler.watch.lines import Filter

    path = log_path(args.dir)
    chosen = Filter(frozenset([*args.event, *(["failed"] if args.failed else [])]), args.id)
    out = _Out(as_json=args.json)
    try:
        try:
            pieces, after = last_lines(path, args.lines, chosen.wants)
        except (FileNotFoundError, NotADirectoryError):
            if not args.follow:
                print(no_log(path), file=sys.stderr)
                return 2
            pieces, after = [], 0
        out.show(pieces)
        if args.follow:
            asyncio.run(_follow(path, after, chosen, out, args.dir))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _hush()
    except OSError as error:
        print(f"{path}: cannot be read: {error.strerror or error}", file=sys.stderr)
        return 7
    return 0


def log_path(text: str) -> Path:
    """Where the log of an output folder is; the log itself may be named too.

    Of an object store: what was published of its log, fetched into the user's caches. Raises UsageError, StorageFailed.
    """
    if is_address(text):
        return mirror(text) / "log.jsonl"
    path = Path(text)
    return path if path.is_file() else path / "log.jsonl"


def mirror(address: str) -> Path:
    """A local folder with what was published of the log at an address. Raises UsageError, StorageFailed."""
    from crawler.cli.errors import UsageError
    from crawler.store.mirror import refresh

    if wrong := problem(address) or missing_extra():
        raise UsageError(f"{address}: {wrong}")
    return refresh(address)


def no_log(path: Path) -> str:
    """What to say where there is no log."""
    if address := images_of(path.parent):
        return f"{address}: no run has published anything here: it is output.dir in a run's config."
    return f"{path}: there is no log here. DIR is the folder that a run wrote to: output.dir in its config."


class _Out:
    """Writes lines to stdout at once, as people or programs want them."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console: Console | None = None

    def show(self, pieces: list[Piece]) -> None:
        """Raises BrokenPipeError when nobody reads any more."""
        from crawler.watch.lines import intact, render
        from crawler.watch.style import console

        if self._as_json:
            for piece in pieces:
                if intact(piece.raw):
                    sys.stdout.buffer.write(piece.raw + b"\n")
                else:
                    print(f"damaged line at byte {piece.offset}", file=sys.stderr)
            sys.stdout.buffer.flush()
            return
        out = self._console = self._console or console()
        for piece in pieces:
            line = render(piece, out.width if out.is_terminal else None)
            if out.is_terminal:
                out.print(line)
            else:
                encoding = sys.stdout.encoding or "utf-8"
                print(line.plain.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


async def _follow(path: Path, after: int, chosen: Filter, out: _Out, place: str) -> None:
    from crawler.watch.follow import follow

    leave, looked = _leave_with_reader(), time.monotonic()

    def idle() -> None:
        nonlocal looked
        if leave is not None:
            leave()
        if is_address(place) and time.monotonic() - looked >= LOOK_S:
            mirror(place)
            looked = time.monotonic()

    async for piece in follow(path, after, idle=idle):
        if chosen.wants(piece.raw):
            out.show([piece])


def _leave_with_reader() -> Callable[[], None] | None:
    """Something that raises BrokenPipeError once stdout's reader is gone: `tail -f | head` ends without a new line."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):  # not a real file: nobody can leave
        return None

    def check() -> None:
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            raise BrokenPipeError

    return check


def _hush() -> None:
    """What is still buffered has no reader: let Python's last flush write it nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
