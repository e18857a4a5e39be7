"""Laws of the summary and the tree: every outcome is in it, the next command is right, nothing raw is printed."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import BUSY, snapshots

from crawler.progress import Snapshot
from crawler.watch.style import say
from crawler.watch.summary import print_summary, summary, tree


def printed(now: Snapshot, code: int, reason: str = "finished", directory: str = "data/popular") -> str:
    out = io.StringIO()
    say(summary(now, code, reason, directory, "popular.toml"), out)
    return out.getvalue()


def test_a_clean_end() -> None:
    """All that a user asks at the end, in one look."""
    now = replace(BUSY, listed=300, done=256, gone=44, failed=0, pending=0, reasons={"not_found": 30, "restricted": 14})
    now = replace(now, images=512, new_images=512, bytes=8_000_000, new_works=300, requests=901, retries=44)
    now = replace(now, failed_images=0, elapsed_s=21.4)
    assert printed(now, 0) == (
        "\nFinished: every id has its outcome.\n\n"
        " listed      300\n"
        " done        256   85.3 %  ━━━━━━━━━━━━━━━━━━━━\n"
        " gone         44   14.6 %  ━━━━\n"
        " failed        0    0.0 %\n"
        " to do         0    0.0 %\n"
        "\n"
        " reasons   not found      30\n"
        "           restricted     14\n"
        "\n"
        " images    512 images\n"
        " size      8.00 MB, 15.6 kB each\n"
        " requests  901, 44 of them repeats, 3.0 a work\n"
        " time      21 s, 841 works/min, 23.9 images/s\n"
        "\n"
        " next      crawler status data/popular  the same, from the log\n"
        "           crawler verify data/popular  every file against the log\n"
    )


def test_what_to_do_next() -> None:
    """Something left: run again; something failed: look at it; a name with a blank is quoted for the shell."""
    text = printed(BUSY, 130, "interrupted", "my data")
    assert "Stopped by you." in text
    assert "crawler run popular.toml" in text
    assert "goes on with 128,674 works" in text
    assert "crawler tail 'my data' --failed" in text


@settings(max_examples=60, deadline=None)
@given(snapshots(), st.sampled_from((0, 1, 2, 3, 4, 5, 6, 7, 130, 143, 99)), st.text(), st.text())
def test_piped_it_is_plain_whatever_happened(now: Snapshot, code: int, reason: str, directory: str) -> None:
    """No code and no hostile character, for any run; every count is there."""
    text = printed(now, code, reason, directory)
    assert all(line.isprintable() for line in text.split("\n"))
    for n in (now.listed, now.done, now.gone, now.failed, now.pending):
        assert f"{n:,}" in text


def test_it_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A summary is a result."""
    print_summary(BUSY, 4, "finished", Path("data"))
    assert "another run may cure" in capsys.readouterr().out


def test_a_tree_is_small_and_true(tmp_path: Path) -> None:
    """However many files there are: some lines, right sums, no private folder, no raw name."""
    total = 0
    for i in range(120):
        folder = tmp_path / "images" / f"{i:03d}"
        folder.mkdir(parents=True)
        for page in range(1 + i % 3):
            (folder / f"{i}_p{page}.jpg").write_bytes(b"x" * i)
            total += 1
    (tmp_path / "log.jsonl").write_bytes(b"x" * 40_000)
    (tmp_path / "a\x1b[31m").write_text("")
    (tmp_path / ".crawl").mkdir()
    out = io.StringIO()
    say(tree(tmp_path, 16), out)
    lines = out.getvalue().split("\n")[:-1]
    assert 8 < len(lines) <= 22
    assert f"├── images/  {total} files, 14.4 kB" in lines
    assert "└── log.jsonl  40.0 kB" in lines
    assert not any(".crawl" in line for line in lines)
    assert all(line.isprintable() for line in lines)
