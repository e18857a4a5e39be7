"""Lists are read whole past the site's cap: laws of the windows, on made-up sites that cap, displace and change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.rules.windows import Cursor, Page, Shape, Short, cursor_of, step, throttled

ROWS = 6
ADS = (0, 1, 0, 2)
BEGIN = date(2016, 1, 1)
Work = tuple[str, int]


@dataclass
class MadeSite:
    """A search: works (day, id) newest first; `ads` take places of rows; pages after `cap` repeat that one."""

    works: list[Work]
    cap: int
    ads: bool = False
    asked: int = 0
    change: Callable[[MadeSite], None] = field(default=lambda site: None)

    def page(self, c: Cursor) -> tuple[list[Work], int, int]:
        self.asked += 1
        self.change(self)
        found = [w for w in self.works if (not c.since or w[0] >= c.since) and (not c.until or w[0] <= c.until)]
        if c.order == "oldest":
            found.reverse()
        number = min(c.page, self.cap)
        sizes = [ROWS - (ADS[n % 4] if self.ads else 0) for n in range(number)]
        start = sum(sizes[:-1])
        rows = found[start : start + sizes[-1]]
        return rows, len(rows) + (ROWS - sizes[-1] if rows else 0), len(found)


def read(site: MadeSite, shape: Shape, until: str = "2030-01-01", masked: int = 0) -> tuple[list[int], list[Short]]:
    """All that a reader finds, in its order; every `masked`th row tells no day."""
    cursor: Cursor | None = Cursor("", until)
    order: list[int] = []
    known: set[int] = set()
    shorts: list[Short] = []
    pages = 0
    while cursor is not None:
        pages += 1
        assert pages < 20_000, "a list is read for ever"
        rows, items, total = site.page(cursor)
        days = ["" if masked and id % masked == 0 else day for day, id in rows]
        page = Page(items, total, days, [id in known for _, id in rows])
        assert throttled(cursor, page, shape) in ("no", "maybe"), cursor
        order += [id for _, id in rows if id not in known]
        known.update(id for _, id in rows)
        assert cursor_of(cursor.said()) == cursor
        there = step(cursor, page, shape)
        if there.short is not None:
            shorts.append(there.short)
        cursor = there.next
    return order, shorts


def made(per_day: list[int]) -> list[Work]:
    """Works of consecutive days, newest first; ids fall."""
    return list(_made(per_day))


def _made(per_day: list[int]) -> Iterator[Work]:
    id = 10_000
    for back, n in enumerate(per_day):
        for _ in range(n):
            yield (BEGIN - timedelta(days=back)).isoformat(), id
            id -= 1


DAYS = st.lists(st.integers(0, 11), max_size=40)


@settings(deadline=None, max_examples=300)
@given(DAYS, st.integers(3, 7), st.booleans(), st.sampled_from([0, 0, 7, 2]))
def test_everything_is_found_once_and_in_order(per_day: list[int], cap: int, ads: bool, masked: int) -> None:
    """Where no day exceeds the cap a list is found whole, newest first, with one page more at each seam at most."""
    works = made(per_day)
    site = MadeSite(works, cap, ads)
    order, shorts = read(site, Shape(ROWS, cap, dated=True, mixed=True), masked=masked)
    assert order == [id for _, id in works]
    assert not shorts
    a_page = ROWS - 0.75 if ads else ROWS
    least = max(1, -(-len(works) // a_page))
    # A window brings at least what a cap holds without the pages that its first and last day may share.
    windows = 1 + least / max(1, cap - 1)
    assert site.asked <= least + 2 * windows + 1


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(st.integers(0, 5), st.integers(0, 90)), max_size=12), st.integers(1, 6), st.booleans())
def test_a_day_above_the_cap_is_counted(per_day: list[int], cap: int, ads: bool) -> None:
    """What is reachable is found, once; each day of which something is missing is told, with how much."""
    works = made(per_day)
    site = MadeSite(works, cap, ads)
    order, shorts = read(site, Shape(ROWS, cap, dated=True, mixed=True))
    assert len(order) == len(set(order))
    missing = {id for _, id in works} - set(order)
    assert sum(s.total - s.reached for s in shorts) == len(missing)
    for short in shorts:
        day = [id for d, id in works if d == short.day]
        assert len(day) == short.total
        assert len(missing & set(day)) == short.total - short.reached
        assert short.reached >= min(len(day), 2 * cap * (ROWS - 2) - 4 * ROWS)


@settings(deadline=None, max_examples=200)
@given(DAYS, st.integers(3, 7), st.integers(1, 6))
def test_a_smaller_cap_than_believed_is_noticed(per_day: list[int], cap: int, more: int) -> None:
    """A site that caps earlier than configured repeats its last page: taken for the cap, nothing is lost."""
    works = made(per_day)
    order, _ = read(MadeSite(works, cap), Shape(ROWS, cap + more, dated=True, mixed=True))
    assert set(order) == {id for _, id in works}


@settings(deadline=None, max_examples=300)
@given(DAYS, st.integers(3, 7), st.booleans(), st.data())
def test_what_vanishes_pulls_nothing_past_the_reader(
    per_day: list[int], cap: int, ads: bool, data: st.DataObject
) -> None:
    """Works that disappear while a list is read take no other work with them; nor do works that appear."""
    works = made(per_day)
    stays = {id for _, id in works}

    def change(site: MadeSite) -> None:
        what = data.draw(st.sampled_from(["", "", "gone", "new"]))
        if what == "gone" and site.works:
            stays.discard(site.works.pop(data.draw(st.integers(0, len(site.works) - 1)))[1])
        elif what == "new":
            site.works.insert(0, (BEGIN.isoformat(), 20_000 + site.asked))

    site = MadeSite(list(works), cap, ads, change=change)
    order, _ = read(site, Shape(ROWS, cap, dated=True, mixed=True), until=BEGIN.isoformat())
    assert not stays - set(order)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 100), st.integers(0, 100))
def test_a_list_without_dates_is_read_by_places(works: int, hidden: int) -> None:
    """Bookmarks: pages may show fewer rows than places; the end is where the places end."""
    shown = [n % 7 != hidden % 7 for n in range(works)]
    cursor: Cursor | None = Cursor()
    asked = found = 0
    while cursor is not None:
        asked += 1
        first = (cursor.page - 1) * ROWS
        rows = sum(shown[first : first + ROWS])
        found += rows
        cursor = step(cursor, Page(rows, works, [""] * rows, [False] * rows), Shape(ROWS)).next
        if first >= works:
            break
    assert found == sum(shown)
    assert asked <= max(1, -(-works // ROWS))


def test_an_empty_page_is_the_end_only_where_it_can_be() -> None:
    """Total 0 on a first page may be true; where the site told of works before, it cannot."""
    shape = Shape(60, 1000, dated=True, mixed=True)
    empty = Page(0, 0, [], [])
    assert throttled(Cursor("", "2020-01-01"), empty, shape) == "maybe"
    assert throttled(Cursor("", "2020-01-01", page=2, total=70, seen=60), empty, shape) == "surely"
    assert throttled(Cursor("", "2020-01-01", page=2, total=60, seen=60), Page(0, 60, [], []), shape) == "no"
    assert throttled(Cursor("", "2020-01-01", page=2, total=90, seen=60), Page(0, 90, [], []), shape) == "surely"


def test_a_work_vanishes_before_a_seam() -> None:
    """Found by a seed: one row fewer than was counted must not end the next window one row early."""
    changes = {3: "new", 4: "gone", 8: "gone"}
    works = made([1, 11, 10, 10])
    stays = {id for _, id in works}

    def change(site: MadeSite) -> None:
        match changes.get(site.asked):
            case "gone":
                stays.discard(site.works.pop(13)[1])
            case "new":
                site.works.insert(0, (BEGIN.isoformat(), 20_003))
            case _:
                pass

    site = MadeSite(list(works), 5, ads=True, change=change)
    order, _ = read(site, Shape(ROWS, 5, dated=True, mixed=True), until=BEGIN.isoformat())
    assert not stays - set(order)
