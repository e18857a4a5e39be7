"""Laws of `crawler export`: what the libraries read is what the log says."""

import json
import tarfile
from pathlib import Path

import pytest
from exports import Crawl, agree, export, exported, read, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.dataset import tar


def test_webdataset(crawl: Crawl, tmp_path: Path) -> None:
    """Every image and its columns, in tars of at most the size asked for, named <id>_p<page>, in the order of ids."""
    told = exported(crawl.works, "--to", "webdataset", "--out", tmp_path / "out", "--shard-mb", 1)
    rows = read("webdataset", tmp_path / "out", tmp_path)
    agree(crawl, rows)
    assert all(row["name"] == row["key"] for row in rows)
    assert all(row["ext"] == row["path"].rpartition(".")[2] for row in rows)
    place = [(row["id"], row["page"] == "zip", row["page"]) for row in rows]
    assert place == sorted(place)
    assert len(told["shards"]) > 3
    assert all(shard["bytes"] <= 1_000_000 or shard["samples"] == 1 for shard in told["shards"])


def test_tars_tell_nothing_of_the_machine(crawl: Crawl, tmp_path: Path) -> None:
    """No clock, no owner, no umask is in a tar, and the members of a sample lie side by side."""
    exported(crawl.works, "--to", "webdataset", "--out", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "train-000000.tar") as opened:
        members = opened.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    names = [m.name.partition(".")[0] for m in members]
    assert names[::2] == names[1::2]
    assert len(set(names)) == len(names) // 2


@settings(deadline=None, max_examples=100)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=130),
    st.integers(0, 8**12),
)
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    """The header of any name and size, byte for byte as the standard library writes it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    assert tar.header(name, size) == info.tobuf(tarfile.GNU_FORMAT)
    assert tar.room(name, size) == len(tar.header(name, size)) + size + len(tar.padding(size))


@pytest.mark.parametrize("how", ["arrow", "duckdb"])
def test_parquet(crawl: Crawl, tmp_path: Path, how: str) -> None:
    """One row an image, in pyarrow and DuckDB alike; times are times."""
    exported(crawl.works, "--to", "parquet", "--out", tmp_path / "out")
    agree(crawl, read(how, tmp_path / "out", tmp_path))


def test_parquet_is_typed_and_documented(crawl: Crawl, tmp_path: Path) -> None:
    """Every column has a type and a sentence; words that repeat, tags too, are stored as dictionaries."""
    pq = pytest.importorskip("pyarrow.parquet")
    exported(crawl.works, "--to", "parquet", "--out", tmp_path / "out", "--images")
    file = pq.ParquetFile(tmp_path / "out" / "train-000000.parquet")
    schema = file.schema_arrow
    assert {"id", "page", "sha256", "bytes", "mime", "width", "height", "path", "image"} <= set(schema.names)
    assert all(field.metadata[b"description"] for field in schema)
    types = {name: str(schema.field(name).type) for name in ("id", "page", "created", "tags", "bookmarks")}
    assert types["id"] == types["bookmarks"] == "int64"
    assert (types["page"], types["created"]) == ("int32", "timestamp[ms, tz=UTC]")
    assert types["tags"].startswith("list<")
    group = file.metadata.row_group(0)
    chunks = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "RLE_DICTIONARY" in chunks["tags.list.element"].encodings
    assert "RLE_DICTIONARY" in chunks["mime"].encodings
    assert chunks["image.bytes"].compression == "UNCOMPRESSED"


def test_parquet_with_images_at_hugging_face(crawl: Crawl, tmp_path: Path) -> None:
    """`load_dataset` shows pictures, the bytes are the originals', and splits are splits."""
    told = exported(
        *(crawl.works, "--to", "parquet", "--images", "--shard-mb", 2, "--out", tmp_path / "out"),
        *("--splits", "train=.7,val=.3", "--where", "page <> 'zip'"),
    )
    assert len(told["shards"]) > 2
    rows = read("hf_parquet", tmp_path / "out", tmp_path)
    agree(crawl, rows, zips=False)
    assert {(row["part"], row["split"]) for row in rows} == {("train", "train"), ("validation", "val")}


def test_imagefolder_at_hugging_face(crawl: Crawl, tmp_path: Path) -> None:
    """`load_dataset` finds every picture with its metadata; files are links to the originals unless copies are asked.

    Zips are left out, and that is said: the reader would unpack them.
    """
    told = exported(crawl.works, "--to", "imagefolder", "--out", tmp_path / "out")
    agree(crawl, read("hf_imagefolder", tmp_path / "out", tmp_path), zips=False)
    zips = sum(s["page"] == "zip" for s in crawl.stored().values())
    assert told["totals"]["left_out"] == ({"not_a_picture": zips} if zips else {})
    table = (tmp_path / "out/train/metadata.jsonl").read_text().splitlines()
    row = json.loads(table[0])
    linked = tmp_path / "out/train" / row["file_name"]
    assert linked.samefile(crawl.works / row["path"])

    exported(crawl.works, "--to", "imagefolder", "--out", tmp_path / "copies", "--copy")
    copied = tmp_path / "copies/train" / row["file_name"]
    assert not copied.samefile(crawl.works / row["path"])
    assert tree(tmp_path / "copies/train") == tree(tmp_path / "out/train")


def test_plain_urls(crawl: Crawl, tmp_path: Path) -> None:
    """A folder of plain URLs exports as well: ids are strings, and what no site told is unknown."""
    for to, how in (("webdataset", "webdataset"), ("parquet", "arrow")):
        out = tmp_path / to
        exported(crawl.urls, "--to", to, "--out", out)
        rows = read(how, out, tmp_path)
        assert {f"images/{int(row['id'], 16) % 1000:03d}/{row['id']}" for row in rows} == {
            str(p.relative_to(crawl.urls).with_suffix("")) for p in (crawl.urls / "images").rglob("*.*")
        }
        assert {(row["page"], row["title"], row["tags"]) if not row["tags"] else 0 for row in rows} == {(0, None, None)}


def test_resized(crawl: Crawl, tmp_path: Path) -> None:
    """A resized tier: the shorter side as asked and never enlarged, columns of both, loaded as training code does."""
    arguments = (crawl.works, "--resize", 96, "--to")
    exported(*arguments, "webdataset", "--out", tmp_path / "tars")
    rows = read("training", tmp_path / "tars", tmp_path)
    stored = {key: s for key, s in crawl.stored().items() if s["page"] != "zip"}
    assert {row["key"] for row in rows} == set(stored)
    for row in rows:
        line = stored[row["key"]]
        assert (row["sha256"], row["width"], row["height"]) == (line["sha256"], line["width"], line["height"])
        assert row["shape"] == [row["derived_height"], row["derived_width"], 3]
        assert min(row["shape"][:2]) == min(96, line["width"], line["height"])
        assert row["derived_mime"] == "image/webp"
        assert abs(row["shape"][1] / row["shape"][0] - line["width"] / line["height"]) < 0.05 * row["shape"][1]
    hf = read("hf_webdataset", tmp_path / "tars", tmp_path)
    assert {row["key"]: row["got"] for row in hf} == {row["key"]: row["derived_sha256"] for row in rows}

    exported(*arguments, "imagefolder", "--out", tmp_path / "folder")
    files = tree(tmp_path / "folder" / "train" / "images").values()
    assert sorted(files) == sorted(row["derived_sha256"] for row in rows)


def test_without_the_extra(crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is named with what to install, exit 2, and nothing is written."""
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, out, err = export(crawl.works, "--to", "parquet", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "pip install 'crawler[dataset]'" in err
    assert not (tmp_path / "out").exists()
    assert export(crawl.works, "--to", "webdataset", "--out", tmp_path / "out")[0] == 0
