"""Laws of the line matcher: drawn by either hand, the right pages come first, and what is no pair is told apart."""

import csv
import io
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from exports import exported, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import command, write_config
from pair_trials import Result, auc, example, of_other, of_stand_in, tried
from PIL import Image
from starter import CRAWLER, popen

from crawler.likeness.align import Print, align, score
from crawler.likeness.lines import Lines, lines_of
from crawler.likeness.pages import LIKELY, page_pairs
from crawler.likeness.read import Unreadable, lines_in
from crawler.origin import families
from crawler.origin.draw_figure import drawing
from crawler.origin.draw_lines import Look, paint
from crawler.origin.server import origin_thread

HELD_OUT = 10_000
"""Pairs of the other generator from here on were never looked at while the matcher was made."""


def shares(results: list[Result]) -> tuple[float, float, float]:
    """Of true pairs: the right pages first, and likely. Of false ones: likely all the same."""
    true, false = [r for r in results if r.right], [r for r in results if not r.right]
    first, likely = (sum(r.first for r in true) / len(true), sum(r.score >= LIKELY for r in true) / len(true))
    return first, likely, sum(r.score >= LIKELY for r in false) / max(1, len(false))


@pytest.mark.timeout(300)
def test_families_of_the_stand_in() -> None:
    """Of families not used to fit it: right pages first, true and false works told apart."""
    results = [tried(trial) for trial in of_stand_in(99, range(2))]
    first, likely, wrong = shares(results)
    assert (first >= 0.9, likely >= 0.9, wrong <= 0.1) == (True, True, True), (first, likely, wrong)
    true, false = ([r.score for r in results if bool(r.right) is kind] for kind in (True, False))
    assert auc(true, false) > 0.98


@pytest.mark.timeout(300)
def test_another_hand() -> None:
    """A few pairs from a generator that shares nothing with the stand-in's: right pages first in nearly all."""
    first, _, _ = shares([tried(trial) for trial in of_other(range(HELD_OUT, HELD_OUT + 6), false=False)])
    assert first > 0.8, first


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(5))
def test_five_hundred_pairs_of_another_hand(part: int) -> None:
    """A hundred pairs each: right pages first."""
    start = HELD_OUT + 1000 + 100 * part
    first, _, _ = shares([tried(trial) for trial in of_other(range(start, start + 100), false=False)])
    assert first >= 0.97, first


def test_the_example() -> None:
    """The pair that came with the data: likely, not mirrored, the sketch as large as its colouring."""
    known = example()
    if known is None:
        pytest.skip("no shared data beside the repo")
    result = tried(known)
    assert result.score > 0.9
    match = result.pairs[0].match
    assert (match.flip, abs(match.scale - 1) < 0.05) == (False, True)
    shape = [page.width / page.height for page in (known.colored[0], known.sketch[0])]
    assert shape[0] == pytest.approx(shape[1], rel=0.05)


@settings(deadline=None, max_examples=8)
@given(
    key=st.integers(0, 200),
    flip=st.booleans(),
    left=st.floats(0, 0.3),
    top=st.floats(0, 0.25),
    side=st.floats(0.6, 0.7),
)
def test_place_and_size_are_found(key: int, flip: bool, left: float, top: float, side: float) -> None:
    """A part cut out of the drawing, coloured and mirrored: the match says where the sketch lies."""
    drawn = drawing(("place", key))
    whole = (500, 500 * drawn.ratio) if drawn.ratio < 1 else (500 / drawn.ratio, 500)
    sketch = paint(drawn, Look("lines", key), round(whole[0]), round(whole[1]))
    look = Look("colour", key, tint=key, view=(left, top, left + side, top + side), flip=flip)
    colored = paint(drawn, look, round(whole[0] * side * 2), round(whole[1] * side * 2))
    match = score(colored, sketch)
    if match.score < LIKELY:
        return  # little of the figure is on the part; accuracy is measured above
    longest = max(whole)
    assert match.flip is flip
    assert match.scale == pytest.approx(1 / side, rel=0.04)
    lies = (side + left - 1) / side if flip else -left / side
    assert match.left == pytest.approx(lies * whole[0] / longest, abs=0.05)
    assert match.top == pytest.approx(-top / side * whole[1] / longest, abs=0.05)


def test_a_drawing_agrees_with_itself() -> None:
    """The same picture, in any mode and size, is the same lines; blank pages and slivers are not, and harm nothing."""
    sketch = paint(drawing("self"), Look("lines", 1), 400, round(400 * drawing("self").ratio))
    modes = [sketch.convert(mode) for mode in ("RGB", "L", "RGBA", "P", "1")]
    sizes = [sketch.resize((wide, wide * sketch.height // sketch.width)) for wide in (1200, 180)]
    for other in modes + sizes:
        assert score(sketch, other).score > 0.9, (other.mode, other.size)
    for empty in (Image.new("RGB", (300, 300), "white"), Image.new("L", (2000, 3)), Image.new("RGBA", (1, 1))):
        assert score(sketch, empty).score < LIKELY
        assert score(empty, sketch).score < LIKELY


def test_lines_are_packed_and_read() -> None:
    """What was packed is what was there, to the bit; pages that could not be read do not stand in the way."""
    sketch = paint(drawing("pack"), Look("lines", 1), 300, round(300 * drawing("pack").ratio))
    file = io.BytesIO()
    sketch.save(file, "PNG")
    lines, same = lines_of(sketch), lines_in(file.getvalue())
    again = Lines.unpack(lines.pack())
    assert (again.field == lines.field).all()
    assert (same.field == lines.field).all()
    assert (again.painted, again.tones) == (lines.painted, lines.tones)
    ready = Print(lines)
    (pair,) = page_pairs([None, ready], [ready, None])
    assert (pair.colored, pair.sketch) == (1, 0)
    assert pair.match == align(ready, ready)
    assert page_pairs([None], [ready]) == []
    for wrong in (b"", b"GIF89a", file.getvalue()[:99]):
        with pytest.raises(Unreadable):
            lines_in(wrong)


@pytest.fixture(scope="module")
def family_crawl(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A crawl of some families by the real command, and the list of their pairs, false ones last."""
    root = tmp_path_factory.mktemp("families")
    numbers = range(5)
    ids = families.ids(7, numbers)
    (root / "ids.txt").write_text("\n".join(map(str, ids)))
    pairs = [(p.colored, p.sketch) for p in families.true_pairs(7, numbers)] + families.false_pairs(7, numbers)
    with (root / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(pairs)
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard")}
    with origin_thread(seed=7, profile="none", ca_dir=root / "ca") as origin:
        ended = command("run", write_config(root, origin, 'path = "ids.txt"'), env=environment)
        assert ended.code == 0, ended.err
    return root / "out", root / "pairs.csv"


def test_the_export_tells_what_the_lines_say(family_crawl: tuple[Path, Path], tmp_path: Path) -> None:
    """True pairs have their pages and no doubt, false ones doubt; candidates come best first, the same in parquet."""
    works, listed = family_crawl
    ask = (works, "--to", "pairs", "--pairs", listed, "--layout", "none", "--table", "--jobs", 1)
    told = exported(*ask, "--out", tmp_path / "out")
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()
    ]
    truth = {(p.colored, p.sketch): p.pages for p in families.true_pairs(7, range(5))}
    both = [row for row in rows if row["status"] == "both"]
    assert told["doubt"] == sum(bool(row["doubt"]) for row in rows)
    right = doubt = 0
    true = [row for row in both if (row["colored"]["id"], row["sketch"]["id"]) in truth]
    for row in both:
        best = row["candidates"][0]
        assert row["match"] == {**best, "by": "lines", "compared": row["match"]["compared"]}
        assert len(row["candidates"]) == len(row["colored"]["pages"]) * len(row["sketch"]["pages"]) <= 16
        assert row["doubt"] == (best["score"] < LIKELY)
        pages = truth.get((row["colored"]["id"], row["sketch"]["id"]), frozenset())
        right += (best["colored_page"], best["sketch_page"]) in pages
        doubt += row["doubt"] and not pages
    assert right >= 0.8 * len(true)
    assert doubt >= 0.8 * (len(both) - len(true))
    pq = pytest.importorskip("pyarrow.parquet")
    arrow = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    for name in ("match", "doubt", "candidates"):
        assert [row[name] for row in arrow] == [row[name] for row in rows]


def test_killed_while_matching(family_crawl: tuple[Path, Path], tmp_path: Path) -> None:
    """What was matched before a kill is noted and stays; gone on with, the data set is as if there was no kill."""
    works, listed = family_crawl
    ask = ("--to", "pairs", "--pairs", listed, "--layout", "none", "--table", "--jobs", 1, "--out")
    out = tmp_path / "out"
    notes = out / ".export" / "matches.jsonl"
    argv = [*CRAWLER, "export", *map(str, (works, *ask, out))]
    with popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (notes.exists() and notes.read_bytes().count(b"found") > 1):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (out / "pairs.jsonl").exists()
    before = notes.read_bytes()
    keys = [json.loads(line)["key"] for line in before.splitlines() if line.endswith(b"}")]
    assert len(keys) > 1
    with notes.open("ab") as file:
        file.write(before.splitlines()[1][:40])  # as if the kill had torn a line
    exported(works, *ask, out)
    exported(works, *ask, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")
