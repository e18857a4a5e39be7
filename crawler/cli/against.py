"""`crawler verify DIR --against FILE`: a crawl held against somebody else's manifest."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.dataset.against import Difference

SHOWN = 50
_NAMES = {"same": "same", "changed": "changed", "gone": "gone", "lost": "lost since"}


def against(args: argparse.Namespace, directory: Path) -> int:
    """0 everything that the manifest names is here, byte for byte; 2 no manifest; 3 something is not."""
    from crawler import words
    from crawler.dataset.against import VERDICTS, compare

    shown = 0

    def tell(difference: Difference) -> None:
        nonlocal shown
        shown += 1
        if args.json:
            told = {"id": difference.id, "page": difference.page, "verdict": difference.verdict, "why": difference.why}
            print(json.dumps(told, ensure_ascii=False))
        elif shown <= SHOWN:
            place = f"{words.clean(str(difference.id))} {words.page(difference.page)}"
            print(f"{_NAMES[difference.verdict]}: {place}: {words.words(difference.why)}")

    found = compare(directory, [Path(args.against)], tell)
    if args.json:
        counts = {verdict: found.counts[verdict] for verdict in VERDICTS}
        print(json.dumps({"same_set": found.same, **counts, "extra": found.extra}))
        return 0 if found.same else 3
    if shown > SHOWN:
        print(f"... and {words.count(shown - SHOWN)} more (--json has them all)")
    for verdict in VERDICTS:
        print(f"  {_NAMES[verdict]:<13}{words.count(found.counts[verdict]):>11}")
    if found.extra:
        print(f"  {'not named':<13}{words.count(found.extra):>11}")
    print(
        "The same set: every image that the manifest names is here, byte for byte."
        if found.same
        else "Not the same set.",
        file=sys.stdout,
    )
    return 0 if found.same else 3


def after_run(directory: Path, manifests: Sequence[str], code: int, *, quiet: bool) -> int:
    """What a run of a manifest came to, in a few lines; the run's exit code, or 3 where it is 0 and the set differs."""
    from crawler import words
    from crawler.dataset.against import VERDICTS, compare

    found = compare(directory, [Path(path) for path in manifests], lambda difference: None, files=False)
    if not quiet:
        told = [f"{words.count(found.counts[v])} {_NAMES[v]}" for v in VERDICTS if found.counts[v]]
        print(f" {'manifest':<10}{words.plural(found.counts.total(), 'image')} named: {', '.join(told) or 'nothing'}")
        for count, what in ((found.others, "other page"), (found.extra, "image")):
            if count:
                which = "of these works left out" if what == "other page" else "here that it does not name"
                print(f"{'':<11}{words.plural(count, what)} {which}")
        for path in manifests if not found.same else ():
            command = shlex.join(["crawler", "verify", words.clean(str(directory)), "--against", words.clean(path)])
            print(f"{'':<11}Not the same set; {command} names each difference.")
    return code or (0 if found.same else 3)
