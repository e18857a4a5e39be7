"""`crawler pairs export DIR`: the judged pairs as a csv like the seed's own, or as a data set of pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from crawler.cli import export as plain
from crawler.cli.errors import UsageError

LIST = "pairs.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `pairs export`: those of `export` that are for pairs, and which pairs."""
    plain.add_arguments(parser)
    parser.description = (
        "Pairs that were judged `yes`, and with --min-score also those that nobody judged and that score as much: "
        "as colored,sketch lines, or (--to pairs) as `crawler export --to pairs` makes of them."
    )
    parser.add_argument("--to", choices=("csv", "pairs"), default="csv", help="the format [csv]")
    parser.add_argument(
        "--out", default="", metavar="PATH", help=f"csv: the file [DIR/pairs/{LIST}]; pairs: the folder of the data set"
    )
    parser.add_argument("--pairs", default="", help=argparse.SUPPRESS)
    parser.add_argument(
        "--candidates", metavar="FILE", default="", help="what `pairs find` wrote [DIR/pairs/candidates.jsonl]"
    )
    parser.add_argument(
        "--judgements", metavar="FILE", default="", help="what `pairs review` kept [judgements.jsonl beside it]"
    )
    parser.add_argument(
        "--min-score", type=float, default=None, metavar="S", help="take unjudged candidates too, from this score on"
    )


def run(args: argparse.Namespace) -> int:
    """0; 2 no pair, or a mistake; --to pairs: as of `crawler export`."""
    from crawler.pairs.candidates import NAME
    from crawler.pairs.chosen import chosen, write_pairs
    from crawler.pairs.find import FOLDER
    from crawler.pairs.ledger import NAME as JUDGEMENTS

    if args.pairs:
        raise UsageError(
            "crawler pairs export: --pairs: the pairs are those that were judged; `crawler export` takes it"
        )
    if args.min_score is not None and not 0 <= args.min_score <= 1:
        raise UsageError(f"crawler pairs export: --min-score {args.min_score:g}: 0 to 1")
    if args.to == "pairs" and not args.out:
        raise UsageError("crawler pairs export --to pairs: --out names the folder of the data set")
    home = Path(args.dir) / FOLDER
    candidates = Path(args.candidates) if args.candidates else home / NAME
    judgements = Path(args.judgements) if args.judgements else candidates.with_name(JUDGEMENTS)
    try:
        pairs = chosen(candidates, judgements, args.min_score)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not pairs:
        what = "no pair was judged `yes`" if args.min_score is None else "no pair was judged `yes` or scores as much"
        raise UsageError(f"{judgements}: {what}: `crawler pairs review DIR` is where they are judged")
    listed = Path(args.out) if args.out and args.to == "csv" else home / LIST
    write_pairs(listed, pairs)
    if args.to == "csv":
        print(f"{listed}: {len(pairs):,} pairs")
        return 0
    args.pairs = str(listed)
    return plain.run(args)
