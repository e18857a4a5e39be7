"""Writes docs/reference/ from the models, the parsers and the events; what those cannot say stands beside this file."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import command_pages
import event_pages
import exit_pages
import metric_pages
import outcome_pages
import setting_pages

HOME = Path(__file__).parent.parent.parent / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "config.md": setting_pages.page,
    "commands.md": command_pages.page,
    "outcomes.md": outcome_pages.page,
    "exit-codes.md": exit_pages.page,
    "events.md": event_pages.page,
    "metrics.md": metric_pages.page,
}
NOTE = "<!-- Made by scripts/reference: change the code or scripts/pages, and run it. -->\n\n"


def differences() -> dict[str, str]:
    """Pages that are not what the code says, each with a diff."""
    found: dict[str, str] = {}
    for name, page in PAGES.items():
        path, text = HOME / name, NOTE + page()
        old = path.read_text() if path.exists() else ""
        if old != text:
            diff = difflib.unified_diff(
                old.splitlines(), text.splitlines(), f"docs/reference/{name}", "made", "", "", 0
            )
            found[name] = "\n".join(list(diff)[:40])
    return found


def main(argv: list[str]) -> int:
    if argv not in ([], ["--check"]):
        print("usage: scripts/reference [--check]", file=sys.stderr)
        return 2
    if argv:
        stale = differences()
        print(*stale.values(), sep="\n")
        return 1 if stale else 0
    HOME.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (HOME / name).write_text(NOTE + page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
