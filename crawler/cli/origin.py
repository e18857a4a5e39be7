"""`crawler origin`: serves the stand-in site until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from crawler.origin.faults import PROFILES
from crawler.origin.limits import Limits
from crawler.origin.listing import Listing
from crawler.origin.server import Origin


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `crawler origin`."""
    parser.description = "Serve the stand-in site on 127.0.0.1 and print the [network] lines that point a config at it."
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: one that is free)")
    parser.add_argument("--seed", type=int, default=0, help="which world: the same seed, the same site")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="none", help="how much goes wrong")
    parser.add_argument("--dir", default=None, help="folder for ca.pem (default: a temporary one)")
    parser.add_argument("--session", default="", help="the PHPSESSID that this site accepts: made up, never a real one")
    parser.add_argument(
        "--api-rate", type=float, default=0.0, help="secret limit of the API, requests a second; 0 = none"
    )
    parser.add_argument(
        "--api-bucket", type=int, default=150, help="requests that the secret limit lets through at once"
    )
    parser.add_argument(
        "--block-s", type=float, default=2.0, help="seconds that a client is blocked for going too fast"
    )
    parser.add_argument(
        "--search-rate", type=float, default=0.0, help="secret limit of searches (then: empty lists); 0 = none"
    )
    parser.add_argument("--cap-pages", type=int, default=1000, help="pages of one search that are served")
    parser.add_argument("--empty-share", type=float, default=0.0, help="share of searches that come empty at first")
    parser.add_argument(
        "--new-every", type=int, default=0, help="searches after which each tag has a new work; 0 = never"
    )
    parser.add_argument("--tag-scale", type=float, default=1.0, help="multiplies how many works tags hold")
    parser.add_argument("--tags", default="", help="file of tags, one a line, that details name for works they hold")
    parser.add_argument("--retry-after-s", type=int, default=1, help="seconds that Retry-After asks for")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; 0 then, 2 when the port is taken or the tags cannot be read."""
    try:
        lines = Path(args.tags).read_text("utf-8").splitlines() if args.tags else []
    except (OSError, UnicodeError) as error:
        print(f"crawler origin: cannot read the tags in {args.tags}: {error}", file=sys.stderr)
        return 2
    origin = Origin(
        seed=args.seed,
        profile=args.profile,
        port=args.port,
        session=args.session,
        ca_dir=args.dir,
        limits=Limits(
            api_rate=args.api_rate, api_bucket=args.api_bucket, block_s=args.block_s, search_rate=args.search_rate
        ),
        listing=Listing(
            cap_pages=args.cap_pages,
            empty_share=args.empty_share,
            new_every=args.new_every,
            scale=args.tag_scale,
            tags=tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#"))),
        ),
        retry_after_s=args.retry_after_s,
    )
    try:
        if sys.platform == "win32":
            asyncio.run(_serve(origin))
        else:
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(origin))
    except OSError as error:
        print(f"crawler origin: cannot serve on 127.0.0.1:{args.port}: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(origin: Origin) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with origin:
        print(origin.toml(), end="", flush=True)
        print(f"serving on 127.0.0.1:{origin.port} until Ctrl-C", file=sys.stderr, flush=True)
        await stop.wait()
        seen = origin.seen.as_json(brief=True)
    print(json.dumps({key: seen[key] for key in ("total", "hosts", "faults", "violations")}), file=sys.stderr)
