"""Where a curve of throughput over concurrency stops to rise: pure."""

from __future__ import annotations

from collections.abc import Mapping

WORTH = 0.95
"""A setting is as good as the best when it gives this share of the best: the last few percent cost the host most."""


def knee(curve: Mapping[int, float]) -> int:
    """The smallest setting whose throughput is within 5 % of the best. Raises ValueError for an empty curve."""
    if not curve:
        raise ValueError("no measurement")
    best = max(curve.values())
    return min(setting for setting, rate in curve.items() if rate >= WORTH * best)


def flat(curve: Mapping[int, float]) -> bool:
    """The last two doublings brought less than 5 % each: more is not worth a look. Settings in rising order."""
    rates = [curve[setting] for setting in sorted(curve)]
    return len(rates) >= 3 and all(rates[at] * WORTH <= max(rates[:at]) for at in (-1, -2))
