"""Parquet: one row an image, typed and documented columns, with or without the image's bytes. Needs pyarrow."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from crawler.dataset.columns import Column
from crawler.dataset.manifest import ShardFile
from crawler.dataset.stops import need

GROUP_ROWS = 4096
GROUP_BYTES = 32 << 20
_HF = {"id": "int64", "page": "int32", "int": "int64", "text": "string", "word": "string"}
_HF["time"] = "timestamp[ms, tz=UTC]"

Sample = tuple[Mapping[str, Any], bytes | None, str]
"""The values of a row, the image's bytes, and the name the image goes by."""


class Table:
    """What parquet files of these columns look like. `words`: ids are strings. Raises Refused without pyarrow."""

    def __init__(self, columns: Sequence[Column], *, words: bool, images: bool) -> None:
        self.arrow = need("pyarrow")
        self.parquet = need("pyarrow.parquet")
        self.columns = columns
        self.images = images
        self.words = words
        fields = [self._field(column) for column in columns]
        metadata: dict[str, str] = {}
        if images:
            pa = self.arrow
            struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            fields.append(pa.field("image", struct, metadata={"description": "the file, for Hugging Face `Image`"}))
            metadata["huggingface"] = json.dumps({"info": {"features": self._features()}})
        self.schema = self.arrow.schema(fields, metadata=metadata or None)
        names = {c.name + (".list.element" if c.type == "words" else ""): c.type for c in columns}
        self.leaves = [*names, *(["image.bytes", "image.path"] if images else ())]
        self.dictionary = [name for name, type in names.items() if type in ("word", "words")]

    def _field(self, column: Column) -> Any:
        return self.arrow.field(column.name, self._type(column), metadata={"description": column.help})

    def _type(self, column: Column) -> Any:
        pa = self.arrow
        match column.type:
            case "id":
                return pa.string() if self.words else pa.int64()
            case "page":
                return pa.int32()
            case "int":
                return pa.int64()
            case "time":
                return pa.timestamp("ms", tz="UTC")
            case "words":
                return pa.list_(pa.string())
            case "text" | "word":
                return pa.string()

    def _features(self) -> dict[str, Any]:
        """The columns in the words of Hugging Face `datasets`, so that it shows images, not structs."""
        features: dict[str, Any] = {}
        for column in self.columns:
            if column.type == "words":
                features[column.name] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
                continue
            dtype = "string" if column.type == "id" and self.words else _HF[column.type]
            features[column.name] = {"dtype": dtype, "_type": "Value"}
        return features | {"image": {"_type": "Image"}}

    def cells(self, column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The values of a column, as its type wants them."""
        values = [row[column.name] for row in rows]
        match column.type:
            case "id":
                return list(map(str, values)) if self.words else values
            case "page":
                return [value if isinstance(value, int) else None for value in values]
            case "time":
                return [_instant(value) for value in values]
            case _:
                return values


def _instant(text: str | None) -> Any:
    from datetime import datetime

    return None if text is None else datetime.fromisoformat(text)


class ParquetShard:
    """A parquet file; rows wait in memory until they fill a row group."""

    def __init__(self, table: Table, file: ShardFile) -> None:
        self._table = table
        self._file = file
        self._rows: list[Sample] = []
        self._waiting = 0
        self._writer = table.parquet.ParquetWriter(
            table.arrow.PythonFile(Sink(file), mode="w"),
            table.schema,
            # Pictures are compressed as they are.
            compression={name: "none" if name == "image.bytes" else "zstd" for name in table.leaves},
            use_dictionary=table.dictionary,
            write_statistics=[name for name in table.leaves if not name.startswith("image.")],
        )

    def size_with(self, sample: Sample) -> int:
        """Bytes so far, with the images that wait and this one; what the columns add is known when they are written."""
        return self._file.size + self._waiting + len(sample[1] or b"")

    def add(self, sample: Sample) -> None:
        """Append a row."""
        self._rows.append(sample)
        self._waiting += len(sample[1] or b"")
        if len(self._rows) >= GROUP_ROWS or self._waiting >= GROUP_BYTES:
            self._write()

    def end(self) -> None:
        """Write the rows that wait, and the footer."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if not self._rows:
            return
        pa, table = self._table.arrow, self._table
        rows = [values for values, _, _ in self._rows]
        arrays = [
            pa.array(table.cells(column, rows), type=field.type)
            for column, field in zip(table.columns, table.schema, strict=False)
        ]
        if table.images:
            images = [{"bytes": data, "path": name} for _, data, name in self._rows]
            arrays.append(pa.array(images, type=table.schema.field("image").type))
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=table.schema))
        self._rows = []
        self._waiting = 0


class Sink(io.RawIOBase):
    """A ShardFile as pyarrow wants a file to be."""

    def __init__(self, file: ShardFile) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(bytes(data))

    def tell(self) -> int:
        return self._file.size
