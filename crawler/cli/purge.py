"""`crawler purge DIR`: takes works out of a crawl and its exports for good, and leaves tombstones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from crawler.cli.errors import ConfigError, UsageError
from crawler.cli.tail import log_path, no_log
from crawler.store.mirror import images_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `purge`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder")
    parser.add_argument("--ids", metavar="FILE", help="works to take out: ids or links, one a line")
    parser.add_argument("--users", metavar="FILE", help="artists whose works to take out: their numbers, one a line")
    parser.add_argument("--gone", action="store_true", help="take out what the site no longer shows, as the log knows")
    parser.add_argument(
        "--export", action="append", default=[], metavar="PATH", help="an export to take them out of too; repeat it"
    )
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def run(args: argparse.Namespace) -> int:
    """0; 2 no log, a mistake, or a run is on; 7 damaged log, or I/O."""
    from crawler.dataset.rewrite import Copies
    from crawler.dataset.takedown import DIFFERENCE, Choice, buried, purge

    path = log_path(args.dir)
    if images_of(path.parent):
        raise UsageError(f"crawler purge: {args.dir}: takes works out of folders only in this version")
    if not path.is_file():
        print(no_log(path), file=sys.stderr)
        return 2
    if not (args.ids or args.users or args.gone or args.export):
        raise UsageError("crawler purge: what? --ids FILE, --users FILE or --gone; --export PATH for copies")
    ids = _read(args.ids, works=True) if args.ids else frozenset[Any]()
    users = _read(args.users, works=False) if args.users else frozenset[Any]()
    copies = [(out, Copies(Path(out))) for out in args.export]  # a mistake in these is told before anything is done
    done = purge(path.parent, Choice(ids, users, args.gone))
    works = buried(path.parent)
    rewritten = {out: copy.purge(works) for out, copy in copies}
    for warning in done.warnings:
        print(warning, file=sys.stderr)
    _say(args, done, rewritten, path.parent / DIFFERENCE)
    return 0


def _say(args: argparse.Namespace, done: Any, rewritten: dict[str, int], difference: Path) -> None:
    from crawler import words

    if args.json:
        import orjson

        told = {"works": len(done.works), "unknown": done.unknown, "files": done.files, "bytes": done.bytes}
        print(orjson.dumps(told | {"exports": rewritten, "difference": str(difference)}).decode())
        return
    print(
        f"{words.plural(len(done.works), 'work')} taken out: {words.plural(done.files, 'file')}, "
        f"{words.size(done.bytes)}; no run will fetch them again"
    )
    if done.unknown:
        print(f"  {words.count(done.unknown)} of them never crawled here: no run will begin to")
    for out, rows in rewritten.items():
        print(f"  {words.clean(out)}: {words.plural(rows, 'row')} taken out")
    print(f"For those who hold copies: {words.clean(str(difference))}")


def _read(name: str, *, works: bool) -> frozenset[Any]:
    """Ids, or keys of plain URLs, out of a file. Raises ConfigError with a line for each that is none."""
    from crawler.rules.naming import key_problem
    from crawler.sources.ids import Problem, parse_id, without_comment

    found: set[Any] = set()
    wrong: list[str] = []
    try:
        lines = Path(name).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    for number, raw in enumerate(lines, 1):
        text = without_comment(raw)
        if not text:
            continue
        id = parse_id(text)
        if not isinstance(id, Problem):
            found.add(id)
        if works and not key_problem(text):
            found.add(text)  # the key of a plain URL may look like a number
        elif isinstance(id, Problem):
            wrong.append(str(Problem(id.why, text, name, number)))
    if wrong:
        raise ConfigError(wrong[:20] + ([f"... and {len(wrong) - 20} more"] if len(wrong) > 20 else []))
    return frozenset(found)
