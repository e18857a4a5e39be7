"""SECURITY.md: each row of its table names tests that are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
ROWS = [
    row
    for row in (TESTS.parent / "SECURITY.md").read_text().split("## Attacks")[1].split("\n## ")[0].splitlines()
    if row.startswith("| ") and row.count(" | ") == 3 and not row.startswith(("| attack", "| ---", "| **"))
]


@pytest.mark.parametrize("row", ROWS, ids=[row[2:40] for row in ROWS])
def test_a_row_is_shown_by_tests(row: str) -> None:
    """Every file that a row names exists, and holds a test with every word that stands behind it."""
    file = ""
    found = 0
    for word in re.findall(r"`([^`]+)`", row.rpartition(" | ")[2]):
        if word.endswith(".py"):
            path = TESTS / word.removeprefix("tests/")
            path = path if path.exists() else TESTS / Path(word).name
            more = ("targets.py", "targets_kept.py") if path.name == "test_fuzz.py" else ()
            file = path.read_text() + "".join((TESTS / "hostile" / name).read_text() for name in more)
            found += 1
        elif not word.startswith("hostile/corpus/"):
            assert re.search(rf'def test_\w*{word}|^    "{word}": \(', file, re.MULTILINE), word
    assert found


def test_the_table_is_there() -> None:
    """The control: rows are found."""
    assert len(ROWS) > 40
