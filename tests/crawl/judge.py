"""Runs the installed command against the stand-in, and judges what it left: log, files, counts, exit code."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starter import CRAWLER, run

from crawler.origin.faults import PROFILES, plan

FAST = """
[limits]
works = 64
[limits.api]
rate = 0
connections = 16
[limits.images]
rate = 0
connections = 16
[retry]
attempts = 6
base_s = 0.02
cap_s = 0.3
[network]
idle_s = {idle}
min_kb_s = 0
ca_file = "{ca}"
resolve = {{ {resolve} }}
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind it."""

    code: int
    out: str
    err: str


def command(*args: str | Path, timeout: float = 110, env: dict[str, str] | None = None, stdin: str = "") -> Ended:
    """Run `python -m crawler ARGS` to its end; see starter.py."""
    done = run([*CRAWLER, *args], timeout=timeout, env={**os.environ, **(env or {})}, input=stdin)
    return Ended(done.returncode, done.stdout, done.stderr)


def write_config(folder: Path, origin: Any, source: str, extra: str = "") -> Path:
    """A config in `folder` that reaches `origin`, as fast as it can; `extra` goes first."""
    resolve = ", ".join(f'"{host}" = "{address}"' for host, address in origin.resolve.items())
    path = folder / "crawl.toml"
    # A site that stalls nobody may be as slow as the machine is: no request is made twice for that.
    idle = 30 if getattr(origin, "profile", "") == "none" else 1.5
    body = FAST.format(ca=origin.ca_file, resolve=resolve, idle=idle)
    path.write_text(f'[source]\n{source}\n[output]\ndir = "out"\n{extra}\n{body}')
    return path


def lines(root: Path) -> list[dict[str, Any]]:
    """The log, line by line."""
    return [json.loads(line) for line in (root / "log.jsonl").read_bytes().splitlines()]


def files(root: Path) -> set[str]:
    """Every file under images/, relative to the root."""
    return {str(p.relative_to(root)) for p in (root / "images").rglob("*") if p.is_file()}


def status(root: Path) -> dict[str, Any]:
    """`status --json`, with its law checked."""
    ended = command("status", root, "--json")
    assert ended.code == 0, ended.err
    told: dict[str, Any] = json.loads(ended.out)
    assert told["listed"] == told["done"] + told["gone"] + told["failed"] + told["pending"]
    return told


def judge(world: Any, root: Path, ids: Iterable[int], *, session: bool = False, x_restrict: int = 0) -> Counter[str]:
    """Everything that must hold once a crawl of `ids` is over; the outcomes it counted."""
    return judge_lines(world, root, lines(root), ids, session=session, x_restrict=x_restrict)


def judge_lines(
    world: Any,
    root: Path,
    standing: Iterable[dict[str, Any]],
    ids: Iterable[int],
    *,
    session: bool = False,
    x_restrict: int = 0,
    beside: Set[str] = frozenset(),
) -> Counter[str]:
    """As `judge`, of the lines that stand.

    Each expected image is there byte for byte, under its name, with a line that says so, and nothing else is, but for
    the paths `beside`.
    """
    outcomes, wanted = judge_works(world, root, standing, ids, session=session, x_restrict=x_restrict)
    assert files(root) - beside == wanted
    assert list((root / ".crawl" / "parts").iterdir()) == []
    return outcomes


def judge_works(
    world: Any,
    root: Path,
    standing: Iterable[dict[str, Any]],
    ids: Iterable[int],
    *,
    session: bool = False,
    x_restrict: int = 0,
) -> tuple[Counter[str], set[str]]:
    """As `judge_lines`, of these works alone: their outcomes, and the paths of their images."""
    described: dict[int, dict[str, Any]] = {}
    stored: dict[tuple[int, Any], dict[str, Any]] = {}
    gone: dict[int, dict[str, Any]] = {}
    for line in standing:
        match line["event"]:
            case "described":
                assert line["id"] not in described, "described twice"
                described[line["id"]] = line
            case "stored":
                assert (line["id"], line["page"]) not in stored, "stored twice"
                stored[line["id"], line["page"]] = line
            case "gone":
                assert line["id"] not in gone, "gone twice"
                gone[line["id"]] = line
    outcomes: Counter[str] = Counter()
    wanted: set[str] = set()
    for id in dict.fromkeys(ids):
        expected = world.expected(id, session=session)
        if expected.outcome != "gone" and expected.x_restrict > x_restrict:
            outcomes["filtered"] += 1
            assert gone[id]["reason"] == "filtered", id
            assert gone[id]["rule"] == "max_x_restrict"
            continue
        if expected.outcome == "gone":
            outcomes[expected.reason] += 1
            assert gone[id]["reason"] == expected.reason, (id, gone[id])
            assert id not in described
            continue
        assert id not in gone, (id, gone.get(id))
        assert expected.lost == (), "this world should leave nothing unobtainable"
        outcomes["done"] += 1
        assert {i["page"] for i in described[id]["images"]} == set(expected.images)
        for page, image in expected.images.items():
            line = stored[id, page]
            outcomes[image.quality] += 1
            assert (line["sha256"], line["bytes"], line["quality"]) == (image.sha256, image.bytes, image.quality), line
            assert (line["url"], line["mime"]) == (image.url, image.mime)
            stem = f"{id}_ugoira" if page == "zip" else f"{id}_p{page}"
            assert line["path"] == f"images/{id % 1000:03d}/{stem}.{image.ext}"
            assert hashlib.sha256((root / line["path"]).read_bytes()).hexdigest() == image.sha256
            wanted.add(line["path"])
    return outcomes, wanted


def api_requests(seen: Any, world: Any, ids: Sequence[int], faults: int) -> None:
    """One question for a dead, hidden or single-page work, two for others, and one more for each fault given."""
    least = sum(
        2 if e.outcome != "gone" and e.x_restrict == 0 and (e.kind == "ugoira" or e.page_count > 1) else 1
        for e in (world.expected(id) for id in dict.fromkeys(ids))
    )
    asked = sum(n for (host, path), n in seen.requests.items() if host == "www.pixiv.net" and path != "/robots.txt")
    assert asked == least + faults


def no_request_unexplained(origin: Any, profile: str) -> None:
    """Nothing was asked for more often than once and once more for each fault it was given.

    Originals that are broken for good (500 for ever) are asked for as often as retry.attempts says.
    """
    for (host, path), asked in origin.seen.requests.items():
        if host != "www.pixiv.net" and origin.world.asset(host, path).status == 500:
            assert asked <= 6 + 5
            continue
        planned = plan(PROFILES[profile], origin.seed, host, path)
        assert asked <= 1 + len(planned), (host, path, asked, planned)
