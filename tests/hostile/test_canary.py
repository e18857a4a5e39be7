"""A planted session: its own host sees it, and nothing else that a run or a command leaves behind ever holds it."""

import asyncio
import logging
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from canary_kit import CANARY, ENV, Viewer, clean, environments, free_port, processes
from judge import command, write_config
from planted import cli, look

from crawler.cli.loading import load
from crawler.origin.server import origin_thread


def test_a_run_leaves_no_trace_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site itself is shown the session; its image host, log, status, report, page, exports and output are not."""
    (tmp_path / "ids.txt").write_text("\n".join(str(id) for id in range(59120000, 59120015)))
    with origin_thread(
        seed=7, profile="harsh", ca_dir=tmp_path / "ca", stall_s=1.0, retry_after_s=0, session=CANARY
    ) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        viewer = Viewer(free_port())
        run = [sys.executable, "-m", "crawler", "run", str(config), "-v", "--progress", "plain"]
        run += ["--ui.page_port", str(viewer.port)]
        process = subprocess.Popen(
            run, env={**os.environ, **ENV}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path
        )
        seen: set[bytes] = set()
        given: set[bytes] = set()
        while process.poll() is None:
            viewer.look()
            seen |= processes()
            given |= environments(process.pid)
            time.sleep(0.15)
        viewer.leave()
        assert process.stdout is not None
        said = process.stdout.read()
        process.stdout.close()
        assert process.returncode in (0, 3, 4), said
        assert origin.seen.violations == {}, origin.seen.examples
        assert b"crawler_images_stored_total" in b"".join(viewer.seen), "the page was looked at"
        assert b"event: " in viewer.seen[-1], "and its stream"
        assert given, "pictures are read by a process of their own"
        clean(said, *seen, *given, *viewer.seen)
        out = tmp_path / "out"
        for name, value in ENV.items():
            monkeypatch.setenv(name, value)
        asked = [["status", out], ["status", out, "--json"], ["tail", out], ["verify", out]]
        asked += [["report", out], ["config", config], ["config", config, "--json"], ["plan", config]]
        asked += [["doctor", config, "-v"], ["run", config, "--dry-run"], ["init", tmp_path / "new.toml"]]
        asked += [["run", config, "-v", "--progress", how] for how in ("json", "rich", "none")] + [
            ["run", config, "-q"]
        ]
        for kind in ("webdataset", "parquet", "imagefolder"):
            asked.append(["export", out, "--to", kind, "--out", tmp_path / "exports" / kind, "-v"])
        clean(command("tail", out, "--json").out)
        for words in asked:
            code, told = cli(*words)
            assert code in (0, 3, 4), (words, told)
            clean(told)
        assert (tmp_path / "exports" / "parquet" / "_card.md").is_file(), "the data card"
        clean(*look(tmp_path / "exports").values(), (tmp_path / "new.toml").read_bytes())
        for name, body in look(out).items():
            clean(name, body)


def test_a_session_in_a_file_is_shown_by_no_command(tmp_path: Path) -> None:
    """Its path may be, its value is not; a file that others may read is refused."""
    path = tmp_path / "session.txt"
    path.write_text(CANARY)
    path.chmod(0o600)
    (tmp_path / "ids.txt").write_text("1\n")
    (tmp_path / "c.toml").write_text(
        f'[source]\npath = "{tmp_path}/ids.txt"\n[output]\ndir = "{tmp_path}/out"\n[site]\nsession_file = "{path}"\n'
    )
    for asked in (["config"], ["plan"], ["doctor"]):
        clean(cli(asked[0], tmp_path / "c.toml")[1])
    loaded = load(tmp_path / "c.toml", {}, {})
    assert loaded.session == CANARY
    clean(repr(loaded), str(loaded), repr(loaded.settings), loaded.settings.model_dump_json())
    clean(str(loaded.settings.model_dump()), repr(vars(loaded.settings.site)))
    path.chmod(0o640)
    code, said = cli("plan", tmp_path / "c.toml")
    assert code == 2
    assert "0640" in said
    clean(said)


def test_decoders_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The processes that read a stranger's images have neither session nor keys in their environment."""
    from crawler.worker import Worker

    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    script = tmp_path / "tell.py"
    script.write_text("import os, sys, json\nsys.stdin.readline()\nprint(json.dumps(dict(os.environ)), flush=True)\n")
    worker = Worker(str(script), "")
    try:
        told = worker.line(worker.ask("?", 10))
    finally:
        worker.close()
    assert b"PATH" in told
    clean(told)


def test_tracebacks_and_debug_output_do_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the middle of a run, told with -v, with asyncio's debug mode on and every logger at its loudest."""
    from crawler.engine import work

    monkeypatch.setenv("CRAWLER_SITE__SESSION", CANARY)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    (tmp_path / "ids.txt").write_text("59120000\n")
    caplog.set_level(logging.DEBUG)

    class Bug(Exception):
        """Not one of ours."""

    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')

        def broken(*_: object, **__: object) -> None:
            raise Bug("in the middle")

        monkeypatch.setattr(work, "ask", broken)
        code, said = cli("run", config, "-v", "--progress", "none")
    assert code == 1, said
    assert "Traceback" in said
    assert "Bug" in said
    clean(said, caplog.text)


def test_requests_and_stops_do_not_print_it() -> None:
    """What carries the session has no repr that shows it."""
    from pydantic import SecretStr

    from crawler.sites.settings import SiteSettings

    site = SiteSettings(session=SecretStr(CANARY))
    clean(repr(site), str(site), site.model_dump_json(), str(site.model_dump()))
    from crawler.fetch.exchange import Request

    request = Request("https://www.pixiv.net/", "api", secret={"Cookie": f"PHPSESSID={CANARY}"})
    clean(repr(request), str(request))

    async def fails() -> None:
        raise RuntimeError(request)

    try:
        asyncio.run(fails())
    except RuntimeError as error:
        clean("".join(traceback.format_exception(error)))
