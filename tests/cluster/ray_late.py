"""`crawler` that waits for Ray's answer for so many seconds only: `ray_late.py SECONDS WORDS...`."""

import sys

from crawler.cli.main import main
from crawler.cluster import ray_guard

if __name__ == "__main__":
    ray_guard.START_S = float(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
