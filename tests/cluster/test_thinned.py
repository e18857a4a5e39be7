"""Of very many times some are told."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crawler.cluster.flows import thinned


@given(st.integers(0, 5000), st.integers(2, 100))
def test_fewer_than_that_are_told_and_no_fewer_than_half(length: int, most: int) -> None:
    """In their order, at equal distances, the last ones among them; all where they are few."""
    times = [float(n) for n in range(length)]
    told = thinned(times, most)
    assert len(told) < most
    if length < most:
        assert told == times
        return
    assert len(told) >= most // 2
    stride = told[1] - told[0] if len(told) > 1 else told[0] + 1
    assert all(b - a == stride for a, b in pairwise(told))
    assert told[0] == stride - 1
    assert length - stride <= told[-1] < length
