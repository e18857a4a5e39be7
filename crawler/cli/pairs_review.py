"""`crawler pairs review CONFIG|DIR`: a page on this machine to judge pairs on, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.errors import UsageError
from crawler.cli.tail import log_path, no_log
from crawler.store.address import is_address

if TYPE_CHECKING:
    from crawler.pairs.listing import Listing
    from crawler.pairs.review import Rooms
    from crawler.watch.web import Door

PORT = 8318
ORDERS = ("score", "doubt", "worst", "random", "list")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `pairs review`."""
    parser.add_argument(
        "dir", metavar="CONFIG|DIR", help="the output folder of the run that has the images, or its config"
    )
    parser.add_argument(
        "--candidates", metavar="FILE", default="", help="what `pairs find` wrote [DIR/pairs/candidates.jsonl]"
    )
    parser.add_argument(
        "--csv", metavar="FILE", default="", help="instead of candidates: a list of colored,sketch, to find its errors"
    )
    parser.add_argument(
        "--judgements", metavar="FILE", default="", help="where judgements are kept [judgements.jsonl beside the list]"
    )
    parser.add_argument(
        "--order",
        choices=ORDERS,
        default="",
        help="what comes first [score; with --csv: worst]; can be changed on the page",
    )
    parser.add_argument("--again", type=int, default=20, metavar="N", help="ask for one in N twice; 0 = never [20]")
    parser.add_argument("--port", type=int, default=PORT, help=f"where the page is; 0 = any [{PORT}]")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    parser.add_argument("--repair", action="store_true", help="mend damaged judgements first: keeps every intact line")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM: 0 then. 2 without images, pairs or the port; 7 where nothing can be kept."""
    from crawler.disk import Disk
    from crawler.pairs.ledger import Ledger, salvage
    from crawler.watch.web import listen

    directory = _place(args)
    log = directory / "log.jsonl"
    if not log.is_file():
        raise UsageError(no_log(log))
    listing, path = _listing(args, directory)
    if args.repair and path.exists() and (mended := salvage(path, Disk())) is not None:
        print(f"{path}: {mended[0]:,} judgements kept; the file as it was is {mended[1]}", file=sys.stderr)
    ledger = Ledger(path, Disk())
    try:
        for warning in (*ledger.warnings, *listing.problems[:20]):
            print(warning, file=sys.stderr)
        rooms = _rooms(args, directory, listing, ledger)
        try:
            try:
                door = listen(args.host, args.port, directory, writes=True)
            except OSError as error:
                if error.filename is not None:  # the token's
                    raise
                what = f"cannot listen on {args.host} port {args.port}: {error.strerror or error}"
                raise UsageError(f"crawler pairs review: {what}; --port takes another") from None
            _serve(args, door, rooms)
        finally:
            rooms.catalog.close()
    finally:
        ledger.close()
    return 0


def _place(args: argparse.Namespace) -> Path:
    """The folder with the log: the output folder that is named, or the one of a config's run; for a bucket's address
    what was published there. Raises UsageError, ConfigError, StorageFailed."""
    if is_address(args.dir):
        if not args.candidates and not args.csv:
            raise UsageError(
                f"crawler pairs review: a bucket is read only, and its candidates are elsewhere: --candidates FILE, as "
                f"`crawler pairs find {args.dir} --out FILE` wrote it; judgements are kept beside it"
            )
        return log_path(args.dir).parent
    if Path(args.dir).is_file() and not args.dir.endswith(".jsonl"):
        from crawler.cli.loading import load

        return load(Path(args.dir), {}, os.environ, source_needed=False).settings.output.home
    return log_path(args.dir).parent


def _listing(args: argparse.Namespace, directory: Path) -> tuple[Listing, Path]:
    """What is to be judged, and where judgements of it are kept. Raises UsageError."""
    from crawler.pairs.candidates import NAME
    from crawler.pairs.ledger import NAME as JUDGEMENTS
    from crawler.pairs.listing import from_candidates, from_csv

    found = Path(args.candidates) if args.candidates else directory / "pairs" / NAME
    beside = Path(args.csv) if is_address(args.dir) and not args.candidates else found
    path = Path(args.judgements) if args.judgements else beside.with_name(JUDGEMENTS)
    if not args.csv and not found.is_file():
        raise UsageError(f"{found}: no such file. `crawler pairs find` writes it; --csv takes a list of colored,sketch")
    try:
        listing = from_candidates(found) if found.is_file() else None
        if args.csv:
            listing = from_csv(Path(args.csv), listing.pairs if listing else {})
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: no such file") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    assert listing is not None
    return listing, path


def _rooms(args: argparse.Namespace, directory: Path, listing: Listing, ledger: object) -> Rooms:
    """Raises UsageError where no pair has images on both sides."""
    from crawler.pairs.catalog import Catalog
    from crawler.pairs.ledger import Ledger
    from crawler.pairs.queue import Queue
    from crawler.pairs.review import Rooms

    assert isinstance(ledger, Ledger)
    catalog = Catalog(directory)
    stored = catalog.stored()
    pairs = {pair: hint.score for pair, hint in listing.pairs.items() if stored.issuperset(pair)}
    if not pairs:
        catalog.close()
        raise UsageError(f"{directory}: of {len(listing.pairs):,} pairs none has an image of both works here")
    queue = Queue(pairs, listing.digest, sampling=listing.claimed, again_every=max(0, args.again))
    order = args.order or ("worst" if listing.claimed else "score")
    return Rooms(directory, listing, ledger, catalog, queue, len(listing.pairs) - len(pairs), order)


def _serve(args: argparse.Namespace, door: Door, rooms: Rooms) -> None:
    from crawler.pairs.review import Review

    def warn(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async def main() -> None:
        done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        review = Review(door, rooms, warn)
        print(door.url, flush=True)
        if not args.quiet:
            lacking = f"; {rooms.lacking:,} more lack an image" if rooms.lacking else ""
            warn(f"{len(rooms.queue.scores):,} pairs{lacking}. Open that address in a browser; Ctrl-C ends it.")
        await review.serve(done)

    asyncio.run(main())
    count = sum(1 for _ in rooms.ledger.judgements.standing())
    if not args.quiet:
        warn(f"{count:,} pairs are judged: {rooms.ledger.path}")
