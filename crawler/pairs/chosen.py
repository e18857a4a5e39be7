"""Which pairs go out: those that people said yes to, and, if asked for, likely ones that nobody judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crawler.disk import Disk
from crawler.pairs.candidates import read_candidates
from crawler.pairs.judgements import Pair
from crawler.pairs.ledger import replay


def chosen(candidates: Path, judgements: Path, least: float | None) -> list[Pair]:
    """The pairs, in the order of their ids. `least`: unjudged candidates from this score on are taken, None: none.

    Whoever judged is believed over any score. Raises JudgementsDamaged, OSError; ValueError for what is no candidate.
    """
    said = replay(judgements)
    found = {one.pair for one in said.standing() if one.verdict == "yes"}
    if least is not None:
        for one in read_candidates(candidates):
            pair = Pair(one.colored, one.sketch)
            if one.score >= least and said.last(pair) is None:
                found.add(pair)
    return sorted(found)


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Replace the csv, durably: `colored,sketch` a line, no header, as the seed's own list has it. Raises OSError."""
    disk = Disk()
    disk.make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    file = disk.fresh(part)
    try:
        disk.write(file, "".join(f"{pair.colored},{pair.sketch}\n" for pair in pairs).encode())
        disk.sync(file)
    finally:
        disk.close(file)
    disk.replace(part, path)
    disk.sync_folder(path.parent)
