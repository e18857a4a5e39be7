"""`crawler status DIR`: counts, rate, time left and last failures of a run, from its log alone."""

from __future__ import annotations

import argparse
import sys

from crawler.cli.tail import log_path, no_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `status`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder, or its address: s3://bucket/prefix")
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")


def run(args: argparse.Namespace) -> int:
    """0; 2 without a log; 7 for a damaged or unreadable one. Writes nothing; works while a run is on."""
    import orjson

    from crawler.cli.collect_status import is_collection, show
    from crawler.log.reader import LogDamaged
    from crawler.watch.status import read_status, status_json, status_text
    from crawler.watch.style import say

    path = log_path(args.dir)
    try:
        if is_collection(path):
            show(path, as_json=args.json)
            return 0
        status = read_status(path)
    except (FileNotFoundError, NotADirectoryError):
        print(no_log(path), file=sys.stderr)
        return 2
    except LogDamaged as damage:
        print(damage, file=sys.stderr)
        return damage.code
    except OSError as error:
        print(f"{path}: cannot be read: {error.strerror or error}", file=sys.stderr)
        return 7
    if args.json:
        print(orjson.dumps(status_json(status), option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        say(status_text(status))
    return 0
