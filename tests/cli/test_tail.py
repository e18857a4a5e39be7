"""Laws of `crawler tail`: whole lines, harmless words, and patience."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loglines import EVERY, FAILED, OPENED, lines, stored
from starter import CRAWLER, popen

from crawler.cli.main import main
from crawler.events import Failed, Gone
from crawler.log.codec import encode
from crawler.watch.follow import Piece
from crawler.watch.lines import render
from crawler.words import clean


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_bytes(b"".join(lines(*EVERY)))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    assert main(["tail", *args]) == 0
    return capsys.readouterr().out.split("\n")[:-1]


def test_every_event_in_words(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When, what, which work, in columns; each event has words of its own."""
    text = [line[14:] for line in said(capsys, str(run), "-n", "20")]
    assert text == [
        "  opened     40 ids from ids.txt, crawler 0.1.0, log ab12cd34ef56",
        "  described  12345678   2 images, 冬の朝\\x1b[31m\\u202e, by ねこ",
        "  stored     12345678   p0   2.31 MB  1200 x 1697  images/678/12345678_p0.jpg",
        "  stored     12345678   p1   2.31 MB  1200 x 1697  images/678/12345678_p1.jpg",
        "  gone       59120034   not found",
        "  gone       59120035   filtered by max_x_restrict",
        "  failed     59120036   p2   truncated after 5 tries, the next run tries again",
        "  failed     59120037   bad reply, status 200 after 1 try, for good: body is a list\\n",
        text[8],
        "  voided     12345678   line 3 of log ab12cd34ef56 no longer holds: repair",
        "  closed     interrupted: 1 done, 2 gone, 1 failed, 36 pending, 2 images, 5 B",
    ]
    assert text[8].startswith("  throttled  www.pixiv.net  blocked until ")
    assert text[8].endswith(", too many requests, then 0.31/s")


def test_the_last_ten_and_filters(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten unless told; --event, --failed and --id choose before counting."""
    assert len(said(capsys, str(run))) == 10
    assert len(said(capsys, str(run), "-n", "3")) == 3
    assert len(said(capsys, str(run), "-n", "0")) == 0
    assert len(said(capsys, str(run), "--failed")) == 2
    assert len(said(capsys, str(run), "--event", "gone", "--event", "opened")) == 3
    assert len(said(capsys, str(run), "--id", "12345678")) == 4
    assert len(said(capsys, str(run), "--id", "12345678", "--event", "stored", "-n", "1")) == 1
    assert len(said(capsys, str(run / "log.jsonl"))) == 10


def tail(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return popen(
        [*CRAWLER, "tail", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | (env or {}),
    )


def test_json_is_the_lines_as_they_are(run: Path) -> None:
    """--json passes bytes through unchanged, torn tail left out, damage named on stderr."""
    whole = (run / "log.jsonl").read_bytes()
    (run / "log.jsonl").write_bytes(whole + b"garbage\n" + whole[:50])
    child = tail(run, "--json", "-n", "100")
    out, err = child.communicate(timeout=60)
    assert out == whole
    assert err.decode() == f"damaged line at byte {len(whole)}\n"
    assert child.returncode == 0


def test_damage_is_shown_by_its_place(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is none is not guessed at, nor printed."""
    whole = (run / "log.jsonl").read_bytes()
    (run / "log.jsonl").write_bytes(whole + b"\x1b[31mgarbage\n")
    assert said(capsys, str(run))[-1].endswith(f"damaged line at byte {len(whole)}")


def test_no_log_is_a_mistake_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and what DIR should be."""
    assert main(["tail", str(tmp_path)]) == 2
    assert "there is no log here" in capsys.readouterr().err


def test_it_follows_a_run_that_has_not_begun(tmp_path: Path) -> None:
    """Started before the folder exists: every line as it is whole, byte for byte; Ctrl-C ends it quietly."""
    body = lines(*EVERY)
    child = tail(tmp_path / "later", "-f", "--json")
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        (tmp_path / "later").mkdir()
        with (tmp_path / "later" / "log.jsonl").open("ab", buffering=0) as log:
            log.write(body[0] + body[1][:20])
            assert child.stdout.readline() == body[0]
            log.write(body[1][20:] + b"".join(body[2:]))
            for line in body[1:]:
                assert child.stdout.readline() == line
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
        assert child.stderr.read() == b""
    finally:
        child.kill()
        child.communicate()


def test_it_goes_when_its_reader_goes(run: Path) -> None:
    """`tail -f | head -1` ends by itself, without a word."""
    child = tail(run, "-f")
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        assert b"described" in child.stdout.readline()
        child.stdout.close()
        assert child.wait(timeout=60) == 0
        assert child.stderr.read() == b""
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def test_no_codes_in_a_pipe_nor_under_no_color(run: Path) -> None:
    """Colours are for terminals of people who want them."""
    import pty

    child = tail(run)
    assert b"\x1b" not in child.communicate(timeout=60)[0]
    for no_color, coloured in (("", True), ("1", False)):
        ours, theirs = pty.openpty()
        env = {"NO_COLOR": no_color, "TERM": "xterm", "COLUMNS": "60"}
        command = [sys.executable, "-m", "crawler", "tail", str(run)]
        done = subprocess.run(command, check=False, stdout=theirs, env=os.environ | env, timeout=60)
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(ours)
        assert done.returncode == 0
        assert (b"\x1b[" in text) is coloured
        assert len(text.split(b"\r\n")) == 11  # cut at the width, never wrapped


hostile = st.one_of(st.text(max_size=60), st.sampled_from(("\x1b[2J", "\u202eabc", "a\nb", "冬" * 60)))


@settings(max_examples=60, deadline=None)
@given(hostile, hostile, st.integers(30, 120))
def test_any_line_is_one_harmless_row(a: str, b: str, width: int) -> None:
    """Whatever the site says: one line, no wider than the terminal, no raw control character."""
    for event in (Failed(a, 0, b, None, 1, True, a), Gone(5, a, b), OPENED, stored(7), FAILED):
        row = render(Piece(0, encode("ab", 1, "2026-01-02T10:00:00.000Z", event)[:-1]), width)
        assert row.cell_len <= width
        assert clean(row.plain) == row.plain
    row = render(Piece(9, a.encode("utf-8", "surrogatepass")), width)
    assert row.cell_len <= width
    assert row.plain.strip().startswith("damaged    da")


def test_an_event_of_a_newer_version_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An old tool reads a new log: the unknown event's name and keys."""
    import zlib

    body = b'{"seq":1,"t":"2026-01-02T10:00:00.000Z","event":"blessed","log":"ab","id":7,"by":"x"'
    (tmp_path / "log.jsonl").write_bytes(b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body)))
    assert said(capsys, str(tmp_path))[0][14:] == '  blessed    7          {"by":"x"}'
