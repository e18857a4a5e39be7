"""The pages under docs/ are what the code says, and lead where they say they lead."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "scripts" / "pages"))

import command_pages  # noqa: E402
import reference  # noqa: E402

from crawler.cli.main import COMMANDS, parser_of  # noqa: E402

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_reference_is_up_to_date() -> None:
    """`scripts/reference` would change nothing; it says where something must be said of what is new."""
    stale = reference.differences()
    assert not stale, "run scripts/reference\n" + "\n".join(stale.values())


def test_every_command_has_an_example_that_it_takes() -> None:
    """What the page shows for a command is read by its parser."""
    for name in COMMANDS:
        for example in command_pages.EXAMPLES[name]:
            program, command, *rest = shlex.split(example.partition(" > ")[0])
            assert (program, command) == ("crawler", name)
            parser_of(name, importlib.import_module(f"crawler.cli.{name}")).read(rest)


def anchors(path: Path) -> set[str]:
    """The names that a page's headings have on the web."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file or to a heading of this repository has one at its end."""
    for link in _LINK.findall(path.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
