"""`crawler report DIR`: one HTML page with plots on what a run asked and got."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from crawler.cli.tail import log_path, no_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder; the run may be on")
    parser.add_argument("--out", metavar="FILE", default="", help="where to write it [DIR/report.html]")


def run(args: argparse.Namespace) -> int:
    """0; 2 without a log; 7 for a damaged log, or where nothing can be written."""
    from crawler.watch.report import write_report

    log = log_path(args.dir)
    if not log.is_file():
        print(no_log(log), file=sys.stderr)
        return 2
    out = Path(args.out) if args.out else log.parent / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    written = write_report(log, out, time.time())
    if written.tables and not args.quiet:
        print(f"{len(written.tables)} tables are in {written.tables[0].parent}; the page:", file=sys.stderr)
    print(written.page)
    return 0
