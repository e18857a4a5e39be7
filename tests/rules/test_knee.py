"""Where a curve of throughput stops to rise: five percent are not worth another connection."""

import pytest

from crawler.rules.knee import flat, knee


def test_the_smallest_setting_within_five_percent_of_the_best() -> None:
    """Exactly 95 % is enough, less is not; the order in which settings were measured says nothing."""
    assert knee({8: 100.0, 4: 95.0, 2: 94.9, 1: 50.0}) == 4
    assert knee({1: 50.0, 2: 95.1, 4: 95.0, 8: 100.0}) == 2
    assert knee({16: 3.0}) == 16
    with pytest.raises(ValueError, match="no measurement"):
        knee({})


@pytest.mark.parametrize(
    ("rates", "is_flat"),
    [
        ([100.0, 100.0, 100.0], True),
        ([100.0, 100.0], False),
        ([50.0, 95.0, 100.0], False),
        ([95.0, 100.0, 105.0], True),
        ([90.0, 100.0, 105.0], False),
        ([95.0, 100.0, 106.0], False),
        ([100.0, 60.0, 105.0], True),
        ([10.0, 20.0, 40.0, 41.0, 42.0], True),
        ([10.0, 20.0, 40.0, 41.0, 44.0], False),
    ],
)
def test_two_doublings_that_bring_nothing_are_enough(rates: list[float], is_flat: bool) -> None:
    """Each is held against the best before it; two measurements are too few to tell."""
    assert flat({2**n: rate for n, rate in reversed(list(enumerate(rates)))}) is is_flat
