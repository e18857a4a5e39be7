"""Windows of a list, step by step: what one page means for the next one, by numbers that can be counted on fingers."""

from dataclasses import replace

import pytest

from crawler.rules.windows import BACKS_MAX, FIRST_DAY, Cursor, Page, Shape, Short, Step, cursor_of, step, throttled

DATED = Shape(6, 5, dated=True, mixed=True)
PLACES = Shape(6)
D1, D2, D3 = "2019-05-01", "2019-05-02", "2019-05-03"


def page(total: int, *rows: tuple[str, bool], items: int = -1) -> Page:
    """A page of works, each with its day and whether it is known."""
    return Page(len(rows) if items < 0 else items, total, [day for day, _ in rows], [known for _, known in rows])


def news(total: int, day: str = D3, count: int = 6) -> Page:
    return page(total, *[(day, False)] * count)


def test_what_a_log_line_leaves_out_has_this_value_for_ever() -> None:
    """A cursor says what differs from its defaults, so that old logs depend on them; other keys are passed over."""
    plain = Cursor("", "", 1, "newest", 0, -1, "", 0, 0, 0, "", 0, False, 0, False)
    assert Cursor() == plain == cursor_of({"of_a_later_version": 1})
    assert Cursor().said() == {}
    assert Cursor(page=3, sure=True).said() == {"page": 3, "sure": True}
    assert Shape(60) == Shape(60, 0, dated=False, mixed=False)


@pytest.mark.parametrize(
    ("cursor", "answer"),
    [
        (Cursor(total=1), "surely"),
        (Cursor(total=0), "maybe"),
        (Cursor(), "maybe"),
        (Cursor(seam=1), "surely"),
        (Cursor(sure=True), "surely"),
    ],
)
def test_no_rows_of_none_are_believed_where_none_were_promised(cursor: Cursor, answer: str) -> None:
    """Total 0 contradicts works that were told of, a seam's row, and a window that was opened because of its works."""
    assert throttled(cursor, page(0), DATED) == answer
    assert throttled(cursor, page(1, (D1, False)), DATED) == "no"


def test_no_rows_of_many_are_the_end_only_behind_them() -> None:
    """A total says where the end is, by places and by works that were seen."""
    for at, seen, total, answer in ((2, 6, 7, "surely"), (2, 6, 6, "no"), (2, 10, 10, "no"), (2, 9, 10, "surely")):
        assert throttled(Cursor(page=at, seen=seen, total=total), page(total), DATED) == answer


def test_a_seam_that_moved_has_the_window_read_again() -> None:
    """Not one row of the earlier window where one must be: from page 1, and known rows are no wonder for a while."""
    seam = Cursor(D1, D3, page=33, seen=50, seam=1, day=D2, of_day=4, backs=2)
    for at, again_to in ((33, 36), (32, 35), (31, 33)):
        assert step(replace(seam, page=at), news(500), DATED) == Step(Cursor(D1, D3, again_to=again_to, sure=True))
    found = step(seam, page(500, (D2, True), *[(D2, False)] * 5), replace(DATED, cap=100)).next
    assert found is not None
    assert (found.page, found.seam) == (34, 0)
    assert step(seam, page(40), replace(DATED, cap=100)) == Step(None)  # no rows at all are the end
    second = step(replace(seam, seam=2), news(500), replace(DATED, cap=100)).next
    assert second is not None
    assert second.page == 34


def test_rows_of_an_earlier_window_are_not_counted_twice() -> None:
    """At a seam the known rows are in `seen` already: new ones are added, no more than places there are."""
    wide = replace(DATED, cap=100)
    seam = Cursor("", D3, page=3, seen=14, total=60, seam=1, day=D3, of_day=14, loose=True)
    after = step(seam, page(60, (D3, True), (D3, True), (D3, False), (D2, False), (D2, False), (D2, False)), wide)
    assert after == Step(replace(seam, page=4, seen=18, seam=0, day=D2, of_day=3))
    past = step(replace(seam, seen=17), page(60, (D3, True), *[(D3, False)] * 5), wide).next
    assert past is not None
    assert past.seen == 18
    few = step(replace(seam, page=2, seen=8), page(60, (D3, True)), wide).next
    assert few is not None
    assert few.seen == 8
    nothing_new = step(seam, page(60, *[(D3, True)] * 6), wide)
    assert nothing_new == Step(replace(seam, page=4, seam=2))
    still = step(replace(seam, seam=2), page(60, *[(D3, True)] * 6), wide).next
    assert still is not None
    assert still.seam == 2
    plain = step(replace(seam, seam=0), page(60, *[(D3, True)] * 5, (D3, False)), wide).next
    assert plain is not None
    assert plain.seen == 20


def test_where_rows_are_left_out_places_count() -> None:
    """Page 2 of a list of six places a page ends at place 12, however few rows it shows."""
    at = Cursor(page=2, seen=6, total=30)
    assert step(at, page(30, ("", False)), PLACES) == Step(replace(at, page=3, seen=12, of_day=1))
    assert step(replace(at, seen=20), page(30, ("", False)), PLACES).next == replace(at, page=3, seen=21, of_day=1)


@pytest.mark.parametrize(
    ("now", "lost", "back", "seen"), [(5, 7, 3, 12), (5, 6, 4, 18), (5, 1, 4, 18), (3, 90, 1, 0), (2, 1, 1, 0)]
)
def test_what_vanished_is_gone_back_for(now: int, lost: int, back: int, seen: int) -> None:
    """As many pages as hold the rows that the total lost, at least one and never before the first."""
    shape = replace(DATED, cap=100)
    at = Cursor("", D3, page=now, seen=6 * (now - 1), total=100, day=D3, of_day=9, backs=3)
    there = step(at, news(100 - lost), shape).next
    assert there == replace(at, page=back, seen=seen, total=100 - lost, of_day=15, again_to=now, backs=4)
    assert step(replace(at, again_to=50), news(100 - lost), shape).next == replace(there, again_to=50)


def test_what_is_seen_is_never_less_than_nothing() -> None:
    """Rows without a work take places: six of eighteen were none."""
    at = Cursor("", D3, page=3, seen=6, total=100)
    there = step(at, news(10), replace(DATED, cap=100)).next
    assert there is not None
    assert (there.page, there.seen) == (1, 0)


def test_going_back_has_an_end_and_a_beginning() -> None:
    """Not from the first page, not when nothing is lost, and not for ever."""
    shape = replace(DATED, cap=100)
    at = Cursor("", D3, page=3, seen=12, total=100)
    for cursor, total in (
        (replace(at, page=1, seen=0), 90),
        (at, 100),
        (at, 101),
        (replace(at, backs=BACKS_MAX), 90),
        (replace(at, total=-1), 100),
    ):
        there = step(cursor, news(total), shape).next
        assert there is not None
        assert (there.page, there.backs) == (cursor.page + 1, cursor.backs)
    last = step(replace(at, backs=BACKS_MAX - 1), news(99), shape).next
    assert last is not None
    assert last.backs == BACKS_MAX == 200


def test_a_full_page_without_news_is_the_site_s_own_cap() -> None:
    """It repeats its last page: the next window, unless pages are read again, rows are few, or it is the first page."""
    wide = replace(DATED, cap=100)
    at = Cursor("", D3, page=4, seen=18, total=100, day=D2, of_day=5)
    same = page(100, *[(D2, True)] * 6)
    capped = step(at, same, wide).next
    assert capped == Cursor("", D2, 1, seen=5, day=D2, of_day=5, seam=1, sure=True, loose=True)
    on = replace(at, page=5, seen=24)
    assert step(replace(at, again_to=4), same, wide).next == replace(on, again_to=4)
    assert step(replace(at, again_to=3), same, wide).next == capped
    assert step(at, page(100, *[(D2, True)] * 5, (D2, False)), wide).next == replace(on, of_day=6)
    assert step(at, page(100, *[(D2, True)] * 5), wide).next == replace(on, seen=23)
    first = step(replace(at, page=1), same, wide).next
    assert first is not None
    assert first.page == 2
    second = step(replace(at, page=2), same, wide).next
    assert second == capped
    assert step(at, same, replace(wide, dated=False)).next == on  # no windows: the next page, whatever it brings
    assert step(at, same, replace(wide, cap=0)).next == on
    seam = step(replace(at, seam=2), same, wide).next
    assert seam is not None
    assert seam.page == 5


def test_a_list_ends_where_its_total_does() -> None:
    """With nothing on a page, or all seen; after a seam, where `seen` may be off, with a short page only."""
    at = Cursor("", D3, page=3, seen=12, total=18)
    for shape in (DATED, PLACES):
        assert step(at, page(18), shape) == step(replace(at, total=30), page(30), shape) == Step(None)
        assert step(at, news(18), shape) == Step(None)
        assert step(at, news(19), shape).next is not None
    assert step(replace(at, loose=True), news(18), DATED).next == replace(
        at, loose=True, page=4, seen=18, total=18, day=D3, of_day=6
    )
    assert step(replace(at, loose=True), news(18), PLACES) == Step(None)
    assert step(replace(at, loose=True), news(19), PLACES).next is not None
    five = page(18, *[(D3, False)] * 5)
    assert step(at, five, DATED) == Step(None)
    assert step(replace(at, loose=True), five, DATED) == Step(None)
    assert step(at, page(19, *[(D3, False)] * 5), DATED).next is not None


def test_days_are_counted_over_new_rows() -> None:
    """`of_day` of the rows so far have the day of the last new one; a row that tells none has the day before it."""
    at = Cursor(page=1, day=D3, of_day=2)
    rows = ((D3, False), ("", False), (D2, True), (D2, False), ("", False), ("", True))
    assert step(at, page(60, *rows), DATED).next == replace(at, page=2, seen=6, total=60, day=D2, of_day=2)


def test_the_next_window_begins_at_the_page_of_its_last_row() -> None:
    """Up to the newest day of the capped page, from the page that holds the last row read of it; `seen` says how many
    are behind."""
    at = Cursor(D1, "2019-06-01", page=5, seen=24, total=90, day=D3, of_day=8)
    mixed = page(90, (D3, False), (D3, True), (D2, False), ("", False), (D2, False), (D2, False))
    went_on = step(at, mixed, DATED).next
    assert went_on == Cursor(D1, D3, 3, seen=13, day=D2, of_day=4, seam=1, sure=True, loose=True)
    of_one_day = step(replace(at, day="2019-05-09", of_day=30), news(90, D2, 6), DATED).next
    assert of_one_day == Cursor(D1, D2, 1, seen=6, day=D2, of_day=6, seam=1, sure=True, loose=True)
    far = step(replace(at, of_day=100), news(190, D3), DATED).next
    assert far is not None
    assert (far.page, far.seen) == (5, 106)
    # The newest day is the window's last: on from the page's last day, which is earlier.
    until = step(replace(at, until=D3), page(90, (D3, False), ("", False), (D2, False)), DATED).next
    assert until == Cursor(D1, D2, 1, seen=1, day=D2, of_day=1, seam=1, sure=True, loose=True)
    first_day = step(replace(at, since=D2, day="", of_day=7), news(90, D2), DATED).next
    assert first_day == Cursor(D2, D2, 1, seen=6, day=D2, of_day=6, seam=1, sure=True, loose=True)
    none_dated = step(replace(at, of_day=3), page(90, ("", True), ("", True)), DATED).next
    assert none_dated == Cursor(D1, D3, 1, seen=3, day=D3, of_day=3, seam=1, sure=True, loose=True)
    unread = step(replace(at, day="", of_day=0), page(90, (D2, True)), DATED).next
    assert unread == Cursor(D1, D2, 1, seen=0, sure=True)


def test_the_cap_is_met_at_its_page_and_not_before() -> None:
    """Page 4 of 5 is followed by page 5; without dates, or without a cap, there is no next window."""
    at = Cursor("", "2019-06-01", page=4, seen=18, total=90)
    on = step(at, news(90), DATED).next
    assert on is not None
    assert (on.page, on.until) == (5, "2019-06-01")
    assert step(replace(at, page=5, seen=24), news(90), replace(DATED, dated=False)).next == replace(
        at, page=6, seen=30, day=D3, of_day=6
    )
    assert step(replace(at, page=5, seen=24), news(90), replace(DATED, cap=0)).next == replace(
        at, page=6, seen=30, day=D3, of_day=6
    )


def test_a_day_that_fills_the_cap_is_read_from_its_other_end() -> None:
    """The oldest works first; how many the window holds is kept, to know whether something lies before that day."""
    at = Cursor(D1, D3, page=5, seen=24, total=90, day=D3, of_day=24)
    assert step(at, news(90), DATED).next == Cursor(D3, D3, 1, "oldest", 30, outer=D1, older=90, sure=True)
    alone = step(replace(at, since=D3), news(90), DATED).next
    assert alone == Cursor(D3, D3, 1, "oldest", 30, outer=D3, older=0, sure=True)
    # Days before the window's first (odd rows) are none to go on from.
    odd = step(replace(at, since=D2), page(90, (D1, False)), DATED).next
    assert odd is not None
    assert (odd.order, odd.since, odd.until) == ("oldest", D3, D3)


OTHER = Cursor(D3, D3, 2, "oldest", 36, 90, outer=D1, older=20, sure=True)


def test_the_other_end_is_read_until_it_meets_what_is_known() -> None:
    """Page by page; then the day before, and what neither end reached is told."""
    assert step(OTHER, news(90), DATED) == Step(replace(OTHER, page=3, seen=42))
    met = step(OTHER, page(90, (D3, False), (D3, True)), DATED)
    assert met == Step(Cursor(D1, D2, sure=True))
    all_seen = step(replace(OTHER, seen=84), news(90), DATED)
    assert all_seen == Step(Cursor(D1, D2, sure=True))
    capped = step(replace(OTHER, page=5), news(90), DATED)
    assert capped == Step(Cursor(D1, D2, sure=True), Short(D3, 90, 42))
    fourth = step(replace(OTHER, page=4), news(90), DATED)
    assert fourth.next == replace(OTHER, page=5, seen=42)
    nothing = step(OTHER, page(90), DATED)
    assert nothing.short == Short(D3, 90, 36)


def test_behind_the_other_end_comes_the_day_before_if_there_is_any() -> None:
    """`older` works of the window less those of the day; none, and the list is read; nothing lies before the site."""
    first = replace(OTHER, page=1, total=-1, older=95)
    assert step(first, news(90), DATED).next == replace(first, page=2, seen=42, total=90, older=5)
    assert step(replace(first, older=90), page(90, (D3, True)), DATED) == Step(None)
    assert step(replace(first, older=80), page(90, (D3, True)), DATED) == Step(None)
    assert step(replace(first, older=91), page(90, (D3, True)), DATED) == Step(Cursor(D1, D2, sure=True))
    assert step(replace(OTHER, older=1), page(90, (D3, True)), DATED) == Step(Cursor(D1, D2, sure=True))
    assert step(replace(OTHER, total=0, older=20), page(90, (D3, True)), DATED).next is not None
    assert step(replace(OTHER, outer=D2), page(90, (D3, True)), DATED).next == Cursor(D2, D2, sure=True)
    assert step(replace(OTHER, outer=D3), page(90, (D3, True)), DATED) == Step(None)
    day_one = replace(OTHER, since="", until=FIRST_DAY, outer="")
    assert step(day_one, page(90, (FIRST_DAY, True)), DATED) == Step(None)
    assert step(replace(day_one, until="2007-09-11"), page(90, ("2007-09-11", True)), DATED).next == Cursor(
        "", "2007-09-10", sure=True
    )
