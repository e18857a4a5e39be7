"""Planted secrets where a run meets others: an object store, a review in a browser, lists that are collected."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from canary_kit import CANARY, ENV, clean, environments
from judge import command, lines, write_config
from planted import cli, look
from s3_kit import KEY, S3, SECRET

from crawler.origin.server import origin_thread
from crawler.origin.work import Mix, user_of


@pytest.mark.long
def test_an_object_store_holds_no_secret(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """All objects under the prefix, names and bytes; the local folder; what is said, also of errors."""
    address = f"s3://{s3.bucket}/canary/one"
    monkeypatch.setenv("CRAWLER_SITE__SESSION", CANARY)
    (tmp_path / "ids.txt").write_text("\n".join(str(id) for id in range(59120000, 59120012)))
    said: list[str] = []
    with origin_thread(seed=7, profile="flaky", ca_dir=tmp_path / "ca", stall_s=1.0, session=CANARY) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        config.write_text(config.read_text().replace('dir = "out"', f'dir = "{address}"\npublish_s = 0.3'))
        for words in (["doctor", "-v"], ["plan"], ["run", "-v", "--progress", "json"], ["run", "-q"], ["config"]):
            ended = command(words[0], config, *words[1:])
            assert ended.code == 0, ended.err
            said += [ended.out, ended.err]
        wrong = command("run", config, "-v", env={"AWS_SECRET_ACCESS_KEY": SECRET[::-1]})
        assert wrong.code == 7, wrong.err
        gone = command("run", config, "-v", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        assert gone.code == 7, gone.err
        said += [wrong.err, wrong.out, gone.err, gone.out]
    objects = s3.objects(address)
    assert {"log.jsonl", "status.json"} & set(objects)
    told = [*said, *objects, *(s3.read(address, key) for key in objects)]
    told += [body for name, body in look(tmp_path / ".crawl").items()] + list(look(tmp_path / ".crawl"))
    clean(*told)
    for text in told:
        raw = text.encode() if isinstance(text, str) else text
        for secret in (KEY, SECRET, SECRET[::-1], SECRET[:16]):
            assert secret.encode() not in raw, raw[:1000]


def test_what_is_collected_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids, the log, what is said, also of a session that the site refuses."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    users = [user_of(5, 30_000_000 + 7919 * n) for n in range(3)]
    for accepted in (CANARY, "another"):
        folder = tmp_path / accepted[:3]
        with origin_thread(seed=5, ca_dir=tmp_path / "ca", session=accepted) as origin:
            config = write_config(tmp_path, origin, 'path = ""')
            collect = f'\n[collect]\nkind = "users"\ntags = {[str(user) for user in users]}\nout = "{folder}"\n'
            config.write_text(config.read_text().replace("'", '"') + collect.replace("'", '"'))
            for more in (["--dry-run"], ["-v", "--progress", "plain"], ["-v", "--progress", "json"]):
                code, said = cli("collect", config, *more)
                assert code == (0 if accepted == CANARY or more == ["--dry-run"] else 5), said
                clean(said)
            if accepted == CANARY:
                assert any(origin.seen.requests)
                code, said = cli("status", folder)
                clean(said)
        clean(*look(folder).values())


def test_a_review_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page, its script, a pair that it deals, its stream, its files; and the processes that look at pictures."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ids.txt").write_text("\n".join(str(id) for id in range(59120000, 59120008)))
    with origin_thread(seed=7, ca_dir=tmp_path / "ca", session=CANARY, mix=Mix(scale=0.2)) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        code, said = cli("run", config, "-q")
        assert code == 0, said
    done = sorted({line["id"] for line in lines(tmp_path / "out") if line["event"] == "stored"})
    (tmp_path / "pairs.csv").write_text(f"{done[0]},{done[1]}\n")
    words = [sys.executable, "-m", "crawler", "pairs", "review", str(tmp_path / "out"), "--port", "0", "-v"]
    words += ["--csv", str(tmp_path / "pairs.csv")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    base, _, token = url.partition("/?token=")
    line = http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
    head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    seen: list[bytes] = []
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/review.js", None),
        ("POST", "/deal", b'{"tab":"aaaaaaaa"}'),
    ):
        line.request(method, path, body, head)
        answer = line.getresponse()
        assert answer.status in (200, 400), path
        seen += [repr(answer.getheaders()).encode(), answer.read()]
    line.close()
    given: set[bytes] = set()
    while not given and process.poll() is None:  # pictures are compared by processes of their own
        given = environments(process.pid)
        time.sleep(0.02)
    seen += given
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    clean(*seen, out, err)
    clean(*look(tmp_path / "out").values())
    shutil.rmtree(tmp_path / "out")


HELPED = """
import pathlib
import time
from multiprocessing import resource_tracker
from crawler.dataset.workers import spawning
lock = spawning().Lock()
told = pathlib.Path(f"/proc/{resource_tracker._resource_tracker._pid}/environ")
while b"PATH=" not in told.read_bytes():  # it has none in the moment of its exec
    time.sleep(0.01)
print(told.read_bytes())
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_pythons_own_helper_is_not_told() -> None:
    """The first lock of a pool starts one, for all its life."""
    words, env = [sys.executable, "-c", HELPED], {**os.environ, **ENV}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=True)
    assert "PATH=" in done.stdout, done.stderr
    clean(done.stdout, done.stderr)
