"""What holds of the coordinator holds of it as an actor of Ray."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra [ray] is not installed")
def test_the_protocol_by_messages(tmp_path: Path) -> None:
    """Every law of leases, called from another process, with a ledger in a folder."""
    script = Path(__file__).parent / "ray_laws.py"
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp") as short:
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "out")],
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "TMPDIR": short},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lawful out" in done.stdout
    print(done.stdout)
