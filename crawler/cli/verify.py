"""`crawler verify DIR`: every file of a data set against its log, offline."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.cli.progress_line import ProgressLine
from crawler.cli.tail import mirror, no_log
from crawler.store.address import is_address

if TYPE_CHECKING:
    from crawler.audit.findings import Finding, Report
    from crawler.audit.mend import Mended
    from crawler.log.reader import LogDamaged

SHOWN = 50
"""How many problems are listed for people; the table counts all."""
_NAMES = {
    "missing": "missing",
    "truncated": "truncated",
    "wrong_size": "wrong size",
    "wrong_digest": "wrong digest",
    "undecodable": "undecodable",
    "unreadable": "unreadable",
    "misplaced": "misplaced",
    "orphan": "orphan",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `verify`."""
    parser.add_argument("dir", metavar="DIR", help="the run's output folder, or its address: s3://bucket/prefix")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="queue again exactly what is broken, mend a damaged log; nothing is deleted",
    )
    parser.add_argument("--decode", action="store_true", help="decode each image as well: slow, and thorough")
    parser.add_argument("--against", metavar="FILE", help="a published manifest.jsonl: what is the same, changed, gone")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, with every problem")


def run(args: argparse.Namespace) -> int:
    """0 sound, or all mended; 2 no log, or --repair while a run is on; 3 not sound; 7 damaged log, or I/O."""
    from crawler.audit.look import audit
    from crawler.log.reader import LogDamaged

    remote = is_address(args.dir)
    directory = mirror(args.dir) if remote else Path(args.dir)
    if directory.name == "log.jsonl" and directory.is_file():
        directory = directory.parent
    if not (directory / "log.jsonl").is_file():
        print(no_log(directory / "log.jsonl"), file=sys.stderr)
        return 2
    if args.against is not None:
        from crawler.cli.against import against

        return against(args, directory)
    where = args.dir if remote else directory
    began = time.monotonic()
    progress = ProgressLine("checked", began, shown=sys.stderr.isatty() and not getattr(args, "quiet", False))
    mended: Mended | None = None
    try:
        if args.repair:
            from crawler.audit.mend import repair

            mended = repair(directory, decode=args.decode, progress=progress.tell)
            report = mended.report
        else:
            report = audit(directory, decode=args.decode, progress=progress.tell)
    except LogDamaged as damage:
        if not args.json:
            raise
        print(json.dumps(_damaged(where, damage), ensure_ascii=False))
        return damage.code
    finally:
        progress.end()
    elapsed = time.monotonic() - began
    if args.json:
        print(json.dumps(_machine(where, report, mended, elapsed), ensure_ascii=False))
    else:
        for line in _told(where, report, mended, elapsed):
            print(line)
    return 0 if report.sound or (mended is not None and mended.left == 0) else 3


def _told(directory: Path | str, report: Report, mended: Mended | None, elapsed: float) -> list[str]:
    """The result in words: a table, the problems, and what to do."""
    from crawler import words

    lines: list[str] = []
    if mended is not None and mended.salvaged is not None:
        saved = mended.salvaged
        lines.append(
            f"The log was damaged: {words.plural(saved.lines, 'line')} saved, {words.count(saved.lost)} lost; "
            f"the original is {words.clean(str(saved.original))}"
        )
    lines += [words.clean(warning) for warning in (mended.warnings if mended else ())]
    checked, size = words.plural(report.images, "image"), words.size(report.bytes)
    lines.append(f"{words.clean(str(directory))}: {checked}, {size}, held against the log in {words.duration(elapsed)}")
    counts = report.counts
    broken = sum(n for what, n in counts.items() if what != "orphan")
    table = [("sound", report.images - broken)] + [(_NAMES[w], counts[w]) for w in _NAMES if w in counts]
    lines += [f"  {name:<13}{words.count(n):>11}" for name, n in table]
    for finding in report.findings[:SHOWN]:
        id = f" ({words.clean(str(finding.image.id))})" if finding.image else ""
        path = words.clean(finding.path)
        lines.append(f"{_NAMES[finding.what]}: {path}{id}: {words.clean(finding.why)}; {_now(finding, mended)}")
    if len(report.findings) > SHOWN:
        lines.append(f"... and {words.count(len(report.findings) - SHOWN)} more (--json has them all)")
    lines += [
        f"flawed: {words.clean(path)}: {words.clean(why)}; the site sent these bytes twice; left as it is"
        for path, why in report.flawed[:SHOWN]
    ]
    lines += [f"undecided: {words.clean(path)}: {words.clean(why)}" for path, why in report.undecided[:SHOWN]]
    if report.torn_bytes and mended is None:
        lines.append(f"The log ends in the middle of a line ({report.torn_bytes} bytes); the next run heals that.")
    return [*lines, _advice(directory, report, mended)]


def _now(finding: Finding, mended: Mended | None) -> str:
    """What happens now to a file."""
    if finding.what == "orphan":
        return "--repair moves it to quarantine" if mended is None else "moved to quarantine"
    if not finding.mendable:
        return "left as it is: make it readable, then verify again"
    if mended is None:
        return "--repair queues it again"
    return "queued again" + (", the bad file is in quarantine" if finding.aside else "")


def _advice(directory: Path | str, report: Report, mended: Mended | None) -> str:
    from crawler import words

    if report.sound:
        return "Sound: every image is on disk as the log says, and there is nothing else."
    if mended is None:
        if all(finding.what == "orphan" for finding in report.findings):
            return "Every image is sound. --repair moves what no line names to quarantine; nothing is deleted."
        return f"Not sound. `crawler verify {words.clean(str(directory))} --repair` queues again what is broken."
    parts: list[str] = []
    if mended.queued:
        parts.append(f"{words.plural(mended.queued, 'image')} queued again: the next `crawler run` fetches just those")
    if mended.moved:
        moved = "what was bad or named by no line is" if "orphan" in report.counts else "bad files are"
        parts.append(f"{moved} kept in {words.clean(str(mended.quarantine))}: nothing was deleted")
    if mended.left:
        parts.append(f"{words.plural(mended.left, 'problem')} left that only you can mend")
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."


def _machine(directory: Path | str, report: Report, mended: Mended | None, elapsed: float) -> dict[str, Any]:
    """The result for programs."""
    out: dict[str, Any] = {
        "directory": str(directory),
        "sound": report.sound,
        "images": report.images,
        "bytes": report.bytes,
        "seconds": round(elapsed, 3),
        "found": dict(report.counts),
        "problems": [
            {
                "what": finding.what,
                "path": finding.path,
                "id": finding.image.id if finding.image else None,
                "page": finding.image.page if finding.image else None,
                "why": finding.why,
                "now": _now(finding, mended),
            }
            for finding in report.findings
        ],
        "flawed": [{"path": path, "why": why} for path, why in report.flawed],
        "undecided": [{"path": path, "why": why} for path, why in report.undecided],
        "torn_bytes": report.torn_bytes,
    }
    if mended is not None:
        out["repaired"] = {
            "queued": mended.queued,
            "moved": mended.moved,
            "left": mended.left,
            "quarantine": str(mended.quarantine),
            "warnings": list(mended.warnings),
            "log": None
            if mended.salvaged is None
            else {
                "lines": mended.salvaged.lines,
                "lost": mended.salvaged.lost,
                "bad_bytes": mended.salvaged.bad_bytes,
                "original": str(mended.salvaged.original),
            },
        }
    return out


def _damaged(directory: Path | str, damage: LogDamaged) -> dict[str, Any]:
    return {"directory": str(directory), "sound": False, "damaged": {"byte": damage.offset, "why": str(damage)}}
