"""Laws of the processes that match pages: what they found is kept, and their death costs little."""

import hashlib
import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crawler.dataset.columns import Row
from crawler.dataset.matching import Desk, Matched, MatchersDied, Notes, Pages, Sides, align_pages, key_of, matched
from crawler.origin.draw_figure import drawing
from crawler.origin.draw_lines import Look, paint

PAIRS = 4
TWO_COLORED, TWO_SKETCHES = 2, 1
"""The numbers of the pairs that have two pages on a side."""


def row(folder: Path, name: str, look: Look) -> Row:
    """A small picture of a drawing, as the index tells of it."""
    path = folder / "images" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    drawn = drawing(("matching", look.hand))
    paint(drawn, look, 200, round(200 * drawn.ratio)).save(path)
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return Row(1, 0, "png", "train", {"path": f"images/{name}.png", "bytes": len(data), "sha256": sha256})


@dataclass(frozen=True)
class Listed:
    """Pairs of works, the folder with their pictures, what the matcher finds, and the file in which it noted that."""

    folder: Path
    pairs: list[tuple[int, Sides]]
    found: dict[int, Matched]
    notes: Path


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Listed:
    """Some small pairs, matched where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("matching")
    pairs: list[tuple[int, Sides]] = []
    for n in range(PAIRS):
        colored = [row(folder, f"{n}-{page}", Look("colour", n, tint=page)) for page in range(1 + (n == TWO_COLORED))]
        sketch = [row(folder, f"{n}-lines-{page}", Look("lines", n)) for page in range(1 + (n == TWO_SKETCHES))]
        pairs.append((n, (colored, sketch)))
    notes = folder / "notes"
    return Listed(folder, pairs, dict(matched(Desk(folder, notes, 1), pairs)), notes)


def frail(pages: Pages, split: int) -> dict[str, Any]:
    """A worker that two colourings kill, and for which two sketches are too many."""
    if split > 1:
        os._exit(9)
    if len(pages) > 2:
        raise MemoryError
    return align_pages(pages, split)


def test_what_was_found_is_not_sought_again(listed: Listed, tmp_path: Path) -> None:
    """Results are noted as they come: by the next time no picture is needed. Torn and foreign lines do no harm."""
    assert list(listed.found) == list(range(PAIRS))
    assert all(result.found and not result.unread for result in listed.found.values())
    keys = [key_of(sides) for _, sides in listed.pairs]
    lines = [json.loads(line) for line in listed.notes.read_bytes().splitlines() if line]
    assert [bytes.fromhex(line["key"]) for line in lines] == keys
    notes = tmp_path / "notes"
    whole = listed.notes.read_bytes()
    notes.write_bytes(whole + b'[]\n{"key": 5}\n{"key": "no"}\n' + whole.splitlines()[1][:-9])
    assert dict(matched(Desk(tmp_path / "nowhere", notes, 1), listed.pairs)) == listed.found
    notes.write_bytes(whole.splitlines()[1][:-9])
    with Notes(notes) as torn:
        assert keys[0] not in torn
        torn.add(keys[0], listed.found[0])
    with Notes(notes) as again:
        assert again.get(keys[0]) == listed.found[0]


def test_two_note_in_one_file(tmp_path: Path) -> None:
    """A review and a search may note at once: each reads what it wrote itself."""
    with Notes(tmp_path / "notes") as one, Notes(tmp_path / "notes") as two:
        for n in range(5):
            one.add(bytes([n]) * 32, Matched([{"score": n}], n, 0))
            two.add(bytes([100 + n]) * 32, Matched([], n, 1))
        assert [one.get(bytes([n]) * 32) for n in range(5)] == [Matched([{"score": n}], n, 0) for n in range(5)]
        assert two.get(bytes([103]) * 32) == Matched([], 3, 1)
    with Notes(tmp_path / "notes") as again:
        assert again.get(bytes([104]) * 32) == Matched([], 4, 1)
        assert bytes([9]) * 32 not in again


def test_a_process_that_is_killed(listed: Listed, tmp_path: Path) -> None:
    """Who runs out of memory kills processes: theirs is done again, and the result is the same."""
    results = matched(Desk(listed.folder, tmp_path / "notes", 1), listed.pairs)
    found = dict([next(results)])
    for child in multiprocessing.active_children():
        child.kill()
    found |= dict(results)
    assert found == listed.found


def test_a_pair_that_kills(listed: Listed, tmp_path: Path) -> None:
    """A pair that its process dies of is told as such and in doubt, the others are as ever; next time it is tried."""
    results = dict(matched(Desk(listed.folder, tmp_path / "notes", 1, frail), listed.pairs))
    assert list(results) == list(range(PAIRS))
    lost = {TWO_COLORED: results[TWO_COLORED], TWO_SKETCHES: results[TWO_SKETCHES]}
    assert all(result.lost and result.doubt and not result.found for result in lost.values())
    assert results == listed.found | lost
    with Notes(tmp_path / "notes") as notes:
        assert [key_of(sides) in notes for _, sides in listed.pairs] == [n not in lost for n in range(PAIRS)]


def test_processes_that_never_start(listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every process dies at once it is no pair's fault: an end in words that says what to do."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif '--multiprocessing-fork' in sys.orig_argv:\n    os._exit(9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MatchersDied, match="--jobs 1"):
        list(matched(Desk(listed.folder, tmp_path / "notes", 1), listed.pairs))
