"""Run as a script: reads an export as its users do, and prints what it read as JSON, a digest for each image."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def webdataset(out: Path) -> Iterator[dict[str, Any]]:
    import webdataset as wds

    for sample in wds.WebDataset(sorted(map(str, out.glob("*.tar"))), shardshuffle=False):
        (ext,) = {name for name in sample if not name.startswith("__")} - {"json"}
        yield {"ext": ext, "got": digest(sample[ext]), "name": sample["__key__"], **json.loads(sample["json"])}


def training(out: Path) -> Iterator[dict[str, Any]]:
    """A loop as PyTorch code has it: decoded, mapped, in batches."""
    import webdataset as wds

    shards = sorted(map(str, out.glob("train-*.tar")))
    samples = wds.WebDataset(shards, shardshuffle=False).decode("rgb").to_tuple("webp", "json")
    for batch in samples.batched(8, collation_fn=list):
        for picture, row in batch:
            yield {"shape": list(picture.shape), **row}


def hf_imagefolder(out: Path) -> Iterator[dict[str, Any]]:
    return hugging_face("imagefolder", out)


def hf_parquet(out: Path) -> Iterator[dict[str, Any]]:
    return hugging_face("parquet", out)


def hf_webdataset(out: Path) -> Iterator[dict[str, Any]]:
    for row in hugging_face("webdataset", out, "webp"):
        yield {**row, **row.pop("json")}


def hugging_face(kind: str, out: Path, column: str = "image") -> Iterator[dict[str, Any]]:
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(kind, data_dir=str(out))
    for part, rows in loaded.items():
        assert rows[0][column].size[0] > 0, "it decodes"
        for row in rows.cast_column(column, datasets.Image(decode=False)):
            image = row.pop(column)
            data = image["bytes"] or Path(image["path"]).read_bytes()
            yield {**row, "part": part, "got": digest(data)}


def arrow(out: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.dataset as pads

    yield from pads.dataset(out, format="parquet", exclude_invalid_files=False).to_table().to_pylist()


def duckdb(out: Path) -> Iterator[dict[str, Any]]:
    import duckdb

    found = duckdb.sql(f"SELECT * EXCLUDE (stored, created, uploaded) FROM '{out}/*.parquet'")
    for row in found.fetchall():
        yield dict(zip(found.columns, row, strict=True))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    print(json.dumps(list(globals()[sys.argv[1]](Path(sys.argv[2]))), default=str))
