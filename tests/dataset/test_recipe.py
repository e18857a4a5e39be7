"""Laws of the manifest that is published, of holding a crawl against it, and of the data card."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, exported
from judge import command, lines

from crawler.dataset.recipe import url_date


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_published(crawl: Crawl, tmp_path: Path) -> None:
    """A line an image, with digest and date and nothing of its content; a line for each work that is gone."""
    exported(crawl.works, "--to", "manifest", "--out", tmp_path / "out")
    stored = crawl.stored().values()
    got = rows(tmp_path / "out" / "manifest.jsonl")
    names = ("id", "page", "sha256", "bytes", "mime", "width", "height", "quality")
    assert sorted(str([row[n] for n in names]) for row in got) == sorted(str([s[n] for n in names]) for s in stored)
    assert all(set(row) == {*names, "url_date"} for row in got)
    gone = {(line["id"], line["reason"]) for line in lines(crawl.works) if line["event"] == "gone"}
    assert {(row["id"], row["reason"]) for row in rows(tmp_path / "out" / "gone.jsonl")} == gone


def test_held_against_itself_and_others(crawl: Crawl, tmp_path: Path) -> None:
    """Same, changed, gone, lost: each is told; exit 0 only if everything that is named is here byte for byte."""
    exported(crawl.works, "--to", "manifest", "--out", tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.jsonl"
    ended = command("verify", crawl.works, "--against", manifest, "--json")
    count = len(crawl.stored())
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == {"same_set": True, "same": count, "changed": 0, "gone": 0, "lost": 0, "extra": 0}

    shutil.copytree(crawl.works, tmp_path / "works")
    got = rows(manifest)
    dead = next(line["id"] for line in lines(crawl.works) if line["event"] == "gone")
    stored = {(s["id"], s["page"]): s["path"] for s in crawl.stored().values()}
    (tmp_path / "works" / stored[got[3]["id"], got[3]["page"]]).unlink()
    os.truncate(tmp_path / "works" / stored[got[4]["id"], got[4]["page"]], 5)
    got[1]["sha256"] = "0" * 64
    changed = [*got[1:], {**got[0], "id": dead}, {**got[0], "id": 1}]
    manifest.write_text("\n".join(map(json.dumps, changed)))
    ended = command("verify", tmp_path / "works", "--against", manifest, "--json")
    assert ended.code == 3
    *differences, totals = [json.loads(line) for line in ended.out.splitlines()]
    assert totals == {
        "same_set": False,
        "same": count - 4,
        "changed": 1,
        "gone": 2,
        "lost": 2,
        "extra": 1,
    }
    assert [d["verdict"] for d in differences] == ["changed", "lost", "lost", "gone", "gone"]
    assert [d["why"] for d in differences[-2:]][1] == "pending"
    ended = command("verify", tmp_path / "works", "--against", manifest)
    assert ended.code == 3
    assert "Not the same set" in ended.out


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"id": 1, "page": 0, "sha256": "A"}', '{"id": true, "page": 0}'])
def test_no_manifest(crawl: Crawl, tmp_path: Path, line: str) -> None:
    """A line that is none is named with its number, exit 2."""
    (tmp_path / "m.jsonl").write_text(f"\n{line}\n")
    ended = command("verify", crawl.works, "--against", tmp_path / "m.jsonl")
    assert ended.code == 2
    assert "m.jsonl:2: " in ended.err
    assert command("verify", crawl.works, "--against", tmp_path / "none.jsonl").code == 2


def test_url_dates() -> None:
    """The date is the one in the path; a URL without one has none."""
    url = "https://i.pximg.net/img-original/img/2017/03/01/09/30/00/61600000_p0.png"
    assert url_date(url) == "2017-03-01T09:30:00+09:00"
    assert url_date("https://a.example/x.png") is None


def test_the_card(crawl: Crawl, tmp_path: Path) -> None:
    """Counts, outcomes, digests, versions and dates come from the log, and nothing in it can break a table."""
    told = exported(crawl.works, "--to", "webdataset", "--out", tmp_path / "out", "--where", "title || '|' <> 'a'")
    card = (tmp_path / "out" / "_card.md").read_text()
    opened = [line for line in lines(crawl.works) if line["event"] == "opened"]
    assert opened[0]["source"]["digest"] in card
    assert opened[0]["settings"] in card
    assert opened[0]["t"][:19] in card
    assert f"| images | {told['totals']['images']} |" in card
    assert "| listed | 260 |" in card
    assert "all ages" in card
    assert "title \\|\\| '\\|' <> 'a'" in card
    for table in card.split("\n\n"):
        if table.startswith("| "):
            assert {row.replace("\\|", "").count("|") for row in table.splitlines()} == {3}
