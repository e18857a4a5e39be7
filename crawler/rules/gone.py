"""The reasons for which a work is gone, and which of them counts. Pure."""

from __future__ import annotations

GONE_STRENGTH = ("purged", "restricted", "filtered", "unsupported", "not_found")
"""A work gone for two reasons counts under the first of these; reasons unknown to this version come last."""
RECHECKED_REASONS = ("restricted", "filtered", "unsupported", "not_found")


def weakness(reason: str) -> tuple[int, str]:
    """Where a reason comes among others: the least counts."""
    return (GONE_STRENGTH.index(reason) if reason in GONE_STRENGTH else len(GONE_STRENGTH), reason)
