"""Laws of `crawler export --to pairs`."""

import csv
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, export, exported
from judge import lines

from crawler.dataset.match import best
from crawler.dataset.pairs import read_pairs
from crawler.events import Stored

SHAPE = ("--match", "shape")
"""Tests of how pairs are told need not look at pictures; test_match.py does."""


def table(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]


def test_every_pair_is_told(crawl: Crawl, tmp_path: Path) -> None:
    """A row a pair, in the order of the list: status, which side is gone and why, every page, the best match."""
    told = exported(crawl.works, "--to", "pairs", "--pairs", crawl.pairs, "--out", tmp_path / "out", *SHAPE, "--table")
    with crawl.pairs.open() as file:
        listed = [tuple(map(int, row)) for row in csv.reader(file)]
    gone = {line["id"]: line["reason"] for line in lines(crawl.works) if line["event"] == "gone"}
    pages: dict[int, list[dict[str, Any]]] = {}
    for line in crawl.stored().values():
        pages.setdefault(line["id"], []).append(line)
    rows = table(tmp_path / "out")
    assert [(row["colored"]["id"], row["sketch"]["id"]) for row in rows] == listed
    for row in rows:
        for side in ("colored", "sketch"):
            here, id = row[side], row[side]["id"]
            assert here["state"] == ("stored" if id in pages else gone[id])
            assert (side in row["missing"]) == (id not in pages)
            got = {(p["page"], p["sha256"], p["path"]) for p in here["pages"]}
            assert got == {(p["page"], p["sha256"], p["path"]) for p in pages.get(id, [])}
        assert row["status"] == ("both", "one", "none")[len(row["missing"])]
        assert (row["match"] is None) == (row["status"] != "both")
        if row["match"]:
            assert row["match"]["colored_page"] in [p["page"] for p in row["colored"]["pages"]]
            assert row["match"]["sketch_page"] in [p["page"] for p in row["sketch"]["pages"]]
    statuses = [row["status"] for row in rows]
    assert told["status"] == {name: statuses.count(name) for name in ("both", "one", "none")}
    assert min(told["status"].values()) > 0

    pq = pytest.importorskip("pyarrow.parquet")
    arrow = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    assert [row["status"] for row in arrow] == statuses
    assert [row["sketch"]["id"] for row in arrow] == [row["sketch"]["id"] for row in rows]
    assert [[p["sha256"] for p in row["colored"]["pages"]] for row in arrow] == [
        [p["sha256"] for p in row["colored"]["pages"]] for row in rows
    ]


def test_side_by_side(crawl: Crawl, tmp_path: Path) -> None:
    """In folders, both images of a pair have one name; in shards they are one sample. Only whole pairs are there."""
    command = (crawl.works, "--to", "pairs", "--pairs", crawl.pairs, *SHAPE, "--out")
    exported(*command, tmp_path / "folders")
    exported(*command, tmp_path / "tars", "--layout", "shards")
    exported(*command, tmp_path / "none", "--layout", "none")
    rows = [row for row in table(tmp_path / "folders") if row["status"] == "both"]
    assert table(tmp_path / "tars") == table(tmp_path / "folders") == table(tmp_path / "none")
    keys = {row["key"] for row in rows}
    for side in ("colored", "sketch"):
        assert {p.stem for p in (tmp_path / "folders" / "train" / side).iterdir()} == keys
    assert not (tmp_path / "none" / "train").exists()
    with tarfile.open(tmp_path / "tars" / "train-000000.tar") as tar:
        names = tar.getnames()
        row = rows[0]
        page = next(p for p in row["colored"]["pages"] if p["page"] == row["match"]["colored_page"])
        name = next(n for n in names if n.startswith(f"{row['key']}.colored."))
        member = tar.extractfile(name)
        assert member is not None
        assert member.read() == (crawl.works / page["path"]).read_bytes()
    assert {n.partition(".")[0] for n in names} == keys
    assert {n.split(".")[1] for n in names} == {"colored", "sketch", "json"}


def test_no_artist_of_a_pair_is_in_two_parts(crawl: Crawl, tmp_path: Path) -> None:
    """Pairs that share an artist, over any chain of pairs, are in one part."""
    exported(
        *(crawl.works, "--to", "pairs", "--pairs", crawl.pairs, "--layout", "none", *SHAPE),
        *("--splits", "train=.5,val=.5", "--out", tmp_path / "out"),
    )
    parts: dict[int, set[str]] = {}
    for row in table(tmp_path / "out"):
        for side in ("colored", "sketch"):
            if row[side]["user_id"]:
                parts.setdefault(row[side]["user_id"], set()).add(row["split"])
    assert all(len(some) == 1 for some in parts.values())
    assert {part for some in parts.values() for part in some} == {"train", "val"}


def test_the_list(crawl: Crawl, tmp_path: Path) -> None:
    """Headers, work URLs, comments, repeats and tabs are read; lines that are no pair are told with their numbers."""
    path = tmp_path / "list.csv"
    path.write_text(
        "\ufeffcolored,sketch\r\n# old\r\nhttps://www.pixiv.net/artworks/5,6\r\n5,6\r\n7\r\n8,x\r\n9,10,11\r\n"
    )
    listed = read_pairs(path)
    assert listed.pairs == ((5, 6), (9, 10))
    assert [(p.line, p.why) for p in listed.problems] == [
        (5, "a pair needs two columns"),
        (6, "neither a number nor a link to a work"),
    ]
    code, _, err = export(crawl.works, "--to", "pairs", "--pairs", path, "--out", tmp_path / "out")
    assert code == 0
    assert f"{path}:6: 8,x: " in err
    path.write_text("nothing\n")
    code, _, err = export(crawl.works, "--to", "pairs", "--pairs", path, "--out", tmp_path / "none")
    assert code == 2
    assert "no pair" in err


def test_without_numpy(crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is begun, and what to install is said, or how to do without."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    ask = (crawl.works, "--to", "pairs", "--pairs", crawl.pairs, "--layout", "none", "--out", tmp_path / "out")
    code, _, err = export(*ask)
    assert code == 2
    assert "pip install 'crawler[dataset]'" in err
    assert "--match shape" in err
    assert not (tmp_path / "out").exists()
    exported(*ask, *SHAPE)


def page(number: int | str, width: int, height: int) -> Stored:
    return Stored(1, number, "p", 1, "s", "image/png", width, height, "original", "u")  # pyright: ignore[reportArgumentType]


def test_the_best_pages() -> None:
    """The likest shape wins; of equals the same place in the work; and what is not clear is not called sure."""
    only = best([page(0, 100, 50)], [page(0, 100, 50)])
    assert only is not None
    assert (only.by, only.sure, only.candidates) == ("only", True, 1)
    shape = best([page(0, 100, 100), page(1, 100, 50)], [page(0, 200, 102)])
    assert shape is not None
    assert (shape.colored_page, shape.sketch_page, shape.by, shape.sure) == (1, 0, "shape", True)
    order = best([page(0, 10, 10), page(1, 10, 10)], [page(0, 10, 10), page(1, 10, 10)])
    assert order is not None
    assert (order.colored_page, order.sketch_page, order.by, order.sure) == (0, 0, "order", False)
    odd = best([page(0, 100, 50)], [page(0, 50, 100)])
    assert odd is not None
    assert not odd.sure
    zipped = best([page("zip", 10, 10), page(0, 10, 20)], [page(0, 10, 10)])
    assert zipped is not None
    assert zipped.colored_page == 0
    assert best([], [page(0, 1, 1)]) is None
