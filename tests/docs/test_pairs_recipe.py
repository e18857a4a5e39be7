"""The recipe of docs/pairs.md from its first command to its last: tags in, a data set of judged pairs out."""

import csv
import json
import sys
from pathlib import Path

import pytest
from commands import ROOT, SESSION, Reader, commands, left_out

sys.path.append(str(ROOT / "tests" / "pairs"))

from find_kit import is_true
from review_kit import Served

from crawler.origin.listing import Listing
from crawler.origin.server import origin_thread

SEED, TAB = 5, "recipetab"


def judge_all(folder: Path) -> dict[tuple[int, int], str]:
    """Start the review, say of each pair what is so, as its page would, and press Ctrl-C; what was said."""
    said: dict[tuple[int, int], str] = {}
    server = Served(folder, 0)
    try:
        for _ in range(1000):
            told = server.ask("/deal", {"tab": TAB, "want": 8, "held": None}).json
            if not told["hand"]:
                break
            ops: list[dict[str, object]] = []
            for colored, sketch, again in told["hand"]:
                verdict = "yes" if is_true(SEED, (colored, sketch)) else "no"
                key = f"{TAB}-{len(said) * 10 + len(ops)}"
                pair = [colored, sketch]
                ops.append(
                    {"op": "judge", "key": key, "pair": pair, "verdict": verdict, "pages": [0, 0], "again": again}
                )
                said[colored, sketch] = verdict
            assert server.ask("/say", {"log": told["log"], "ops": ops}).status == 200
    finally:
        server.stop()
    return said


@pytest.mark.timeout(300)
def test_the_recipe(tmp_path: Path) -> None:
    """Every command as written ends well; what is left is the true pairs of what the tags hold, and nothing else."""
    listing = Listing(scale=0.009)
    with origin_thread(seed=SEED, profile="none", ca_dir=tmp_path / "ca", session=SESSION, listing=listing) as site:
        (tmp_path / "mine").mkdir()
        reader = Reader(tmp_path / "mine", site)
        said: dict[tuple[int, int], str] = {}
        typed = 0
        for command in commands(ROOT / "docs" / "pairs.md"):
            assert not left_out(command)
            typed += 1
            text = command.text.split("  #")[0].strip()
            if text.startswith("crawler pairs review "):
                said = judge_all(reader.folder / text.split()[-1])
                continue
            ended = reader.type(command.text)
            assert ended.code == 0, f"docs/pairs.md:{command.line}: {text}\nexit {ended.code}\n{ended.output}"
        assert typed >= 7
        assert site.seen.violations == {}
    true = sorted(pair for pair, verdict in said.items() if verdict == "yes")
    assert len(true) >= 4
    with (reader.folder / "pairs.csv").open() as file:
        assert [tuple(map(int, row)) for row in csv.reader(file)] == true
    rows = [json.loads(line) for line in (reader.folder / "sketches" / "pairs.jsonl").read_text().splitlines()]
    assert [(row["colored"]["id"], row["sketch"]["id"]) for row in rows] == true
    both = {row["key"] for row in rows if row["status"] == "both"}
    assert len(both) >= len(true) - 1
    for side in ("colored", "sketch"):
        assert {path.stem for path in (reader.folder / "sketches" / "train" / side).iterdir()} == both
