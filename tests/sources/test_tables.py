"""Laws of lists that are tables: csv, tsv, pairs, and URLs with keys."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.sources.lines import LONG, SourceError, read_rows
from crawler.sources.settings import SourceSettings
from crawler.sources.source import Census, Item, open_source


def table(folder: Path, content: str, name: str = "list.csv", **keys: str) -> tuple[Census, list[Item]]:
    """Both passes over a table."""
    path = folder / name
    path.write_bytes(content.encode())
    source = open_source(SourceSettings(path=str(path), **keys), folder)  # type: ignore[arg-type]
    census = asyncio.run(source.count())
    return census, list(source.items())


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("1,a\n2,b\n", ""),
        ("id,title\n1,a\n2,b\n", ""),
        ("illust_id,title\n1,a\n2,b\n", "0"),
        ("title,id\na,1\nb,2\n", "1"),
        ("title,id\na,1\nb,2\n", "id"),
        ("\ufeffid,title\r\n1,a\r\n2,b\r\n", "id"),
        (' title , id \n"a, or ""b""", 1 \n"b\nc",2\n', "id"),
        ("# made by hand\n\nid\n1\n2", "id"),
        ('"id"\n"1"\n"https://www.pixiv.net/artworks/2"\n', ""),
        ("a,1 # note\nb,2\n", "1"),
    ],
)
def test_a_column_is_found_by_name_or_number(tmp_path: Path, content: str, column: str) -> None:
    """A name makes the first row the header; otherwise a first row of words is passed over in silence."""
    census, items = table(tmp_path, content, column=column)
    assert [item.id for item in items] == [1, 2]
    assert census.malformed == 0


def test_a_tsv_has_tabs(tmp_path: Path) -> None:
    """The name tells what stands between the cells; a first cell may be empty."""
    _, items = table(tmp_path, "title\tid\na, b\t1\n\t2\n", "list.tsv", column="id")
    assert [item.id for item in items] == [1, 2]


def test_an_explicit_column_makes_any_file_a_table(tmp_path: Path) -> None:
    """A csv may have any name when a column is asked for."""
    _, items = table(tmp_path, "a,1\nb,2\n", "list.dat", column="1")
    assert [item.id for item in items] == [1, 2]


def test_a_column_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """The message has file, line, key and the nearest real name."""
    with pytest.raises(SourceError, match=r"list\.csv:1: source\.column: there is no column 'ilust_id'; did you mean"):
        table(tmp_path, "title,illust_id\na,1\n", column="ilust_id")
    with pytest.raises(SourceError, match="the first row has 'title', 'illust_id'"):
        table(tmp_path, "title,illust_id\na,1\n", column="zzz")
    with pytest.raises(SourceError, match=r"source\.key_column"):
        table(tmp_path, "url,k\nhttps://a.example/1,1\n", kind="urls", column="url", key_column="key")


def test_a_bad_first_cell_is_no_header(tmp_path: Path) -> None:
    """Only words are taken for a header; an entry gone wrong in the first row is reported."""
    census, _ = table(tmp_path, "-1,a\n2,b\n")
    assert [p.line for p in census.problems] == [1]
    census, _ = table(tmp_path, "id,a\ntitle,b\n2,c\n")
    assert [p.line for p in census.problems] == [2]


def test_short_rows_and_empty_cells_are_malformed(tmp_path: Path) -> None:
    """A row without the cell is reported with what it has."""
    census, items = table(tmp_path, "a,1\nb\nc,\nd,4\n", column="1")
    assert [item.id for item in items] == [1, 4]
    assert [(p.line, p.text, p.why) for p in census.problems] == [
        (2, "b", "no column 1: the row has 1"),
        (3, "", "empty"),
    ]


def test_pairs_give_every_column(tmp_path: Path) -> None:
    """A pair list gives both ids of a row, left first; the other half of a bad pair is still wanted."""
    census, items = table(tmp_path, "3,1\n4,1\nx,5\n7\n", "pairs.txt", kind="pairs")
    assert [item.id for item in items] == [3, 1, 4, 5]
    assert (census.duplicates, [p.line for p in census.problems]) == (1, [3, 4])
    _, items = table(tmp_path, "colored_id,sketch_id\n3,1\n4,1\n", kind="pairs", column="sketch_id")
    assert [item.id for item in items] == [1]
    census, items = table(tmp_path, "colored_id,sketch_id\n3,1\n", kind="pairs")
    assert ([item.id for item in items], census.malformed) == ([3, 1], 0)


def test_keys_name_urls(tmp_path: Path) -> None:
    """With a key column the key is the identity; a bad key, or one key for two URLs, is malformed."""
    content = (
        "url,key,size\nhttps://a.example/1,cat-1,3\nhttps://a.example/2,../x,3\nhttps://a.example/1,cat-1,3\n"
        "https://a.example/3,cat-1,3\nhttps://a.example/1,cat-2,3\nnot,cat-3,3\n"
    )
    census, items = table(tmp_path, content, kind="urls", column="url", key_column="key")
    assert items == [Item("cat-1", "https://a.example/1"), Item("cat-2", "https://a.example/1")]
    assert (census.ids, census.duplicates, [p.line for p in census.problems]) == (2, 1, [3, 5, 7])
    assert "key cat-1 is already used for another URL" in str(census.problems[1])
    _, by_number = table(tmp_path, content.split("\n", 1)[1], kind="urls", column="0", key_column="1")
    assert by_number == items


@given(st.lists(st.lists(st.text("ab1,\" #'\u3042\n", max_size=8), min_size=2, max_size=4), max_size=12))
@settings(deadline=None, max_examples=200)
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    """Rows written by the standard library come back cell by cell, but for blank and comment lines."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    raw = out.getvalue().encode().split(b"\n")
    assert [row for _, row in read_rows(raw[:-1], ",")] == rows


@pytest.mark.parametrize(
    "lines",
    [
        ['1,"never closed', "2,b", "3,c"],
        ['1,"stray', "2,b", '3,"stray again', "4,d"],
        ['1,5" wide', "2,b", '3,7" wide', "4,d"],
        ['1,"never closed', *(f"{n},{'x' * 1000}" for n in range(2, 2 + LONG // 500))],
        ['1,"open', *(f'{n},"fine"' for n in range(2, 40))],
    ],
)
def test_a_stray_quote_swallows_no_rows(lines: list[str]) -> None:
    """A quote that is not closed spoils its own line only: every other row is there, with its own number."""
    rows = list(read_rows((line.encode() for line in lines), ","))
    assert [(number, row[0]) for number, row in rows] == [(n, str(n)) for n in range(1, len(lines) + 1)]
