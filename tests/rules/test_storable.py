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


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\ud800夜\U0001f600", "a\ufffd夜\U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        (None, None),
        (True, True),
        (1.5, 1.5),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (2**64, str(2**64)),
        (2**4096 - 1, str(2**4096 - 1)),
        (1 - 2**4096, str(1 - 2**4096)),
        (2**4096, "…"),
        (-(2**4096), "…"),
        ({1: 2, None: {"\ud800": "\udfff"}}, {"1": 2, "None": {"\ufffd": "\ufffd"}}),
        ((1, [2], {3}), [1, [2], [3]]),
        (frozenset({4}), [4]),
        (1j, "1j"),
        ([b"x"], ["b'x'"]),
    ],
)
def test_the_nearest_that_json_can_hold(value: Any, stored: Any) -> None:
    """What the encoder takes stays as it is; of the rest as much as can be said."""
    assert storable(value) == stored
    assert type(storable(value)) is type(stored)
    orjson.dumps(stored)


def test_a_hundred_levels_are_kept() -> None:
    """What lies deeper is one character; a text or a number at the end of them is itself."""
    value: Any = ["x", {"a": "y"}]
    for _ in range(99):
        value = [value]
    got = storable(value)
    for _ in range(99):
        (got,) = got
    assert got == ["x", "…"]
    assert storable({"k": {"l": "y"}}, DEPTH_MAX - 2) == {"k": {"l": "y"}}
    assert storable({"k": {}}, DEPTH_MAX - 1) == {"k": "…"}
    assert storable({}, DEPTH_MAX - 1) == {}
    assert DEPTH_MAX == 100
