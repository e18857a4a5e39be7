"""A crawl of sketches and their colourings, its candidates, and the installed command that reviews them."""

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from judge import command, lines, write_config
from PIL import Image as Images
from starter import CRAWLER, popen

from crawler.events import Stored
from crawler.log.codec import encode
from crawler.origin import families
from crawler.origin.server import origin_thread
from crawler.pairs.candidates import Candidate, write_candidates
from crawler.pairs.judgements import Pair
from crawler.pairs.ledger import replay
from crawler.rules.naming import image_path

SEED, FAMILIES = 3, 24
SESSION = "1000_" + "a" * 32


@dataclass(frozen=True)
class Run:
    """A crawled folder. `true`: pairs that are some, of those that have images on both sides."""

    folder: Path
    true: frozenset[Pair]
    rated: frozenset[int]

    @property
    def judgements(self) -> Path:
        return self.folder / "pairs" / "judgements.jsonl"

    def copy(self, to: Path) -> "Run":
        """The same in another place, the files shared, nothing judged."""
        shutil.copytree(self.folder, to, copy_function=os.link)
        return Run(to, self.true, self.rated)

    def verdicts(self) -> dict[Pair, str]:
        """What counts for each judged pair, from the file alone."""
        return {said.pair: said.verdict for said in replay(self.judgements).standing()}


def crawled(root: Path) -> Run:
    """Crawl families of the stand-in with the installed command; every link is a candidate, and many that are none."""
    ids = families.ids(SEED, range(FAMILIES))
    (root / "ids.txt").write_text("\n".join(map(str, ids)))
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard"), "CRAWLER_SITE__SESSION": SESSION}
    with origin_thread(seed=SEED, profile="none", ca_dir=root / "ca", session=SESSION) as origin:
        config = write_config(root, origin, 'path = "ids.txt"', "[filter]\nmax_x_restrict = 2")
        ended = command("run", config, "-q", env=environment)
        assert ended.code == 0, ended.err
    folder = root / "out"
    log = lines(folder)
    stored = {line["id"] for line in log if line["event"] == "stored"}
    rated = {line["id"] for line in log if line["event"] == "described" and line["work"]["xRestrict"]}
    true = {Pair(p.colored, p.sketch) for p in families.true_pairs(SEED, range(FAMILIES))}
    false = {Pair(*p) for p in families.false_pairs(SEED, range(FAMILIES))}
    chance = Random(1)
    colored = sorted(id for id in stored if id >= families.COLORED)
    sketches = sorted(id for id in stored if id < families.COLORED)
    while len([p for p in true | false if stored.issuperset(p)]) < 230:
        false.add(Pair(chance.choice(colored), chance.choice(sketches)))
    write_candidates(
        folder / "pairs" / "candidates.jsonl", (candidate(p, p in true, chance) for p in true | false - true)
    )
    return Run(folder, frozenset(p for p in true if stored.issuperset(p)), frozenset(rated))


def candidate(pair: Pair, true: bool, chance: Random) -> Candidate:
    """As `pairs find` writes them, with a score that is mostly right."""
    score = round(min(1.0, max(0.0, chance.gauss(0.85 if true else 0.3, 0.15))), 4)
    match = {"colored_page": 0, "sketch_page": 0, "score": score, "flip": False}
    evidence = {
        "tags": ["塗ってみた"],
        "link": f"illust/{pair.sketch}",
        "form": "illust",
        "words": "線画 をお借りしました",
    }
    evidence |= {"dates": ["2025-01-01", "2024-01-01"], "pages": [1, 1], "same_author": False, "older": True}
    return Candidate(pair.colored, pair.sketch, score, match, evidence)


def enlarged(run: Run, count: int, side: int) -> list[Pair]:
    """Give so many pairs of the folder one page of `side` x `side` pixels a work; they are all candidates then."""
    made = [run.folder / "images" / name for name in ("large.jpg", "large.png")]
    noise = Images.effect_noise((side, side), 90)
    Images.merge("RGB", (noise, noise.transpose(Images.Transpose.ROTATE_90), noise)).save(made[0], quality=85)
    coarse = Images.effect_noise((side // 8, side // 8), 90).resize((side, side), Images.Resampling.NEAREST)
    Images.merge("RGB", (coarse, coarse, coarse)).save(made[1], compress_level=1)
    log = run.folder / "log.jsonl"
    old = log.read_bytes()
    known = {line["id"] for line in lines(run.folder) if line["event"] == "stored"}
    colored = [one for one in sorted(known) if one >= families.COLORED][:count]
    sketches = [one for one in sorted(known) if one < families.COLORED][:count]
    said: list[bytes] = []
    for n, id in enumerate([*colored, *sketches]):
        file = made[n % 2]
        name = image_path(id, 0, file.suffix[1:])
        (run.folder / name).unlink(missing_ok=True)
        os.link(file, run.folder / name)
        mime = "image/jpeg" if file.suffix == ".jpg" else "image/png"
        stored = Stored(id, 0, name, file.stat().st_size, f"{n:064x}", mime, side, side, "original", "u")
        said.append(encode("b" * 12, n + 1, "2099-01-01T00:00:00.000Z", stored))
    log.unlink()  # the copy shares its bytes with the run of all tests
    log.write_bytes(old + b"".join(said))
    pairs = [Pair(*pair) for pair in zip(colored, sketches, strict=True)]
    path = run.folder / "pairs" / "candidates.jsonl"
    path.unlink()
    write_candidates(path, (candidate(pair, True, Random(n)) for n, pair in enumerate(pairs)))
    return pairs


class Served:
    """`crawler pairs review` on a port of its own; `kill` and `start` keep the port and the token."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self._command = [*CRAWLER, "pairs", "review", str(folder), "--port", str(port)]
        self._command += arguments
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it is there."""
        self.process = popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.communicate()[1]
        self.base, _, self.token = self.url.partition("/?token=")

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        """Ctrl-C; it must end well."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=60)[1]
            assert process.returncode == 0, err

    def ask(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> "Reply":
        """A request with the token, as a page of this address would send it; `headers` go over that."""
        given = {"Authorization": f"Bearer {self.token}", "Origin": self.base, "Content-Type": "application/json"}
        given |= headers or {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {k: v for k, v in given.items() if v})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Reply(response.status, response.read(), dict(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), dict(error.headers))


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@contextmanager
def served(folder: Path, *arguments: str, port: int = 0) -> Iterator[Served]:
    """A review that ends with the block."""
    made = Served(folder, port, *arguments)
    try:
        yield made
    finally:
        made.stop()
