"""Laws of `crawler init`: the file it writes is whole, clean and commented, and nothing is overwritten."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crawler.cli.init import text
from crawler.cli.keys import keys
from crawler.cli.loading import load
from crawler.cli.main import main
from crawler.settings import Settings


def test_the_file_has_every_key_with_its_default(tmp_path: Path) -> None:
    """It loads cleanly, sets every key there is, and each to its default but the example of a list."""
    config = tmp_path / "c.toml"
    config.write_text(text())
    (tmp_path / "ids.txt").write_text("1\n")
    loaded = load(config, {}, {})
    assert {name for name, origin in loaded.origin.items() if origin.kind != "file"} == set()
    assert set(loaded.origin) == set(keys())
    changed = {
        "source": {"path": str(tmp_path / "ids.txt")},
        "output": {"dir": str(tmp_path / "data")},
        "collect": {"out": str(tmp_path / "collected")},
    }
    assert loaded.settings == Settings.model_validate(changed)


def test_each_line_says_what_its_key_is_for() -> None:
    """Beside each key stands the sentence of its model, and above each section its own."""
    lines = text().splitlines()
    for key in keys().values():
        assert key.help
        assert any(line.startswith(f"{key.field} = ") and line.endswith(f"  # {key.help}") for line in lines)
    for at, line in enumerate(lines):
        if line.startswith("["):
            assert lines[at - 1].startswith("# ")


def test_it_writes_where_it_is_told_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default crawler.toml; a file that is there stays as it is, exit 2; so do a folder and a missing folder."""
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert "crawler run crawler.toml" in capsys.readouterr().err
    assert tomllib.loads(Path("crawler.toml").read_text())["limits"]["works"] == 32
    Path("mine.toml").write_text("x")
    for path in ("mine.toml", ".", "no/folder.toml", "mine.toml/c.toml"):
        assert main(["init", path]) == 2
        assert path in capsys.readouterr().err
    assert Path("mine.toml").read_text() == "x"
    assert main(["init", "-q", "quiet.toml"]) == 0
    assert capsys.readouterr().err == ""
