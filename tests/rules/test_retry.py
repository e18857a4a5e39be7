"""Retries: which failures are final, how long the others wait, and what Retry-After says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Failure, Kind
from crawler.rules.rate import RETRY_AFTER_MAX_S
from crawler.rules.retry import FINAL, REFUSALS, kind_of_status, parse_retry_after, pause, permanent
from crawler.rules.settings import RetrySettings

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
few = settings(deadline=None, max_examples=200)


@few
@given(
    st.sampled_from(sorted(set(Kind) - FINAL)),
    st.integers(1, 400),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 3600),
    st.floats(0.001, 86400),
    st.none() | st.floats(0, 1e9),
)
def test_pauses_stay_within_their_bounds(
    kind: Kind, attempt: int, dice: float, base: float, cap: float, asked: float | None
) -> None:
    """Half to all of min(cap, base * 2^(n-1)); Retry-After is a minimum, an hour its most."""
    rules = RetrySettings(attempts=1000, base_s=base, cap_s=cap)
    got = pause(Failure(kind, retry_after_s=asked), attempt, rules, dice)
    assert got is not None
    longest = min(cap, base * 2.0 ** min(attempt - 1, 64))
    least = min(asked or 0, RETRY_AFTER_MAX_S)
    assert max(longest / 2, least) <= got <= max(longest, least)


def test_pauses_double_and_chance_takes_up_to_half_of_them() -> None:
    """The first is base_s at most, each next one twice that, up to cap_s, however many there were."""
    rules = RetrySettings(attempts=1000, base_s=3, cap_s=40)
    failure = Failure(Kind.RESET)
    assert [pause(failure, n, rules, 0) for n in range(1, 7)] == [1.5, 3, 6, 12, 20, 20]
    assert [pause(failure, n, rules, 0.5) for n in (1, 2, 999)] == [2.25, 4.5, 30]
    assert pause(Failure(Kind.RESET, retry_after_s=7), 1, rules, 0.9) == 7


def test_a_gateway_that_cannot_reach_its_server_says_nothing_of_an_image() -> None:
    """502 to 504 and 520 to 527 pass; their neighbours are the server's own."""
    gateways = {502, 503, 504, *range(520, 528)}
    final = {status: permanent(Failure(Kind.SERVER_ERROR, status=status)) for status in range(499, 600)}
    assert {status for status, is_final in final.items() if not is_final} == gateways


@pytest.mark.parametrize("kind", sorted(FINAL))
def test_final_failures_are_not_tried_again(kind: Kind) -> None:
    """404, a refused session, an address we may not reach: one attempt, whatever Retry-After says."""
    assert pause(Failure(kind, retry_after_s=1), 1, RetrySettings(attempts=9), 0.5) is None


def test_attempts_are_all_that_are_made() -> None:
    """With attempts = 3 there are two pauses."""
    rules = RetrySettings(attempts=3)
    assert [pause(Failure(Kind.RESET), n, rules, 0) is None for n in (1, 2, 3)] == [False, False, True]


def test_every_kind_is_decided_and_only_the_host_that_speaks_is_believed() -> None:
    """What went wrong on the way is curable for every kind; what the host said of an image is not."""
    way = {Kind.DNS, Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.TLS, Kind.PROXY, Kind.RESET, Kind.IDLE, Kind.SLOW}
    way |= {Kind.TRUNCATED, Kind.PROTOCOL, *REFUSALS, Kind.SESSION_REFUSED, Kind.CHALLENGE, Kind.BAD_REPLY}
    for kind in Kind:
        assert permanent(Failure(kind, status=500)) == (kind not in way), kind


def test_a_server_error_is_final_for_an_image_and_an_outage_for_metadata() -> None:
    """pixiv.md 3.6: an original that is answered 500 each time is broken; gateways and API outages pass."""
    assert permanent(Failure(Kind.SERVER_ERROR, status=500))
    assert not permanent(Failure(Kind.SERVER_ERROR, status=500), "api")
    assert not permanent(Failure(Kind.SERVER_ERROR, status=502))
    assert not permanent(Failure(Kind.SERVER_ERROR))
    assert permanent(Failure(Kind.NOT_FOUND, status=404), "api")
    assert permanent(Failure(Kind.ROBOTS), "api")


def test_statuses_map_to_kinds() -> None:
    """A status alone decides this much."""
    expected = {200: None, 206: None, 404: Kind.NOT_FOUND, 410: Kind.NOT_FOUND, 401: Kind.FORBIDDEN}
    expected |= {403: Kind.FORBIDDEN, 416: Kind.RANGE, 429: Kind.RATE_LIMITED, 503: Kind.UNAVAILABLE}
    expected |= {199: Kind.STATUS, 299: None, 300: Kind.STATUS, 499: Kind.STATUS}
    expected |= {500: Kind.SERVER_ERROR, 599: Kind.SERVER_ERROR, 400: Kind.STATUS, 304: Kind.STATUS}
    assert {status: kind_of_status(status) for status in expected} == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("Fri, 02 Jan 2026 03:04:14 -0000", 9),
        ("Fri, 02 Jan 2026 12:04:14 +0900", 9),
        ("999999999999", 3600),
        ("1e400", 3600),
        ("", None),
        (None, None),
    ]
    + [(bad, None) for bad in ("-5", "soon", "nan", "inf", "1 2", "٣", "0x10", "Wed", "\udcff", "1_0_")],
)
def test_seconds_are_read_and_nonsense_is_not(text: str | None, seconds: float | None) -> None:
    """Delay-seconds within an hour; negative, not-a-number and words say nothing."""
    assert parse_retry_after(text, None, NOW) == seconds


@few
@given(st.integers(-10_000, 10_000), st.integers(-86_400, 86_400))
def test_a_date_counts_from_the_clock_that_wrote_it(ahead: int, skew: int) -> None:
    """HTTP-date: relative to the reply's own Date, so a clock that is wrong by hours does no harm; never negative."""
    theirs = NOW + timedelta(seconds=skew)
    text = format_datetime(theirs + timedelta(seconds=ahead), usegmt=True)
    assert parse_retry_after(text, format_datetime(theirs, usegmt=True), NOW) == min(max(ahead, 0), RETRY_AFTER_MAX_S)


def test_a_date_without_a_clock_to_count_from() -> None:
    """Without Date our own clock is asked, and without that nothing is known."""
    text = format_datetime(NOW + timedelta(seconds=9), usegmt=True)
    assert parse_retry_after(text, None, NOW) == 9
    assert parse_retry_after(text, "yesterday") is None


@few
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_survived(value: str, date: str) -> None:
    """Whatever a server writes, the answer is None or within an hour."""
    got = parse_retry_after(value, date, NOW)
    assert got is None or 0 <= got <= RETRY_AFTER_MAX_S
