"""A soak: a long list at full speed against the stand-in at *harsh*, with kills, full disks and other limits meanwhile.

    scripts/soak [--ids N] [--minutes M] [--kills K] [--dir FOLDER] [--out FOLDER]
    scripts/soak --virtual DAYS [--ids N] [--out FOLDER]

The list is the real one where it lies beside the checkout, else as many ids. What must hold at the end is in
soak_judge.py; exit code 1 if it does not. It leaves `soak.md` (a table), `soak.csv` (each sample) and `soak.svg`.
`--virtual` plays days at the default rates in made-up time instead (soak_days.py), and leaves `soak-days.md`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crawl")]

import soak_days  # noqa: E402
import soak_judge  # noqa: E402
import soak_report  # noqa: E402
from judge import status  # noqa: E402
from soak_plan import WIDE, Amounts, Leg, Limits, legs  # noqa: E402
from soak_site import MIX, SEED  # noqa: E402

WORKS = 268_118
LIST = ROOT.parent / "shared" / "data" / "popular_pixiv_image_ids.txt"
ROOM_MB, RESERVE_MB = 5000, 64
CURABLE = 4
"""A machine that is busy makes a reply late enough to be given up, for now: then the command is run again."""
MOST_RUNS = 80
CONFIG = """
[source]
path = "ids.txt"
[output]
dir = "out"
reserve_mb = {reserve}
[limits]
works = {works}
memory_mb = {memory}
drain_s = 5
[limits.api]
rate = {rate}
burst = 8
connections = {connections}
adaptive = {adaptive}
[limits.images]
rate = {rate}
burst = 8
connections = {connections}
adaptive = {adaptive}
[retry]
attempts = 8
base_s = 0.005
cap_s = 0.1
[network]
idle_s = 3
min_kb_s = 0
ca_file = "{ca}"
resolve = {{ {resolve} }}
"""


@dataclass
class Told:
    """What a leg was, for people."""

    what: str
    code: int
    seconds: float
    ended: int
    reloads: int
    said: str = ""


@dataclass
class Soak:
    """A soak on its way. `folder` is its own; `room`: whether the disk can be made small (a mount of our own)."""

    folder: Path
    ids: Sequence[int]
    site: dict[str, Any]
    room: bool
    until: float
    over: bool = False
    told: list[Told] = field(default_factory=list[Told])
    changes: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """When limits were read again, and how many works may be in flight since."""

    @property
    def root(self) -> Path:
        """The data set."""
        return self.folder / "out"

    @property
    def samples(self) -> Path:
        """What soak_child.py writes."""
        return self.folder / "samples.jsonl"

    def write(self, limits: Limits, reserve: int) -> Path:
        """The config with these limits."""
        path = self.folder / "soak.toml"
        text = CONFIG.format(
            reserve=reserve,
            works=limits.works,
            memory=limits.memory_mb,
            rate=limits.rate,
            connections=limits.connections,
            adaptive=str(limits.adaptive).lower(),
            ca=self.site["ca"],
            resolve=", ".join(f'"{host}" = "{where}"' for host, where in self.site["resolve"].items()),
        )
        path.write_text(text)
        return path

    def run(self, leg: Leg) -> Told:
        """One leg, to the trouble that ends it or to its own end."""
        reserve = 0 if leg.what == "full" or not self.room else RESERVE_MB
        config = self.write(WIDE, reserve)
        began = time.monotonic()
        loud = ("-W", "always::ResourceWarning")
        command = [sys.executable, *loud, str(HERE / "soak_child.py"), str(self.samples), "run", str(config)]
        with (self.folder / "said.txt").open("w+") as said:
            process = subprocess.Popen([*command, "--progress", "none"], stdout=said, stderr=said)
            try:
                reloads = self.live(process, leg, reserve)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
            if self.room:
                mount(self.root, "-o", f"remount,size={ROOM_MB}m")
            said.seek(0)
            words = said.read()
        what = "over" if self.over else leg.what
        return Told(what, process.returncode, time.monotonic() - began, self.ended(), reloads, words)

    def live(self, process: "subprocess.Popen[bytes]", leg: Leg, reserve: int) -> int:
        """Reload limits, and bring the trouble, each at its moment; how many reloads there were."""
        if leg.what == "early":
            time.sleep(leg.wait_s * 2)
            process.kill()
            return 0
        reloads, done = list(leg.reloads), 0
        while process.poll() is None:
            time.sleep(0.1)
            ended = self.ended()
            listens = self.alive(process.pid)
            if listens and reloads and ended >= reloads[0][0]:
                limits = reloads.pop(0)[1]
                self.write(limits, reserve)
                process.send_signal(signal.SIGHUP)
                self.changes.append((time.time(), limits.works))
                done += 1
            if ended >= leg.at and (listens or leg.what == "kill"):
                time.sleep(leg.wait_s)
                self.strike(process, leg)
                break
            if time.monotonic() > self.until and listens:
                self.over = True
                process.terminate()
                break
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{leg.what} at {self.ended()} works did not end the run") from None
        return done

    def strike(self, process: "subprocess.Popen[bytes]", leg: Leg) -> None:
        """What ends the leg."""
        if leg.what == "kill":
            process.kill()
        elif leg.what == "drain":
            process.terminate()
        else:
            used = os.statvfs(self.root)
            there = (used.f_blocks - used.f_bfree) * used.f_frsize
            more = 300_000 if leg.what == "full" else RESERVE_MB * 500_000
            mount(self.root, "-o", f"remount,size={(there + more) // 1024}k")

    def last(self) -> dict[str, Any]:
        """The newest sample."""
        try:
            with self.samples.open("rb") as file:
                file.seek(max(0, self.samples.stat().st_size - 2000))
                lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b'{"t"')]
        except FileNotFoundError:
            return {}
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def ended(self) -> int:
        """How many works have ended in all, as the newest sample says."""
        return int(self.last().get("ended", 0))

    def alive(self, pid: int) -> bool:
        """Whether this process has begun to crawl: a signal ends one that does not listen yet."""
        last = self.last()
        return last.get("pid") == pid and last.get("phase") == "crawling"


def mount(place: Path, *how: str) -> bool:
    """Mount, or mount again; whether that is possible here."""
    done = subprocess.run(["mount", *how, place], check=False, capture_output=True, timeout=60)
    return done.returncode == 0


@contextmanager
def disk(place: Path, *, keep: bool = False) -> Iterator[bool]:
    """A disk of our own at `place`, in memory, where we may mount one; whether we may. `keep`: it stays mounted."""
    place.mkdir(parents=True)
    small = os.geteuid() == 0 and mount(place, "-t", "tmpfs", "-o", f"size={ROOM_MB}m,nr_inodes=2m", "none")
    try:
        yield small
    finally:
        if small and not keep:
            subprocess.run(["umount", "-l", place], check=True, timeout=60)


@contextmanager
def stand_in(folder: Path, seen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The site in another process; `seen` gets what it saw, at the end."""
    command = [sys.executable, str(HERE / "soak_site.py"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
            process.terminate()
            seen.update(json.loads(process.stdout.readline()))
        finally:
            process.kill()


def listed(count: int) -> list[int]:
    """So many of the real ids, in their order, or as many made up."""
    if LIST.exists():
        ids = list(dict.fromkeys(map(int, LIST.read_text().split())))
        if count < len(ids):
            chosen = set(random.Random(count).sample(ids, count))
            ids = [id for id in ids if id in chosen]
        return ids
    return random.Random(count).sample(range(258, 61_897_803), count)


def soak(folder: Path, wanted: Amounts, minutes: float, *, keep: bool = False) -> dict[str, Any]:
    """All of it; the findings. Raises AssertionError for what does not hold.

    When `minutes` are over it is drained, and what has its outcome by then is judged. `keep`: the disk of our own stays
    mounted.
    """
    ids = listed(wanted.ids)
    (folder / "ids.txt").write_text("".join(f"{id}\n" for id in ids))
    seen: dict[str, Any] = {}
    began = time.monotonic()
    with ExitStack() as stack:
        room = stack.enter_context(disk(folder / "out", keep=keep))
        with stand_in(folder / "ca", seen) as site:
            crawl = Soak(folder, ids, site, room, began + minutes * 60)
            planned = [leg for leg in legs(wanted) if room or leg.what not in ("full", "tight")]
            while planned and not crawl.over:
                crawl.told.append(told := crawl.run(planned.pop(0)))
                print(soak_report.line(len(crawl.told), told), flush=True)
                crawl_is_well(told)
                if told.code == CURABLE and len(crawl.told) < MOST_RUNS:
                    planned.append(Leg("end", wanted.ids + 1))
        crawled_s = time.monotonic() - began
        return {
            "told": crawl.told,
            "seen": seen,
            "crawled_s": crawled_s,
            **judged(crawl, seen, wanted),
            "judged_s": time.monotonic() - began - crawled_s,
        }


EXPECTED = {"kill": {-9}, "early": {-9}, "full": {7}, "tight": {7}, "drain": {143}, "end": {0, CURABLE}, "over": {143}}


def crawl_is_well(told: Told) -> None:
    """A leg ended as it had to, and said nothing that a bug says. A run may be over before its trouble comes."""
    assert told.code in EXPECTED[told.what] | {0}, (told.what, told.code, told.said[-3000:])
    for word in ("Traceback", "was destroyed", "never retrieved", "never awaited", "ResourceWarning", "bug"):
        assert word not in told.said, told.said[-3000:]
    if told.code == 0:
        assert told.said.count("The limits were read again.") == told.reloads, told.said


def judged(crawl: Soak, seen: dict[str, Any], wanted: Amounts) -> dict[str, Any]:
    """The laws. Raises AssertionError; what is `wrong` with the weights, the report tells too."""
    events = soak_judge.log_is_whole(crawl.root)
    outcomes = soak_judge.judge_all((SEED, MIX), crawl.root, crawl.ids, os.cpu_count() or 1, whole=not crawl.over)
    told = status(crawl.root)
    soak_judge.totals_agree(told, outcomes, crawl.root, len(crawl.ids))
    found = soak_judge.weights(crawl.samples.read_text().splitlines())
    most = [limits for leg in legs(wanted) for _, limits in leg.reloads] + [WIDE]
    wrong = soak_judge.not_flat(found, max(one.works for one in most), max(one.connections for one in most))
    wrong += soak_judge.not_obeyed(found, crawl.changes)
    assert seen["violations"] == {}, seen["examples"]
    hard = sum(told.what in ("kill", "early", "full") for told in crawl.told)
    assert seen["unexplained"] <= hard * soak_judge.AT_ONCE, seen["unexplained"]
    return {
        "events": events,
        "outcomes": outcomes,
        "status": told,
        "weights": found,
        "wrong": wrong,
        "room": crawl.room,
    }


def days(folder: Path, args: argparse.Namespace) -> int:
    """Days in made-up time, and their report."""
    ids = listed(args.ids)
    told = soak_days.play_days(folder, ids, args.virtual)
    found = soak_days.judged_days(told, folder / "out", ids, args.virtual)
    text = "\n".join(soak_report.days_table(told, found)) + "\n"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "soak-days.md").write_text(text)
    print(text)
    return 0


def main() -> int:
    """Run, judge, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=WORKS, help="how many ids of the list (default: all)")
    parser.add_argument("--minutes", type=float, default=120, help="go home after so many (default: 120)")
    parser.add_argument("--kills", type=int, default=None, help="kill -9 so often (default: by the number of ids)")
    parser.add_argument("--seed", type=int, default=1, help="of what goes wrong, and when")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: a temporary folder)")
    parser.add_argument("--virtual", type=float, default=0, metavar="DAYS", help="so many days in made-up time instead")
    parser.add_argument("--keep", action="store_true", help="leave the folder, and the disk mounted on it")
    parser.add_argument("--out", type=Path, default=Path(), help="where the report goes (default: here)")
    args = parser.parse_args()
    scale = max(3, min(30, args.ids // 5000))
    kills = scale if args.kills is None else args.kills
    amounts = Amounts(args.ids, kills, max(2, scale // 3), max(1, scale // 6), max(6, scale), args.seed)
    with ExitStack() as stack:
        if args.keep:
            folder = tempfile.mkdtemp(prefix="crawler-soak-", dir=args.dir)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crawler-soak-", dir=args.dir))
        if args.virtual:
            return days(Path(folder), args)
        found = soak(Path(folder), amounts, args.minutes, keep=args.keep)
    soak_report.write(args.out, amounts, found)
    print((args.out / "soak.md").read_text())
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
