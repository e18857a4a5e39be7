"""Laws of the TOML that the standard library does not do: lines of keys, and values written out."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.cli.toml import lines_of, show, write

DOCUMENT = '''\
# a comment with = and [brackets]
top = 1
"quoted key" = "a # no comment"   # a comment

[one.two]
list = [
  "x]",  # ]
  'y', [1,
  2],
]
text = """
first \\""" = 1
last"""""
raw = \'\'\'
a = 2\'\'\'
after = { in = { deep = 1, "dotted.host" = "v" }, b.c = 2 }
dotted . "k\\u0065y" = 1979-05-27

[[tables]]
a = 1
[ spaced . 'table' ]
k = true'''


def test_every_kind_of_key_has_its_line() -> None:
    """The line of a key is the line it begins on, whatever stands before it."""
    lines = lines_of(DOCUMENT)
    tomllib.loads(DOCUMENT)
    assert lines[("top",)] == 2
    assert lines[("quoted key",)] == 3
    assert lines[("one", "two")] == 5
    assert lines[("one", "two", "list")] == 6
    assert lines[("one", "two", "text")] == 11
    assert lines[("one", "two", "raw")] == 14
    for inner in (("in",), ("in", "deep"), ("in", "dotted.host"), ("b",), ("b", "c")):
        assert lines[("one", "two", "after", *inner)] == 16
    assert lines[("one", "two", "dotted", "key")] == 17
    assert lines[("tables",)] == 19
    assert lines[("tables", "a")] == 20
    assert lines[("spaced", "table")] == 21
    assert lines[("spaced", "table", "k")] == 22


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)
SCALARS = (
    st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    """`write` and tomllib are inverse for every text, number, truth, list and table."""
    assert tomllib.loads(f"value = {write(value)}")["value"] == value


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """A valid document, and the line of each key in it."""
    text, places = "", {}
    tables = draw(st.lists(KEYS, unique=True, max_size=4))
    for table in [None, *tables]:
        path = () if table is None else (table,)
        if table is not None:
            text += draw(st.sampled_from(["", "\n", "# [x]\n"]))
            places[path] = text.count("\n") + 1
            text += f"[{write(table)}]\n"
        keys = draw(st.lists(KEYS.filter(lambda k: k not in tables), unique=True, max_size=4))
        for key in keys:
            text += draw(st.sampled_from(["", "\n", "  ", '# "\n']))
            places[(*path, key)] = text.count("\n") + 1
            value = draw(
                VALUES.map(write)
                | st.sampled_from(
                    ['"""\n[a]\nb = 1\n"""', "'''\n#\n'''", "[\n1,\n# ]\n2\n]", "1e3", "0xff", "12:00:00"]
                )
            )
            text += f"{write(key)} = {value}{draw(st.sampled_from(['', ' ', ' # c = 1']))}\n"
    return text, places


@settings(deadline=None, max_examples=150)
@given(documents())
def test_lines_of_any_document(case: tuple[str, dict[tuple[str, ...], int]]) -> None:
    """In any valid document, each key and table is found on the line where it was written."""
    text, places = case
    tomllib.loads(text)
    found = lines_of(text)
    assert {path: found.get(path) for path in places} == places


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("ab.=[]{}'\"\n\\# ,1"), max_size=40))
def test_the_scanner_never_raises(text: str) -> None:
    """Whatever the text, valid or not, there is an answer."""
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())


@pytest.mark.parametrize("value", ["x" * 200, "\x1b[31m", "\n", "\u202e", "\udcff", ["\x07"] * 90])
def test_what_is_shown_is_short_and_harmless(value: object) -> None:
    """A value in a message has at most 60 printable characters."""
    text = show(value)
    assert len(text) <= 60
    assert text.isprintable()
