"""`crawler status` of a folder that `crawler collect` writes to: from its log alone, also while it is on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawler.collect.book import Book
from crawler.events import Closed, Opened
from crawler.log.codec import decode
from crawler.log.reader import scan
from crawler.within import plain
from crawler.words import clean, count, plural, words


def is_collection(path: Path) -> bool:
    """Whether the log at `path` is one of `crawler collect`. Raises OSError."""
    with open(path, "rb", opener=plain) as file:
        line = decode(file.readline(1 << 20))
    return line is not None and isinstance(line.event, Opened) and "lists" in line.event.source


def show(path: Path, *, as_json: bool) -> None:
    """Print where it stands. Raises LogDamaged, OSError."""
    book, source, ended, last = Book(), dict[str, Any](), "", ""
    for _, line in scan(path):
        book.apply(line.event)
        last = line.t
        match line.event:
            case Opened():
                source, ended = dict(line.event.source), ""
            case Closed():
                ended = line.event.reason
            case _:
                pass
    told = fields(book, source) | {"ended": ended, "last": last}
    print(json.dumps(told, indent=2, ensure_ascii=False) if as_json else text(path, told))


def fields(book: Book, source: Mapping[str, Any]) -> dict[str, Any]:
    """What the log adds up to: lists by how they stand, ids, rows that are no ids."""
    passes = list(book.passes.values())
    over = sum(one.cursor is None for one in passes) + len(book.linked)
    lists = source.get("lists")
    return {
        "lists": lists if isinstance(lists, int) else len(passes),
        "over": over,
        "begun": sum(one.cursor is not None for one in passes),
        "missed": [
            {"tag": one.query.tag, "reason": one.missed.reason, "permanent": one.missed.permanent}
            for one in passes
            if one.missed is not None
        ],
        "ids": len(book.ids),
        "doubles": book.doubles,
        "masked": sum(one.masked for one in passes),
        "short": sum(one.short for one in passes),
    }


def text(path: Path, told: Mapping[str, Any]) -> str:
    """The same for people."""
    ended = f"ended: {words(told['ended'])}" if told["ended"] else "not ended"
    lines = [
        f"{clean(str(path.parent))}  collecting, {ended}, last line {clean(told['last'])}",
        f" lists     {count(told['lists'])} named, {count(told['over'])} read to the end, {count(told['begun'])} begun",
        f" ids       {count(told['ids'])}, named again {plural(told['doubles'], 'time')}",
        f" hidden    {plural(told['masked'], 'row')} masked, {plural(told['short'], 'work')} on no page",
    ]
    for one in told["missed"][:10]:
        end = "for good" if one["permanent"] else "for now"
        lines.append(f" missed    {clean(one['tag'])}: {words(one['reason'])}, {end}")
    if len(told["missed"]) > 10:
        lines.append(f"           and {count(len(told['missed']) - 10)} more")
    return "\n".join(lines)
