"""Workers for which there is no room yet, on nodes that a test starts: `ray_room.py ADDRESS` hires, and waits."""

import os
import sys
import time

from crawler.cluster import ray_door
from crawler.cluster.ray_door import Spot


class Sitter:
    """Takes a place."""

    def run(self) -> str:
        return ray_door.whereabouts()


def main() -> int:
    ray_door.SLICE = 1.5  # a node of the kit has two CPUs: room for one
    with ray_door.joined(sys.argv[1]):
        first = ray_door.nodes()[0]
        sitters = [ray_door.hire(f"worker-{n}", "room", Sitter, at=Spot(first.id, elsewhere=True)) for n in range(2)]
        there = ray_door.answer(sitters[0].run.remote())
        waiting = sitters[1].run.remote()
        began = time.monotonic()
        print("one", there, flush=True)
        assert there == first.address
        print("two", ray_door.answer(waiting), f"{time.monotonic() - began:.1f}", flush=True)
        for n in range(2):
            ray_door.end(f"worker-{n}", "room")
    return 0


if __name__ == "__main__":
    os._exit(main())
