"""Runs `crawler export`, and reads what it left: from the manifest, and with the libraries that people use."""

import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge import lines

from crawler.cli.main import main
from crawler.sites.pixiv import work_of


@dataclass(frozen=True)
class Crawl:
    """Folders of a crawl of works and of one of plain URLs, and the list of pairs among the works."""

    works: Path
    urls: Path
    pairs: Path

    def stored(self) -> dict[str, dict[str, Any]]:
        """The `stored` lines of the works, by the name that an image has in a data set."""
        found = (line for line in lines(self.works) if line["event"] == "stored")
        return {f"{s['id']}_ugoira" if s["page"] == "zip" else f"{s['id']}_p{s['page']}": s for s in found}

    def described(self) -> dict[int, dict[str, Any]]:
        """The metadata of each described work."""
        return {line["id"]: line["work"] for line in lines(self.works) if line["event"] == "described"}


def export(*argv: object) -> tuple[int, str, str]:
    """Run the command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["export", *map(str, argv)])
    return code, out.getvalue(), err.getvalue()


def exported(*argv: object) -> dict[str, Any]:
    """Run the command, which must end well; the manifest it left."""
    code, _, err = export(*argv)
    assert code == 0, err
    return manifest(Path(str(argv[argv.index("--out") + 1])))


def manifest(out: Path) -> dict[str, Any]:
    """The manifest of an export, with its laws checked: it tells count and digest of every file there is."""
    told: dict[str, Any] = json.loads((out / "_manifest.json").read_bytes())
    named = {"_manifest.json", *told.get("files", {})}
    for shard in told["shards"]:
        named.add(shard["name"])
        path = out / shard.get("table", shard["name"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"]
        assert (out / shard["name"]).is_dir() or path.stat().st_size == shard["bytes"]
    assert (out / "_card.md").read_text().startswith("# Data card")
    assert told["to"] == "manifest" or told["totals"]["images"] == sum(shard["images"] for shard in told["shards"])
    assert told["complete"] is True
    there = {p.name for p in out.iterdir() if not p.name.startswith("_")} | {"_manifest.json"}
    assert there == named, "nothing else is there"
    return told


def tree(out: Path) -> dict[str, str]:
    """Digest of every file under a folder."""
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in out.rglob("*") if p.is_file()}


def read(how: str, out: Path, home: Path) -> list[dict[str, Any]]:
    """The rows of an export as a library reads them, in a process of its own, offline."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(home / "hf")}
    script = Path(__file__).parent / "read_export.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), how, str(out)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def agree(crawl: Crawl, rows: list[dict[str, Any]], *, zips: bool = True) -> None:
    """Each stored image is one row, with its bytes' digest and its work's metadata."""
    stored = {key: s for key, s in crawl.stored().items() if zips or s["page"] != "zip"}
    works = {id: work_of(raw) for id, raw in crawl.described().items()}
    assert sorted(row["key"] for row in rows) == sorted(stored)
    for row in rows:
        line, work = stored[row["key"]], works[int(row["id"])]
        for name in ("id", "bytes", "sha256", "mime", "width", "height", "path", "url", "quality"):
            assert row[name] == line[name], name
        assert row["page"] == line["page"] or (row["page"] is None and line["page"] == "zip")
        for name in ("title", "description", "kind", "bookmarks", "user_id", "user_name", "x_restrict", "series_id"):
            assert row[name] == getattr(work, name), name
        assert row["tags"] == [tag.name for tag in work.tags]
        assert row["tags_en"] == [tag.translation for tag in work.tags]
        assert row.get("got", line["sha256"]) == line["sha256"]
