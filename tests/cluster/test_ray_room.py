"""More workers than there is room for: the missing ones are placed when a node comes."""

import subprocess
import sys
from pathlib import Path

import pytest
from ray_kit import nodes

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def test_a_worker_without_room_goes_to_the_node_that_comes() -> None:
    """Two workers for one node that has room for one: the other waits, and is placed on the next node as it comes."""
    with nodes(1) as ray:
        hiring = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "ray_room.py"), ray.address], stdout=subprocess.PIPE, text=True
        )
        try:
            assert hiring.stdout is not None
            assert hiring.stdout.readline().split() == ["one", "127.0.0.2"]
            assert hiring.poll() is None
            ray.start_at([("127.0.0.3", ())])
            assert hiring.stdout.readline().split()[:2] == ["two", "127.0.0.3"]
            assert hiring.wait(30) == 0
        finally:
            hiring.kill()
            hiring.communicate()
