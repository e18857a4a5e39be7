"""`crawler pairs find|review|export`: from descriptions to candidate pairs, judged by people, to a pair data set."""

from __future__ import annotations

import argparse
import importlib

KINDS = {
    "find": "candidate pairs out of descriptions; linked works that are not known are asked for",
    "review": "judge pairs in a browser, by keyboard; every judgement is on the disk before it counts",
    "export": "the judged pairs as a csv, or as a data set",
}
"""Each is a file of its own: pairs_KIND.py, loaded for who asks for it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `pairs`."""
    kinds = parser.add_subparsers(dest="kind", metavar="find|review|export", required=True)
    for kind, text in KINDS.items():
        inner = kinds.add_parser(kind, help=text, description=text[0].upper() + text[1:] + ".")
        importlib.import_module(f"crawler.cli.pairs_{kind}").add_arguments(inner)
        for flags, how in ((("-v", "--verbose"), "count"), (("-q", "--quiet"), "store_true")):  # also behind the kind
            inner.add_argument(*flags, action=how, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """The exit code of what was asked for."""
    return int(importlib.import_module(f"crawler.cli.pairs_{args.kind}").run(args))
