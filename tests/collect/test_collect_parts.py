"""Parts of collecting by themselves: links in descriptions, names in files, the book as a fold, and its looks."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.collect.book import Book, Query
from crawler.collect.names import read_names
from crawler.collect.picture import Collection, Left, left_of, time_left
from crawler.collect.settings import CollectSettings
from crawler.collected import Began, CollectedEvent, Emptied, Ended, Found, Missed, Paged
from crawler.events import payload, read_event
from crawler.fetch.exchange import HostState
from crawler.progress import Note
from crawler.rules.windows import Cursor
from crawler.sources.links import linked_works
from crawler.watch.collecting import fields, frame, line, watch


@pytest.mark.parametrize(
    ("html", "ids"),
    [
        ('<a href="https://www.pixiv.net/en/artworks/67603292">illust/67603292</a>', [67603292]),
        (
            '<a href="/jump.php?https%3A%2F%2Fwww.pixiv.net%2Fmember_illust.php%3Fmode%3Dbig%26illust_id%3D12" >x</a>',
            [12],
        ),
        ("see http://www.pixiv.net/member_illust.php?mode=medium&amp;illust_id=34 and illust/56", [34, 56]),
        ('<a href="https://www.pixiv.net/users/9">user/9</a> <a href="https://twitter.com/a">t</a>', []),
        ("illust/3<br />illust/2<br />illust/3", [3, 2]),
        ("", []),
    ],
)
def test_links(html: str, ids: list[int]) -> None:
    """Works that a description links to or names, in its order, each once; nothing else."""
    assert linked_works(html) == ids


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200))
def test_any_description_is_read(html: str) -> None:
    """Whatever an author writes is no exception."""
    linked_works(html)


def test_the_data_sets_own_tags(shared: Path) -> None:
    """1,199 different tags, one named twice, six lines of comments, nothing malformed."""
    found = read_names(CollectSettings(path=str(shared / "data" / "pixiv_bookmark_list.txt")))
    assert (len(found.names), found.duplicates, found.problems) == (1199, 1, [])


def test_names_of_files_and_config(tmp_path: Path) -> None:
    """Files in order, then the config's own; each once; CRLF and a byte order mark do not matter."""
    (tmp_path / "a").write_bytes("\ufeff# 50000\r\n猫\r\n\r\nFate/Zero\r\n猫\r\n".encode())
    (tmp_path / "b").write_bytes(b"\xff\xfe bad\n" + "犬\n".encode())
    found = read_names(CollectSettings(path=(str(tmp_path / "a"),), tags=("鳥", "猫")))
    assert (found.names, found.duplicates) == (["猫", "Fate/Zero", "鳥"], 2)
    (tmp_path / "b").write_bytes("犬\na\x00b\n".encode())
    found = read_names(CollectSettings(path=str(tmp_path / "b")))
    assert found.names == ["犬"]
    assert str(found.problems[0]).startswith(f"{tmp_path}/b:2: ")


EVENTS: list[CollectedEvent] = [
    Began(1, "tags", "猫", "exact", "safe", "", "", "", "2020-01-31"),
    Found(1, 9, "猫", 1, "2020-01-30T00:00:00+09:00", 1),
    Found(1, 8, "猫", 2, "2020-01-29T00:00:00+09:00", 1),
    Paged(1, "猫", 1, 3, 70, 3, 1, 0, 1, Cursor("", "2020-01-31", 2, seen=3, total=70).said(), (7,)),
    Emptied(1, "猫", 2, 200.0, "2026-01-01T00:00:00.000Z"),
    Found(1, 6, "猫", 4, "2020-01-28T00:00:00+09:00", 2),
    Paged(1, "猫", 2, 4, 70, 1, 0, 0, 0, None),
    Ended(1, "猫", 3, 1, 2, 0),
]
CAT = Query("tags", "猫", "exact", "safe", "", "")


@pytest.mark.parametrize("event", [*EVENTS, Missed(1, "猫", 2, "bad_reply", None, 5, False, "why")])
def test_lines_are_read_back(event: CollectedEvent) -> None:
    """What a line says is what was noted."""
    raw = payload(event)
    again = read_event(raw)
    assert again == event


def test_the_book_follows_a_list() -> None:
    """Where a list stands: its page, its rows, its known ids; over at the end, and newest days remembered."""
    book = Book()
    ids = [book.apply(event) for event in EVENTS[:6]]
    one = book.passes[CAT]
    assert [id for id in ids if id is not None] == [9, 8, 6]
    assert one.cursor == Cursor("", "2020-01-31", 2, seen=3, total=70)
    assert set(one.known) == {9, 8, 7}, "of a page that is not finished nothing is known to the list"
    assert (one.empties, one.rank, one.pages) == (1, 3, 1)
    assert left_of(book, [CAT]) == Left(1, 0, 2, 2, None)
    for event in EVENTS[6:]:
        book.apply(event)
    assert book.over(CAT)
    assert book.newest(CAT) == "2020-01-30"
    assert (one.ids, one.masked, one.rank, one.known) == (3, 1, 4, type(one.known)())


def test_a_page_cut_off_is_read_again() -> None:
    """A kill in the middle of a page: its lines come again, and nothing counts twice."""
    book = Book()
    for event in [*EVENTS[:2], *EVENTS[1:]]:
        book.apply(event)
    assert (len(book.ids), book.passes[CAT].ids) == (3, 3)


def test_a_list_given_up_for_good_is_over() -> None:
    """What was missed for now is gone on with, what was missed for good is not."""
    book = Book()
    book.apply(EVENTS[0])
    book.apply(Missed(1, "猫", 1, "bad_reply", None, 5, False))
    assert not book.over(CAT)
    book.apply(Missed(1, "猫", 1, "not_found", None, 1, True))
    assert book.over(CAT)


NOW = Collection(
    t=1_700_000_000.0,
    elapsed_s=600.0,
    phase="collecting",
    lists=1200,
    over=300,
    missed=1,
    open=4,
    waiting=2,
    ids=12345,
    new_ids=2345,
    doubles=10,
    masked=5,
    short=0,
    pages=360,
    requests=365,
    retries=2,
    left=Left(900, 896, 1000, 1500, 1.5),
    hosts=(HostState("www.pixiv.net", "api", 0.6, 0.6, 0.0, 2, 3, 365, 10**6, 0, 0.2, ""),),
    notes=(Note(1_700_000_000.0, "emptied", "", "猫\x1b[2J  page 1 is empty"),),
    directory="/data/collected",
)


def test_how_it_looks() -> None:
    """One line, one object and one screen answer the same; nothing of the site's moves a cursor."""
    assert "lists 300/1,200" in line(NOW)
    assert "API budget 0.6/s" in line(NOW)
    assert fields(NOW)["eta_s"][0] > 0
    for width in (40, 80, 132):
        rows = frame(NOW, width)
        assert all(row.cell_len <= width for row in rows)
        assert not any("\x1b" in row.plain for row in rows)
    assert time_left(replace(NOW, left=Left(0, 0, 0, 0, None))) == (0.0, 0.0)
    assert time_left(replace(NOW, left=Left(900, 900, 900, None, None))) is None


@pytest.mark.parametrize("mode", ["plain", "json", "rich", "none"])
def test_it_ends_when_told(mode: str) -> None:
    """Every way of showing ends with the job."""
    out = io.StringIO()

    async def show() -> None:
        done = asyncio.Event()
        task = asyncio.create_task(watch(mode, lambda: NOW, done, stream=out, every_s=0.01))
        await asyncio.sleep(0.05)
        done.set()
        await asyncio.wait_for(task, 60)

    asyncio.run(show())
    assert bool(out.getvalue()) == (mode != "none")
    assert "\x1b[2J" not in out.getvalue()
