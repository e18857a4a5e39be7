"""What many processes cannot do is refused in plain words, before Ray is started and before anything is asked."""

import importlib.util
import sys
from pathlib import Path

import pytest

from crawler.cli.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    (tmp_path / "ids.txt").write_text("1\n")
    (tmp_path / "c.toml").write_text('[source]\npath = "ids.txt"\n[output]\ndir = "out"\n')
    return tmp_path


REFUSED = (
    (["--ray", "10.0.0.5"], "--ray 10.0.0.5: must be HOST:PORT"),
    (["--ray", "ray://10.0.0.5:10001"], "run this on a node"),
    (["--ray", "127.0.0.1:6379"], "start it with --node-ip-address 127.0.0.2"),
    (["--ray", "localhost:6379"], "start it with --node-ip-address 127.0.0.2"),
    (["--ray", "10.0.0.5:6379"], "set RAY_AUTH_MODE=token"),
    (["--ray", "head.example:6379"], "set RAY_AUTH_MODE=token"),
    (["--stop"], "--stop goes with --ray"),
    (["--ray", "127.0.0.2:6379", "--network.proxy", "http://me:secret@127.0.0.1:8"], "network.proxy holds a password"),
)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("flags", "words"), REFUSED, ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_it_is_refused_with_exit_code_2(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that anybody could give orders to is not joined, nor is one told what it would keep."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra [ray] is not installed")
    assert main(["run", "c.toml", *flags]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "secret" not in said.err
    assert said.out == ""
    assert not Path("out/log.jsonl").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flags", [["--cluster.workers", "2"], ["--ray", "127.0.0.2:6379"]], ids=["own", "joined"])
def test_without_the_extra_its_name_is_told(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has no Ray reads what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", "c.toml", *flags]) == 2
    assert "pip install 'crawler[ray]'" in capsys.readouterr().err
