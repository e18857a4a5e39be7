"""A whole cluster in this process, to be killed: `one_loop.py CONFIG WORKERS`; ends with the crawl's exit code."""

import asyncio
import os
import sys
from pathlib import Path

from crew_kit import Cluster

from crawler.cli.loading import load
from crawler.stop import Stop


def main() -> int:
    settings = load(Path(sys.argv[1]), {}, {}).settings
    try:
        outcome = asyncio.run(Cluster(settings).run(int(sys.argv[2])))
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    print(outcome.text, *outcome.warnings, sep="\n", file=sys.stderr)
    return outcome.code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
