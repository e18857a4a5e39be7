"""Laws of what a log can hold of what a site sent."""

from typing import Any

import orjson
import pytest

from crawler.rules.storable import DEPTH_MAX, storable


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: ({"a": [inner]},)])
def test_nesting_ends(wrap: Any) -> None:
    """Lists and objects as deep as Python takes them become what the encoder writes, the end replaced."""
    value: Any = "x"
    for _ in range(280):
        value = wrap(value)
    written = orjson.dumps(storable(value)).decode()
    assert "…" in written
    assert max(written.count("["), written.count("{")) <= DEPTH_MAX
