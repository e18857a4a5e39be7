"""The nearest value that JSON can hold, for what a site sent and the encoder refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

DEPTH_MAX = 100
"""What lies deeper than this is replaced: orjson stops at 254 by itself."""


def storable(value: Any, depth: int = 0) -> Any:
    """The value with lone surrogates, numbers above 64 bits, other keys than text and nesting without end replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else str(value) if abs(value) < 1 << 4096 else "…"
    if depth >= DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {storable(str(k), depth): storable(v, depth + 1) for k, v in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(v, depth + 1) for v in cast("list[Any]", value)]
    return storable(str(value), depth)
