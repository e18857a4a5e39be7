"""Titles and names that are code elsewhere: what prints or draws them leaves them words."""

from pathlib import Path

import pytest
from planted import cli, run_of

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">',
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b2J",
    "\u202egnp.exe\u2066\u200f",
    "\"'><svg/onload=alert(3)>&lt;b&gt;",
    '=HYPERLINK("http://evil.test","x")',
    "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
    "{{7*7}}${7*7}%s%n",
)
CODES = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200f", "\r")


@pytest.mark.parametrize("title", HOSTILE)
def test_words_of_a_stranger_stay_words(title: str, tmp_path: Path) -> None:
    """Tail, status, verify, the tree and the report: no control code, no tag, no formula of theirs gets through."""
    root = run_of(tmp_path / "run", title=title)
    for asked in (["tail", root], ["tail", root, "-n", "9"], ["status", root], ["verify", root], ["report", root]):
        code, said = cli(*asked)
        assert code in (0, 3), said
        assert not [mark for mark in CODES if mark in said], said
    page = (root / "report.html").read_text("utf-8")
    assert page.count("<script") == 3  # its figures, its library, its own: `watch/test_report.py` reads their digests
    assert "<script>alert" not in page
    assert 'onerror="' not in page
    assert "<svg/onload" not in page
    assert not [mark for mark in CODES if mark in page]
    for table in root.rglob("*.csv"):
        for line in table.read_text("utf-8").splitlines():
            assert not line.startswith(("=", "+", "@")), line
            assert ",=HYPERLINK" not in line
            assert ',"=HYPERLINK' not in line
