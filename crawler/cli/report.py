"""`crawler report DIR`: one HTML page with plots on what a run asked and got."""

from __future__ import annotations

import argparse
import sys
import time

from crawler.cli.staging import scratch_for
from crawler.cli.tail import log_path, no_log
from crawler.store.address import is_address, tidy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder, or its address; the run may be on")
    parser.add_argument("--out", metavar="FILE", default="", help="where to write it [DIR/report.html]")


def _remote(args: argparse.Namespace) -> bool:
    return not args.out and is_address(args.dir)


def run(args: argparse.Namespace) -> int:
    """0; 2 without a log, or without the extra [report]; 7 for a damaged log, or where nothing can be written."""
    from crawler.watch.report import write_report

    log = log_path(args.dir)
    if not log.is_file():
        print(no_log(log), file=sys.stderr)
        return 2
    address = args.out if is_address(args.out) else f"{tidy(args.dir)}/report.html" if _remote(args) else ""
    with scratch_for(address, args.out or str(log.parent / "report.html")) as out:
        out.parent.mkdir(parents=True, exist_ok=True)
        written = write_report(log, out, time.time())
    if address:
        print(address)
        return 0
    if written.tables and not args.quiet:
        print(f"{len(written.tables)} tables are in {written.tables[0].parent}; the page:", file=sys.stderr)
    print(written.page)
    return 0
