"""Laws of `crawler config`: it shows what a run would obey, where each part came from, and never the session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.keys import keys
from crawler.cli.loading import load
from crawler.cli.main import main

SECRET = "12345_s3cr3tSessionValue"


def test_as_a_process(tmp_path: Path) -> None:
    """`python -m crawler config` shows each key once with its place; flags, environment and file in their order."""
    (tmp_path / "c.toml").write_text('[limits]\nworks = 5\n[limits.api]\nrate = 2\n[site]\nquality = "small"\n')
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "config", "c.toml", "-j", "7"],
        cwd=tmp_path,
        env=os.environ | {"CRAWLER_LIMITS__API__RATE": "3.5", "CRAWLER_SITE__SESSION": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = {line.partition(" = ")[0]: line for line in done.stdout.splitlines()}
    assert [name for name in shown if not name.startswith("#")] == list(keys())
    assert shown["limits.works"].split() == ["limits.works", "=", "7", "#", "--limits.works"]
    assert shown["limits.api.rate"].split() == ["limits.api.rate", "=", "3.5", "#", "CRAWLER_LIMITS__API__RATE"]
    assert shown["site.quality"].split() == ["site.quality", "=", '"small"', "#", "c.toml:6"]
    assert shown["site.name"].split() == ["site.name", "=", '"pixiv"', "#", "default"]
    assert shown["# site.session"].split() == ["#", "site.session", "=", "***", "#", "CRAWLER_SITE__SESSION"]
    assert SECRET not in done.stdout


def test_what_is_shown_reads_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is a config file of the same meaning."""
    monkeypatch.chdir(tmp_path)
    flags = {
        "source.path": ["a # b.txt", 'q".txt'],
        "network.resolve.www.example.org": "[::1]:8443",
        "filter.tags_none": ["女の子", "a\\b"],
        "limits.api.rate": "0.05",
    }
    argv = ["config"]
    for name, value in flags.items():
        for text in [value] if isinstance(value, str) else value:
            argv += [f"--{name}", text]
    assert main(argv) == 0
    Path("shown.toml").write_text(capsys.readouterr().out)
    again = load(Path("shown.toml"), {}, {}, source_needed=False)
    assert again.settings == load(None, flags, {}, source_needed=False).settings
    assert again.settings.network.resolve == {"www.example.org": "[::1]:8443"}


def test_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--json has each key with value, kind of place and place; passwords and the session are hidden."""
    secret = tmp_path / "session"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    monkeypatch.setenv("CRAWLER_NETWORK__PROXY", "http://me:pa55@127.0.0.1:3128")
    assert main(["config", "--json", "--site.session_file", str(secret)]) == 0
    out = capsys.readouterr().out
    table: dict[str, Any] = json.loads(out)
    assert table["site.session"] == {"value": "***", "from": "flag", "where": "--site.session_file"}
    assert table["limits.works"] == {"value": 32, "from": "default", "where": ""}
    assert table["network.proxy"]["value"] == "http://***@127.0.0.1:3128"
    assert SECRET not in out
    assert "pa55" not in out


def test_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """--schema is a JSON Schema with every key of the file, its help, and no session."""
    assert main(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    found = set[str]()

    def walk(node: dict[str, Any], prefix: str) -> None:
        for name, part in node["properties"].items():
            reference = part.get("$ref", "").rpartition("/")[2]
            if reference:
                walk(schema["$defs"][reference], f"{prefix}{name}.")
            else:
                found.add(prefix + name)
                assert part["description"]

    walk(schema, "")
    assert found == set(keys())


def test_faults_go_to_stderr_with_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is shown of settings that cannot be used; every fault is."""
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("[limit]\nworks = 1\n[limits.api]\nrate = 'fast'\n")
    assert main(["config", "c.toml"]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.splitlines() == [
        "c.toml:2: limit.works: no such key; did you mean limits.works?",
        'c.toml:4: limits.api.rate: must be a number from 0 to 100000, not "fast"',
    ]


def test_kind_and_site_show_what_they_follow(capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that follows another says so."""
    assert main(["config", "--source.kind", "urls"]) == 0
    assert "# default, follows source.kind" in capsys.readouterr().out
