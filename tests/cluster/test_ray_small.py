"""Two workers on this machine, by the installed command: what a user of `cluster.workers` gets, a kill included."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from judge import judge, lines
from origin_process import far_origin
from ray_kit import CANARY, actors, budget_kept, config_of, of_ray, processes, wait_for


def test_a_worker_is_killed_and_every_id_is_there_once(tmp_path: Path, short: Path) -> None:
    """One of two workers is SIGKILLed: every id exactly once, the one budget kept in any second, no word of Ray's on
    the terminal, the session in no command line and no log, and nothing left behind."""
    ids = list(range(100_000, 100_150))
    (tmp_path / "session").touch(mode=0o600)
    (tmp_path / "session").write_text(CANARY)
    with far_origin(tmp_path, seed=5, session=CANARY) as origin:
        config = config_of(tmp_path, origin, ids, '[cluster]\nworkers = 2\n[site]\nsession_file = "session"')
        run = subprocess.Popen(
            [sys.executable, "-m", "crawler", "run", str(config), "--progress", "plain"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for(lambda: origin.total > 60 and len(actors(short, "Hand")) == 2, 90)
            kept = "".join(path.read_text(errors="replace") for path in short.rglob("*.*") if path.is_file())
            shown = "".join(processes().values())
            os.kill(actors(short, "Hand")[0], signal.SIGKILL)
            out, err = run.communicate(timeout=90)
        finally:
            run.kill()
        assert run.returncode == 0, err
        judge(origin.world, tmp_path / "out", ids, session=True)
        origin.end()
        budget_kept(origin)
    assert "coordinator" in kept  # Ray's own logs name the actors, so what was looked through is what it kept
    assert CANARY not in kept + shown + out + err
    assert "ray" not in (out + err).lower().replace("starting ray on this machine", "").replace(str(tmp_path), "")
    assert sum(line["event"] == "closed" for line in lines(tmp_path / "out")) == 1
    assert of_ray(short) == {}
    assert list(short.iterdir()) == []
