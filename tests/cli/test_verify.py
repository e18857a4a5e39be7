"""Laws of `crawler verify`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from crawler.cli.main import main
from crawler.disk import Disk
from crawler.events import Described, Opened, Stored
from crawler.log import files
from crawler.log.reader import replay
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image
from crawler.rules.naming import image_path


def dataset(root: Path, works: int = 6, pages: int = 2) -> list[str]:
    """A finished crawl, of files that are no images; their paths in order."""
    paths: list[str] = []

    async def go() -> None:
        log = await Log.open(root, LogSettings(), Disk(sync=False))
        log.note(Opened(log.id, 1, "0", {"path": "x", "digest": "d", "ids": works}, "s"))
        for id in range(1, works + 1):
            log.note(Described(id, tuple(Image(p, f"https://a.example/{id}/{p}") for p in range(pages)), {}))
            for page in range(pages):
                event = stored(root, id, page)
                paths.append(event.path)
                log.note(event)
        await log.close()

    asyncio.run(go())
    return paths


def stored(root: Path, id: int, page: int) -> Stored:
    """Put a file where it belongs; the line that says so."""
    body, path = f"{id} {page} ".encode() * 50, image_path(id, page, "png")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(body)
    digest = hashlib.sha256(body).hexdigest()
    return Stored(id, page, path, len(body), digest, "image/png", 16, 16, "original", f"https://a.example/{id}")


def crawler(*argv: object) -> tuple[int, str, str]:
    """Run the command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(a) for a in argv])
    return code, out.getvalue(), err.getvalue()


def test_the_command_from_broken_to_sound(tmp_path: Path) -> None:
    """0 when sound, 3 when not, 0 when mended; each problem is one line with path, id, why and what happens now."""
    paths = dataset(tmp_path)
    code, out, err = crawler("verify", tmp_path)
    assert (code, err) == (0, "")
    assert "12 images" in out
    os.truncate(tmp_path / paths[0], 7)
    code, out, _ = crawler("verify", tmp_path)
    assert code == 3
    assert f"truncated: {paths[0]} (1): " in out
    assert "--repair queues it again" in out
    code, out, _ = crawler("verify", tmp_path, "--repair")
    assert code == 0
    assert "queued again, the bad file is in quarantine" in out
    assert crawler("verify", tmp_path)[0] == 0


def test_the_command_speaks_json(tmp_path: Path) -> None:
    """--json is one object with every problem."""
    paths = dataset(tmp_path, 60, 1)
    for path in paths:
        (tmp_path / path).unlink()
    code, out, _ = crawler("verify", tmp_path)
    assert code == 3
    assert out.count("missing: ") == 50
    assert "... and 10 more" in out
    code, out, _ = crawler("verify", tmp_path, "--json")
    told = json.loads(out)
    assert (code, told["sound"], told["found"], len(told["problems"])) == (3, False, {"missing": 60}, 60)
    code, out, _ = crawler("verify", tmp_path, "--json", "--repair")
    told = json.loads(out)
    assert (code, told["repaired"]["queued"], told["repaired"]["left"]) == (0, 60, 0)


def test_the_command_and_a_damaged_log(tmp_path: Path) -> None:
    """7 with the offset until it is repaired; then every line that could be saved counts again."""
    dataset(tmp_path)
    log = tmp_path / "log.jsonl"
    raw = bytearray(log.read_bytes())
    offset = raw.index(b"\n", 2000)
    raw[offset + 40] ^= 1
    log.write_bytes(raw)
    code, out, err = crawler("verify", tmp_path)
    assert (code, out) == (7, "")
    assert f"byte {offset + 1}" in err
    assert json.loads(crawler("verify", tmp_path, "--json")[1])["damaged"]["byte"] == offset + 1
    assert log.read_bytes() == raw
    code, out, _ = crawler("verify", tmp_path, "--repair")
    assert code == 0
    assert "18 lines saved, 1 lost" in out
    assert replay(log).totals().done == 5
    assert crawler("verify", tmp_path)[0] == 0


def test_orphans_are_told_and_kept(tmp_path: Path) -> None:
    """A file that no line names is reported and left; --repair moves it away, and deletes nothing."""
    dataset(tmp_path)
    orphan = tmp_path / "images" / "007" / "7_p0.png"
    orphan.parent.mkdir()
    orphan.write_bytes(b"mine")
    code, out, _ = crawler("verify", tmp_path)
    assert code == 3
    assert "orphan: images/007/7_p0.png: no line of the log names it; --repair moves it to quarantine" in out
    assert orphan.read_bytes() == b"mine"
    assert crawler("verify", tmp_path, "--repair")[0] == 0
    assert not orphan.exists()
    assert (tmp_path / ".crawl" / "quarantine" / "7_p0.png").read_bytes() == b"mine"
    assert crawler("verify", tmp_path)[0] == 0


def test_names_from_the_log_are_printed_harmlessly(tmp_path: Path) -> None:
    """What a log or a file name says cannot move the cursor."""
    dataset(tmp_path, 1, 1)
    (tmp_path / "images" / "001" / "a\x1b[2J\u202eb.png").write_bytes(b"")
    _, out, _ = crawler("verify", tmp_path)
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_no_log_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2 with what DIR should be, and nothing made."""
    code, _, err = crawler("verify", tmp_path / "none", "--repair")
    assert code == 2
    assert "no log here" in err
    assert list(tmp_path.iterdir()) == []


def test_repair_is_refused_while_a_run_is_on(tmp_path: Path) -> None:
    """Exit 2, and nothing changes."""
    paths = dataset(tmp_path)
    (tmp_path / paths[0]).unlink()
    before = (tmp_path / "log.jsonl").read_bytes()
    lock = files.lock(tmp_path, tmp_path / ".crawl")
    try:
        code, _, err = crawler("verify", tmp_path, "--repair")
    finally:
        os.close(lock)
    assert code == 2
    assert "another crawler" in err
    assert (tmp_path / "log.jsonl").read_bytes() == before
