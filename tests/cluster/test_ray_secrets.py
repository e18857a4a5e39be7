"""A session and keys that are planted, and looked for wherever Ray keeps things."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from origin_process import far_origin
from ray_kit import CANARY, Nodes, actors, config_of, environment, nodes, of_ray, processes, start, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

TABLES = """
import sys, ray
ray.init(address=sys.argv[1], _node_ip_address="127.0.0.2", log_to_driver=False)
from ray._private import ray_constants as names, state
found = [str(state.actors()), str(state.jobs()), str(state.workers()), str(ray.nodes())]
gcs = ray._private.worker.global_worker.gcs_client
for space in [None] + [v for n, v in vars(names).items() if n.startswith("KV_NAMESPACE")]:
    for key in gcs.internal_kv_keys(b"", space):
        found.append(repr((key, gcs.internal_kv_get(key, space))))
print("\\n".join(found))
"""
"""Everything that Ray's tables say, as the state API reads them (the API itself comes with the dashboard)."""


def memory(pid: int) -> bytes:
    """What a process has in its memory, written by it or its arguments."""
    found: list[bytes] = []
    with open(f"/proc/{pid}/mem", "rb") as data:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match and "/" not in line:
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    data.seek(int(match[1], 16))
                    found.append(data.read(int(match[2], 16) - int(match[1], 16)))
    return b"".join(found)


def kept(ray: Nodes) -> str:
    """Ray's logs, its tables, and every command line."""
    asked = [sys.executable, "-c", TABLES, ray.address]
    tables = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert tables.returncode == 0, tables.stderr
    logs = [path.read_text(errors="replace") for path in ray.temp.rglob("*") if path.is_file()]
    found = "\n".join((*logs, tables.stdout, *processes().values()))
    assert "coordinator" in tables.stdout
    assert "crawler.cluster.ray_actors" in tables.stdout  # the actors' classes: what is said to Ray is found this way
    return found


def running(tmp_path: Path, ray: Nodes, origin: object, more: str) -> "subprocess.Popen[bytes]":
    config = config_of(tmp_path, origin, range(800_000, 801_500), more)
    run = start(config, "--ray", ray.address)
    wait_for(lambda: origin.total > 100 or run.poll() is not None, 90)  # type: ignore[attr-defined]
    assert run.poll() is None, config.with_name("run.log").read_text()
    return run


@pytest.mark.skipif(os.geteuid() != 0, reason="reading a process's memory needs root")
def test_a_session_of_a_file_is_nowhere_in_ray(tmp_path: Path) -> None:
    """Not in its tables, logs and command lines, nor in the memory of the process that keeps actors' arguments."""
    (tmp_path / "session").touch(mode=0o600)
    (tmp_path / "session").write_text(CANARY)
    with far_origin(tmp_path, seed=5, session=CANARY) as origin, nodes(1) as ray:
        run = running(tmp_path, ray, origin, '[site]\nsession_file = "session"')
        try:
            assert CANARY not in kept(ray)
            (gcs,) = [pid for pid, text in of_ray(ray.home).items() if "gcs_server" in text.split(" ")[0]]
            held = memory(gcs)
            assert b"session_file" in held  # settings are arguments of actors: they are here
            assert CANARY.encode() not in held
            for pid in of_ray(ray.home):
                assert CANARY.encode() not in environment(pid)
            (hand,) = actors(ray.home, "Hand")
            assert CANARY.encode() in memory(hand)  # it is used
        finally:
            run.kill()
            run.wait()
        origin.end()


def test_what_nodes_have_in_their_environment_is_not_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session in the variable, and keys of an object store: in no table, log or command line."""
    monkeypatch.setenv("CRAWLER_SITE__SESSION", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"aws{CANARY}")
    with far_origin(tmp_path, seed=5, session=CANARY) as origin, nodes(1) as ray:
        run = running(tmp_path, ray, origin, "")
        try:
            assert CANARY not in kept(ray)
        finally:
            run.kill()
            run.wait()
        origin.end()
        assert not any("session" in rule for rule in origin.violations)


def test_a_node_without_the_session_stops_the_crawl_and_is_named(tmp_path: Path) -> None:
    """The command has a session in its environment and the node has none: nothing is asked without it, exit code 2."""
    with far_origin(tmp_path, seed=5, session=CANARY) as origin, nodes(1) as ray:
        config = config_of(tmp_path, origin, range(800_000, 800_100))
        run = start(config, "--ray", ray.address, env={"CRAWLER_SITE__SESSION": CANARY})
        try:
            assert run.wait(90) == 2
        finally:
            run.kill()
        said = config.with_name("run.log").read_text()
        assert "node 127.0.0.2: CRAWLER_SITE__SESSION: empty" in said
        assert CANARY not in said
        assert origin.total == 0
