"""Laws of words.py: nothing from the site can harm a terminal, numbers are as wide as promised."""

import unicodedata
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looks import HOSTILE

from crawler.events import Closed, Described, Gone, Listed, Opened, Spent, Stored, Throttled, Voided
from crawler.model import Image
from crawler.words import between, by_lane, clean, duration, number, per_second, plural, share, size, tell

texts = st.one_of(st.text(), st.text(st.characters()), st.sampled_from(HOSTILE))
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(texts)
def test_clean_text_is_one_harmless_line(text: str) -> None:
    """No control, format (bidi), surrogate, private or unassigned character is left, no line break; once is enough."""
    out = clean(text)
    assert not {unicodedata.category(c) for c in out} & FORBIDDEN
    assert len(out.splitlines()) <= 1
    assert clean(out) == out
    out.encode()


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_letters_of_every_script_stay(text: str) -> None:
    """What is plain text is shown as it is."""
    assert clean(text) == text


def test_what_was_hidden_is_shown() -> None:
    """Escapes say what was there."""
    assert clean("a\x1b[31m\u202eb\n\t\ud800") == "a\\x1b[31m\\u202eb\\n\\t\\ud800"
    assert clean("x\u00a0\u2003y\u3000z") == "x  y\u3000z"
    assert len(clean("e" + "\u0301" * 40)) == 4


@given(st.floats(0, 1e18))
def test_sizes_fit_in_seven_cells(n: float) -> None:
    """Three digits and a unit."""
    assert len(size(n)) <= 7


@given(st.floats(0, 1e9), st.floats(1, 1e3))
def test_ranges_are_short_and_ordered(low: float, factor: float) -> None:
    """A range of time fits in a column whatever it is."""
    assert len(between((low, low * factor))) <= 24


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (size(999), "999 B"),
        (size(999.9), "1.00 kB"),
        (size(1_234_000), "1.23 MB"),
        (size(99_960_000), "100 MB"),
        (size(441e9), "441 GB"),
        (duration(9), "9 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 05 min"),
        (duration(273_600), "3 d 04 h"),
        (between(None), "not known yet"),
        (between((0, 0)), "none"),
        (between((7300, 10_000)), "2 to 3 h"),
        (between((3000, 9000)), "50 min to 3 h"),
        (between((20, 41)), "20 to 41 s"),
        (per_second(0.6), "0.6/s"),
        (per_second(0), "no limit"),
        (share(0, 0), "0.0 %"),
        (share(2_681_179, 2_681_180), "99.9 %"),
        (share(1, 268_118), "< 0.1 %"),
        (share(5, 5), "100.0 %"),
        (number(0.04), "0.0"),
        (number(1234), "1,234"),
        (plural(1, "work"), "1 work"),
        (plural(3, "retry"), "3 retries"),
    ],
)
def test_examples(said: str, expected: str) -> None:
    """Units, rounding and plurals as people write them."""
    assert said == expected


@given(texts, texts)
def test_an_event_is_told_in_one_harmless_line(a: str, b: str) -> None:
    """Whatever strings are in an event, what is told of it is clean."""
    for event in (
        Opened(a, 1, b, {"path": a, "ids": 3}, b),
        Listed(a, b),
        Described(5, (Image(0, a),), {"illustTitle": a, "userName": b}),
        Described(5, (), {"illustTitle": 7, "userName": None}),
        Stored(a, "zip", b, 5, a, b, None, None, a, b),
        Gone(a, b, a),
        Voided(a, 3, b, a),
        Throttled(a, 0.5, b, a),
        Throttled(a, 0.0, None, ""),
        Spent(a, b, 5, 7, 9, 0, a),
        Spent(a, b, 5, 7, 0, 0),
        Closed(a, {"done": a}),
    ):
        for said in tell(event):
            assert clean(said) == said


UNTIL, LATER = "2026-01-01T12:03:20.000Z", "2026-01-01T18:03:20.000Z"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Throttled("h", 0.5, UNTIL, "rate_limited 429"), "blocked until 12:03:20, too many requests (429), then 0.5/s"),
        (Throttled("h", 0.0, UNTIL, "unavailable 503"), "blocked until 12:03:20, unavailable (503), then no limit"),
        (
            Throttled("h", 0.77, UNTIL, "rate_limited 429", limit=0.8),
            "blocked until 12:03:20, too many requests (429), then 0.77/s, limit near 0.8/s learnt",
        ),
        (Throttled("h", 0.5, "soon", "rate_limited"), "blocked until soon, too many requests, then 0.5/s"),
        (
            Throttled("h", 0.77, None, "resumed", limit=0.8, again=LATER),
            "limit near 0.8/s learnt, goes on at 0.77/s, tries more from 18:03",
        ),
        (Throttled("h", 0.3, None, "resumed"), "answers again, 0.3/s, climbing back"),
        (Throttled("h", 0.3, None, "resumed", again=LATER), "answers again, 0.3/s until 18:03"),
        (Throttled("h", 0.0, None, "resumed"), "answers again, no limit"),
        (Throttled("h", 0.6, None, "recovered"), "back at 0.6/s"),
        (Throttled("h", 0.3, None, "limit_gone"), "the limit is gone, climbing back from 0.3/s"),
        (Throttled("h", 0.3, None, "reloaded"), "limits read again, now 0.3/s"),
        (Throttled("h", 0.3, None, "connect"), "slowed to 0.3/s: connections are refused"),
        (Throttled("h", 0.3, None, "connect_timeout"), "slowed to 0.3/s: connecting takes too long"),
        (Throttled("h", 0.3, None, "idle"), "slowed to 0.3/s: replies stop midway"),
        (Throttled("h", 0.3, None, "of a later version"), "now 0.3/s, of a later version"),
        (Throttled("h", 0.3, None, ""), "now 0.3/s"),
    ],
)
def test_what_a_limiter_says(event: Throttled, said: str) -> None:
    """Every reason that the rules give reads well, what matters first: lines are cut at the end."""
    assert tell(event, UTC) == ("", f"h  {said}")


def test_the_time_left_of_lanes() -> None:
    """Both, or nothing where one of them has none left or nobody knows."""
    assert by_lane((172_800, 259_200), (18_000, 25_200)) == "API 2 to 3 d, images 5 to 7 h"
    assert by_lane((0, 0), (18_000, 25_200)) == ""
    assert by_lane(None, (18_000, 25_200)) == ""
