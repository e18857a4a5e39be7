"""`crawler export DIR --to FORMAT --out PATH`: a crawl's folder as a data set that people load and train on."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.cli.errors import UsageError
from crawler.cli.progress_line import ProgressLine
from crawler.cli.staging import into
from crawler.cli.tail import log_path, no_log
from crawler.stop import Stop

if TYPE_CHECKING:
    from crawler.dataset.export import Exported
    from crawler.dataset.job import Options

FORMATS = ("webdataset", "parquet", "imagefolder", "pairs", "manifest")
PROBLEMS_SHOWN = 20
_WORDS = {
    "where": "not asked for (--where)",
    "missing": "file missing",
    "changed": "file not as the log says",
    "unreadable": "file unreadable",
    "undecodable": "cannot be decoded",
    "not_a_picture": "a ugoira's zip, not a picture",
}


class Interrupted(Stop):
    """SIGTERM: shards that are finished are whole; the next export goes on."""

    code, reason = 143, "terminated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder, or its address: s3://bucket/prefix")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format")
    parser.add_argument("--out", required=True, metavar="PATH", help="folder of the data set; made, or gone on with")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="EXPR",
        help="only images for which this holds, as SQL writes it: \"bookmarks >= 1000 AND tag('original')\"; "
        "repeat it: all must hold",
    )
    parser.add_argument(
        "--splits", default="", metavar="SPEC", help="train=.98,val=.02: by artist, so that none is in two parts"
    )
    parser.add_argument("--shard-mb", type=float, default=256, metavar="MB", help="most of a shard (default 256)")
    parser.add_argument("--images", action="store_true", help="parquet: with the images' bytes")
    parser.add_argument("--copy", action="store_true", help="folders: copies of the files instead of hard links")
    parser.add_argument(
        "--resize", type=int, default=0, metavar="PX", help="smaller images instead: shorter side PX, never enlarged"
    )
    parser.add_argument("--format", default="", help="with --resize: webp (default), jpeg or png")
    parser.add_argument("--quality", type=int, default=90, help="with --resize: 1 to 100 (default 90), webp and jpeg")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes or threads (default: the cores)")
    parser.add_argument("--pairs", default="", metavar="FILE", help="pairs: the csv of colored,sketch ids")
    parser.add_argument("--layout", choices=("folders", "shards", "none"), default="folders", help="pairs: the images")
    parser.add_argument(
        "--match",
        choices=("lines", "shape"),
        default="lines",
        help="pairs: how pages are matched: by the lines drawn on them (default), or by width and height alone",
    )
    parser.add_argument("--table", action="store_true", help="pairs: pairs.parquet too")
    parser.add_argument("--replace", action="store_true", help="take the place of another export in PATH")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def run(args: argparse.Namespace) -> int:
    """0; 2 no log or a mistake; 3 images left out as their files are not sound; 7 damaged log, or I/O; 130, 143."""
    from crawler.dataset.export import export

    options = _options(args)
    path = log_path(args.dir)
    if not path.is_file():
        print(no_log(path), file=sys.stderr)
        return 2
    began = time.monotonic()
    progress = ProgressLine("exported", began, shown=sys.stderr.isatty() and not getattr(args, "quiet", False))
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        done = into(args.out, args.replace, lambda out, to: export(path.parent, out, options, progress.tell, to))
    except KeyboardInterrupt:
        progress.end()
        print("crawler: stopped. Finished shards are whole; the same command again goes on.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
        progress.end()
    _show_problems(args, options)
    if args.json:
        import orjson

        print(orjson.dumps(_machine(args.out, done, time.monotonic() - began)).decode())
    else:
        for line in _told(args.out, done, time.monotonic() - began):
            print(line)
    return 3 if done.unsound else 0


def _terminated(number: int, frame: object) -> None:
    raise Interrupted("crawler: stopped. Finished shards are whole; the same command again goes on.")


def _options(args: argparse.Namespace) -> Options:
    from crawler.dataset.derive import FORMATS as PICTURES
    from crawler.dataset.derive import Recipe
    from crawler.dataset.job import Options
    from crawler.dataset.splits import parse_splits

    def wrong(what: str) -> UsageError:
        return UsageError(f"crawler export: {what}")

    only = {"images": ("parquet",), "copy": ("imagefolder", "pairs"), "pairs": ("pairs",), "table": ("pairs",)}
    for name, formats in only.items():
        if getattr(args, name) and args.to not in formats:
            raise wrong(f"--{name} is for --to {' and '.join(formats)}, not {args.to}")
    format = {"jpg": "jpeg", "": "webp"}.get(args.format.lower(), args.format.lower())
    if format not in PICTURES:
        raise wrong(f"--format {args.format}: one of {', '.join(PICTURES)}")
    if args.format and not args.resize:
        raise wrong("--format goes with --resize; without it the original bytes are exported")
    if args.resize < 0 or args.resize > 16_383:
        raise wrong(f"--resize {args.resize}: pixels, 1 to 16383")
    if not 1 <= args.quality <= 100:
        raise wrong(f"--quality {args.quality}: 1 to 100")
    if not 0.001 <= args.shard_mb <= 1_000_000:
        raise wrong(f"--shard-mb {args.shard_mb:g}: megabytes, 0.001 to 1000000")
    if not 0 <= args.jobs <= 1024:
        raise wrong(f"--jobs {args.jobs}: 1 to 1024, or 0 for the number of cores")
    return Options(
        to=args.to,
        where=tuple(args.where),
        splits=parse_splits(args.splits),
        shard_bytes=round(args.shard_mb * 1_000_000),
        resize=Recipe(args.resize, format, args.quality) if args.resize else None,
        images=args.images,
        copy=args.copy,
        pairs=Path(args.pairs) if args.pairs else None,
        layout=args.layout,
        match=args.match,
        table=args.table,
        jobs=args.jobs,
        replace=args.replace,
    )


def _show_problems(args: argparse.Namespace, options: Options) -> None:
    """Lines of the pair list that hold no pair."""
    if options.pairs is None:
        return
    from crawler.dataset.pairs import read_pairs

    problems = read_pairs(options.pairs).problems
    for problem in problems[:PROBLEMS_SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > PROBLEMS_SHOWN:
        print(f"... and {len(problems) - PROBLEMS_SHOWN} more lines that hold no pair", file=sys.stderr)


def _told(out: str, done: Exported, elapsed: float) -> list[str]:
    """The result in words."""
    from crawler import words

    totals = done.manifest["totals"]
    head = "was there already" if done.before else f"in {words.duration(elapsed)}"
    lines = [
        f"{words.clean(out)}: {words.plural(totals['images'], 'image')}, {words.size(totals['bytes'])}, "
        f"{words.plural(totals['shards'], 'shard')}, {head}"
    ]
    if "status" in done.manifest:
        lines += [f"  pairs: {name:<21}{words.count(n):>11}" for name, n in done.manifest["status"].items()]
        lines.append(f"  in doubt, look at them:     {words.count(done.manifest['doubt']):>11}")
        if done.manifest.get("unmatched"):
            lines.append(f"  of them, cost a process:    {words.count(done.manifest['unmatched']):>11}")
    if totals["shards"]:
        lines += [f"  {name:<28}{words.count(n):>11}" for name, n in totals["splits"].items()]
    lines += [f"  left out: {_WORDS.get(why, why):<18}{words.count(n):>11}" for why, n in totals["left_out"].items()]
    if done.unsound:
        lines.append(
            "Some files are not as the log says: `crawler verify DIR --repair` queues them again, `crawler run` gets "
            "them; then export again with --replace."
        )
    return lines


def _machine(out: str, done: Exported, elapsed: float) -> dict[str, Any]:
    """The result for programs."""
    kept = ("complete", "to", "log", "totals", "status", "doubt", "unmatched", "files", "malformed_lines")
    return {
        "out": out,
        "manifest": f"{out.rstrip(chr(47))}/_manifest.json",
        "before": done.before,
        "seconds": round(elapsed, 3),
        **{key: done.manifest[key] for key in kept if key in done.manifest},
    }
