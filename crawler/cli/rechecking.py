"""`--recheck` and `--older-than` of `crawler run`: what a run is to ask again."""

from __future__ import annotations

import argparse
import asyncio
import math
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.errors import UsageError

if TYPE_CHECKING:
    from crawler.cli.loading import Loaded
    from crawler.engine.recheck import Recheck

WHICH = ("gone", "restricted", "failed", "all")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")


def add_recheck_flags(parser: argparse.ArgumentParser) -> None:
    """The two flags."""
    group = parser.add_argument_group("asking again", "what an earlier run had a final answer to, of the listed ids")
    group.add_argument(
        "--recheck",
        metavar="|".join(WHICH),
        help="ask again for works that are gone, hidden from the session (restricted), failed for good, or for all, "
        "done ones too: what was edited is fetched anew, the old files are kept under .crawl/replaced",
    )
    group.add_argument("--older-than", metavar="AGE", help="only works whose last answer is older: 90d, 12h, 2w")


def recheck_of(args: argparse.Namespace) -> Recheck | None:
    """What the flags say; None without --recheck. Raises UsageError."""
    from crawler.engine.recheck import Recheck

    which: str | None = args.recheck
    age: str | None = args.older_than
    if which is None:
        if age is not None:
            raise UsageError("--older-than goes with --recheck: it says which answers are old enough to ask again")
        return None
    older_s = 0.0 if age is None else _seconds(age)
    for name in WHICH:
        if name == which:
            return Recheck(name, older_s)
    raise UsageError(f"--recheck {which}: must be one of {', '.join(WHICH)}")


def _seconds(age: str) -> float:
    match = _AGE.fullmatch(age.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.nan
    if not 0 <= seconds <= time.time():
        raise UsageError(f"--older-than {age}: must be a number and s, m, h, d or w, as in 90d")
    return seconds


def would_ask_again(loaded: Loaded, recheck: Recheck) -> int:
    """How many works a run would ask again for. Asks nothing. Raises SourceError, LogDamaged, OSError."""
    from crawler.engine.recheck import choose
    from crawler.log.files import LOG
    from crawler.log.reader import replay
    from crawler.sources.source import open_source

    log = loaded.settings.output.home / LOG
    if not log.exists():
        return 0
    with tempfile.TemporaryDirectory(prefix="crawler-plan-") as spool:
        census = asyncio.run(open_source(loaded.settings.source, Path(spool)).count())
    chosen, past = choose(recheck, replay(log), log, census.bitmap, time.time())
    if past is not None:
        past.close()
    return len(chosen)
