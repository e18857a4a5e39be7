"""Laws of the questions of `crawler init`: asked of people only, each answer held against the world, then a file."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ptys import converse

from crawler.cli.main import main

SECRET = "4242_" + "k" * 32


def made(folder: Path, name: str = "c.toml") -> dict[str, Any]:
    return tomllib.loads((folder / name).read_text())


def planned(folder: Path, capsys: pytest.CaptureFixture[str], name: str = "c.toml") -> str:
    """What `crawler plan` says of the config; it must have nothing against it."""
    assert main(["plan", str(folder / name)]) == 0
    return capsys.readouterr().out


def test_enter_five_times_is_the_polite_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each question has a default that may stand; the file passes `plan`, and the next two commands are said."""
    (tmp_path / "ids.txt").write_text("1\n2\n2\nhttps://www.pixiv.net/artworks/3\n")
    code, screen = converse(["init", "c.toml"], [""] * 6, tmp_path)
    assert code == 0, screen
    for said in ("1.   ", "5.   ", "3 works, 1 more of them again", "crawler plan c.toml", "crawler run c.toml"):
        assert said in screen
    assert "6.   " not in screen
    config = made(tmp_path)
    assert config["source"]["path"] == "ids.txt"
    assert config["site"]["session_file"] == ""
    assert config["limits"]["api"]["rate"] == 0.6
    assert config["filter"]["max_x_restrict"] == 0
    assert config["output"]["dir"] == "data/c"
    assert "3 ids" in planned(tmp_path, capsys)


def test_what_cannot_stand_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such list, a folder for a list, a file for a folder, no numbers: said, and asked until it can stand."""
    (tmp_path / "mine.txt").write_text("7\n8\nx\n")
    answers = ["gone.txt", ".", "mine.txt", "novels", "ids", "mine.txt/deep", "out", "none"]
    answers += ["fast", "1 2 3", "0.5 minus", "-1 2", "0.5 2", "3", "1"]
    code, screen = converse(["init", "c.toml"], answers, tmp_path)
    assert code == 0, screen
    for said in ("no such file", "is a folder", "One of ids", "1 line malformed", "is a file", "two numbers"):
        assert said in screen
    assert 'not "minus"' in screen
    assert 'not "-1"' in screen or "not -1" in screen
    config = made(tmp_path)
    assert (config["limits"]["api"]["rate"], config["limits"]["images"]["rate"]) == (0.5, 2)
    assert config["output"]["dir"] == "out"
    assert config["filter"]["max_x_restrict"] == 1
    planned(tmp_path, capsys)


def test_a_list_that_comes_later_is_believed_the_second_time(tmp_path: Path) -> None:
    """A file that is not there yet is written down when it is named twice."""
    code, screen = converse(["init", "c.toml"], ["later.txt", "later.txt", "", "", "", "", ""], tmp_path)
    assert code == 0, screen
    assert made(tmp_path)["source"]["path"] == "later.txt"


def test_the_one_list_here_is_the_default(tmp_path: Path) -> None:
    """A private file beside it (a session, say) is no list."""
    (tmp_path / "popular.csv").write_text("9\n")
    (tmp_path / "popular.csv").chmod(0o644)
    (tmp_path / "session.txt").write_text(SECRET)
    (tmp_path / "session.txt").chmod(0o600)
    code, screen = converse(["init", "c.toml"], [""] * 6, tmp_path)
    assert code == 0, screen
    assert made(tmp_path)["source"]["path"] == "popular.csv"
    assert SECRET not in screen


def test_a_list_without_one_entry_is_asked_for_again(tmp_path: Path) -> None:
    """Another file may be named, not only another kind."""
    (tmp_path / "poem.txt").write_text("roses are red\nviolets are blue\n")
    (tmp_path / "ids.txt").write_text("5\n")
    code, screen = converse(["init", "c.toml"], ["poem.txt", "ids", "ids.txt", "", "", "", "", ""], tmp_path)
    assert code == 0, screen
    assert "Not one of its lines" in screen
    assert made(tmp_path)["source"]["path"] == "ids.txt"


def test_the_kind_is_guessed_from_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two ids a line are pairs, foreign links are URLs; for URLs there is nothing to ask of sessions and ratings."""
    (tmp_path / "pairs.csv").write_text("colored,sketch\n1,2\n3,4\n")
    code, screen = converse(["init", "p.toml"], ["pairs.csv", "", "", "", "", ""], tmp_path)
    assert code == 0, screen
    assert made(tmp_path, "p.toml")["source"]["kind"] == "pairs"
    (tmp_path / "urls.txt").write_text("https://img.example.org/a.jpg\nhttps://img.example.org/b.png\n")
    code, screen = converse(["init", "u.toml"], ["urls.txt", "", "", "2"], tmp_path)
    assert code == 0, screen
    config = made(tmp_path, "u.toml")
    assert (config["source"]["kind"], config["site"]["name"]) == ("urls", "urls")
    assert config["limits"]["images"]["rate"] == 2
    assert "2 ids" in planned(tmp_path, capsys, "u.toml")


def test_a_session_file_is_looked_at_and_not_read_out(tmp_path: Path) -> None:
    """Open to others: refused with what to do; the value is on no screen and in no config, only the file's name."""
    (tmp_path / "ids.txt").write_text("1\n")
    file = tmp_path / "session.txt"
    file.write_text(SECRET + "\n")
    file.chmod(0o644)
    code, screen = converse(["init", "c.toml"], ["", "", "", "session.txt", "no.txt", "none", "", ""], tmp_path)
    assert code == 0, screen
    assert "chmod 600" in screen
    assert made(tmp_path)["site"]["session_file"] == ""
    file.chmod(0o600)
    code, screen = converse(["init", "d.toml"], ["", "", "", "session.txt", "", ""], tmp_path)
    assert code == 0, screen
    assert made(tmp_path, "d.toml")["site"]["session_file"] == "session.txt"
    assert SECRET not in screen + (tmp_path / "d.toml").read_text()


def test_paths_are_as_the_person_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed is relative to the working folder; in the file it is relative to the file, or whole."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "ids.txt").write_text("1\n")
    code, screen = converse(["init", "configs/c.toml"], ["ids.txt", "", "configs/out", "", "", ""], tmp_path)
    assert code == 0, screen
    config = made(tmp_path / "configs")
    assert config["source"]["path"] == str(tmp_path / "ids.txt")
    assert config["output"]["dir"] == "out"
    planned(tmp_path / "configs", capsys)


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 2)])
def test_leaving_early_writes_nothing(tmp_path: Path, key: str, code: int) -> None:
    """Ctrl-C and the end of the input end it, with no file left behind."""
    left, screen = converse(["init", "c.toml"], ["", key], tmp_path)
    assert left == code, screen
    assert os.listdir(tmp_path) == []


def test_nobody_is_asked_without_a_terminal_or_with_yes(tmp_path: Path) -> None:
    """--yes and a pipe write the same file, at once; -q as well."""
    command = [sys.executable, "-m", "crawler", "init", "c.toml"]
    done = subprocess.run(
        command, cwd=tmp_path, input="a\nb\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert " > " not in done.stderr
    piped = (tmp_path / "c.toml").read_text()
    for flag in ("--yes", "-q"):
        (tmp_path / "c.toml").unlink()
        code, screen = converse(["init", flag, "c.toml"], [], tmp_path)
        assert code == 0
        assert " > " not in screen
        assert (tmp_path / "c.toml").read_text() == piped


def test_a_file_in_the_way_is_told_before_any_question(tmp_path: Path) -> None:
    """Nobody answers five questions for nothing."""
    (tmp_path / "c.toml").write_text("mine")
    code, screen = converse(["init", "c.toml"], [], tmp_path)
    assert code == 2
    assert "is there already" in screen
    assert " > " not in screen
    assert (tmp_path / "c.toml").read_text() == "mine"
