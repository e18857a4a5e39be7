"""`crawler doctor`: what stands in the way of a run is said before it, and no site is asked."""

import os
import resource
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crawler.cli import doctor
from crawler.cli.main import main
from crawler.events import Gone
from crawler.log.codec import encode


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "ids.txt").write_text("1\n2\n")
    path = tmp_path / "c.toml"
    path.write_text('[source]\npath = "ids.txt"\n[output]\ndir = "out/deep"\n')
    return path


def examined(config: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, str]]:
    code = main(["doctor", str(config), *flags])
    lines = capsys.readouterr().out.splitlines()
    return code, {line[6:].split()[0]: line for line in lines}


def test_a_sound_machine_is_told_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, a line each, and nothing was left on the disk."""
    code, said = examined(config, capsys, "--output.reserve_mb", "1")
    assert code == 0
    assert {"settings", "source", "session", "folder", "disk", "files", "clock"} <= set(said)
    assert sorted(os.listdir(config.parent)) == ["c.toml", "ids.txt"]
    assert main(["doctor", str(config), "-q", "--output.reserve_mb", "1"]) == 0
    assert "ok  " not in capsys.readouterr().out


def test_what_is_in_the_way_is_bad(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing list, a full disk, too few files, a taken port: exit 2, each named."""
    (config.parent / "ids.txt").unlink()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (32, 4096))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = examined(config, capsys, "--ui.page_port", port, "--output.reserve_mb", str(10**9))
    assert code == 2
    for what in ("source", "disk", "files", "page"):
        assert said[what].startswith("BAD"), said
    assert "ulimit -n 4096" in said["files"]


def test_a_folder_that_cannot_be_written_to(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest folder that is there decides; a file in the way of output.dir is no folder."""
    (config.parent / "out").write_text("a file")
    code, said = examined(config, capsys)
    assert code == 2
    assert said["folder"].startswith("BAD")


def test_a_session_is_looked_at_and_never_shown(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual form is fine, another is remarked upon; neither is printed."""
    for value, sign in (("123_" + "a" * 32, "ok"), ("nonsense", "note")):
        monkeypatch.setenv("CRAWLER_SITE__SESSION", value)
        _, said = examined(config, capsys, "--limits.works", "1")
        assert value not in "".join(said.values())
        findings = [f for f in doctor.examine(_loaded(config)) if f.what == "session"]
        assert (findings[0].verdict == "ok") == (sign == "ok")


def _loaded(config: Path) -> doctor.Loaded:
    return doctor.load(config, {}, os.environ, source_needed=False)


def test_a_clock_behind_the_log(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines from the future mean that this clock is wrong."""
    out = config.parent / "out" / "deep"
    out.mkdir(parents=True)
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    (out / "log.jsonl").write_bytes(encode("abc", 1, ahead, Gone(1, "not_found")))
    code, said = examined(config, capsys)
    assert code == 2
    assert "before the log's last line" in said["clock"]


def test_settings_that_cannot_be_used_are_findings(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault with its place, a session others can read among them, and the machine is looked at all the same."""
    secret = config.parent / "session.txt"
    secret.write_text("77_" + "b" * 32)
    secret.chmod(0o644)
    config.write_text(config.read_text() + '[site]\nsession_file = "session.txt"\n[limits]\nworks = 0\n')
    code = main(["doctor", str(config)])
    out = capsys.readouterr().out
    assert code == 2
    assert f"BAD   settings  {config}:8: limits.works" in out
    assert "BAD   session " in out
    assert "chmod 600" in out
    assert "b" * 32 not in out
    for what in ("files", "clock", "TLS"):
        assert f"  {what} " in out
