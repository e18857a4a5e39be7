"""What collecting would ask for: requests and hours for a list of tags, from the log and stated assumptions."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crawler.cli.flags import flag_values
from crawler.cli.loading import Loaded, load
from crawler.cli.talk import Talk
from crawler.collect.book import Book
from crawler.collect.job import queries_of
from crawler.collect.names import Names
from crawler.collect.picture import WORKS_A_PAGE, Left, left_of
from crawler.log.files import LOG
from crawler.log.reader import scan
from crawler.words import clean, count, duration, per_second, plural

PAGES_A_TAG = 4.3
"""Assumed before anything is known: 268,118 different works under 1,199 tags (jerryli27/pixiv_dataset) are 224 each, or
3.8 pages of 59.25, and a last page that is half full; more, by what several tags share."""


def before(args: argparse.Namespace) -> int | None:
    """For `plan`: of a list that is still to be collected, what that costs; the exit code, None for any other list.

    Raises ConfigError.
    """
    config = Path(args.config) if args.config else None
    loaded = load(config, flag_values(args), os.environ, source_needed=False)
    path = loaded.settings.source.path
    if loaded.origin["source.path"].where != "collect.out" or os.path.exists(str(path)):
        return None
    from crawler.cli.collect import names_of

    code = show(loaded, names_of(loaded), as_json=getattr(args, "json", False))
    if code == 0:
        print("This is for `crawler collect`; how much `crawler run` has to do is known after it.", file=sys.stderr)
    return code


def show(loaded: Loaded, names: Names, *, as_json: bool) -> int:
    """Print it; 2 where nothing can be asked for. Asks nothing, writes nothing. Raises LogDamaged."""
    from crawler.cli.collect import tell_names

    if not tell_names(names, Talk(quiet=True)):
        return 2
    settings = loaded.settings
    queries = queries_of(names, settings.collect, settings.filter.max_x_restrict)
    book = Book()
    log = Path(settings.collect.out) / LOG
    if log.exists():
        for _, line in scan(log):
            book.apply(line.event)
    left = left_of(book, queries)
    if as_json:
        print(json.dumps(_fields(left, names, book, loaded), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_text(left, names, book, loaded)))
    return 0


def seconds(requests: int | None, rate: float) -> float | None:
    """How long requests take at a rate; None where nothing bounds it."""
    return None if requests is None or rate <= 0 else requests / rate


def _fields(left: Left, names: Names, book: Book, loaded: Loaded) -> dict[str, Any]:
    rate = loaded.settings.limits.api.rate
    likely, each = expected(left, loaded.settings.collect.kind)
    return {
        "lists": len(names.names),
        "duplicates": names.duplicates,
        "malformed": len(names.problems) + names.more_problems,
        "over": len(names.names) - left.lists,
        "left": left.lists,
        "unknown": left.unknown,
        "ids": len(book.ids),
        "requests": {"least": left.least, "likely": likely},
        "seconds": {"least": seconds(left.least, rate), "likely": seconds(likely, rate)},
        "assumed": {"pages_per_list": {"value": each, "from": "log" if left.mean is not None else "assumed"}},
    }


def expected(left: Left, kind: str) -> tuple[int | None, float | None]:
    """Requests to be expected, and the pages of a list that were taken for that; None where there is no ground."""
    if left.likely is not None or kind != "tags":
        return left.likely, left.mean
    return left.least + round(left.unknown * (PAGES_A_TAG - 1)), PAGES_A_TAG


def _text(left: Left, names: Names, book: Book, loaded: Loaded) -> Iterator[str]:
    collect, rate = loaded.settings.collect, loaded.settings.limits.api.rate
    noun = {"tags": "tag", "links": "work"}.get(collect.kind, "user")
    wrong = len(names.problems) + names.more_problems
    twice = plural(names.duplicates, "duplicate")
    yield f"lists     {plural(len(names.names), noun)}, {twice}, {count(wrong)} malformed"
    yield f"output    {clean(collect.out)}"
    yield f"          {count(len(names.names) - left.lists)} lists read to the end, {plural(len(book.ids), 'id')}"
    if not left.lists:
        yield "          nothing is left to ask for"
        return
    yield f"to do     {plural(left.lists, 'list')}, {count(left.unknown)} of a size that nobody has told yet"
    yield f"requests  at least {count(left.least)}" + _time(left.least, rate)
    likely, _ = expected(left, collect.kind)
    if likely is not None and likely > left.least:
        yield f"          likely {count(likely)}" + _time(likely, rate)
    yield from _assumed(left, collect.kind, collect.empty_wait_s)


def _time(requests: int, rate: float) -> str:
    took = seconds(requests, rate)
    return (
        ": no rate is set, as fast as the site answers" if took is None else f": {duration(took)} at {per_second(rate)}"
    )


def _assumed(left: Left, kind: str, empty_wait_s: float) -> Iterator[str]:
    each = WORKS_A_PAGE.get(kind)
    if each is None:
        yield "          one request a list (known)"
        return
    if left.mean is not None and left.unknown:
        yield f"          {left.mean:.3g} pages a list, as in the lists read so far"
    elif left.unknown:
        yield f"          one page a list of unknown size; a full page holds {_about(each)}, {_hour(each)}"
        if kind == "tags":
            yield f"          likely: {PAGES_A_TAG:g} pages a tag, as the 268,118 works of the 1,199 tags of 2017 fill"
        yield "          a list says its size on its first page: run for a while, and plan again"
    yield f"          a list that is empty costs one more, {duration(empty_wait_s)} later; others go on meanwhile"


def _about(each: float) -> str:
    """`48 works`, or `about 59 works` where ads take the place of some."""
    return f"{'' if each == round(each) else 'about '}{plural(round(each), 'work')}"


def _hour(each: float) -> str:
    return f"so 1,000,000 works are {count(round(1_000_000 / each))} pages"
