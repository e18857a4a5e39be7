"""Fuzzes: bytes made of seeds, found cases and a dictionary, shrunk by hypothesis; `scripts/fuzz` runs it for long.

What breaks a law is written to corpus/TARGET-DIGEST, in its smallest form, and tried by every run of the tests from
then on.
"""

import argparse
import copy
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "guard")]
if not hasattr(sys.modules.get("sitecustomize"), "violations"):  # the interpreter's own has run already
    sys.modules.pop("sitecustomize", None)

import sitecustomize  # noqa: E402 - found beside the tests
from targets import TARGETS  # noqa: E402 - the same

SLOW = ("wire",)
"""Targets that open connections."""
CORPUS = Path(__file__).parent / "corpus"
TOKENS = [
    b"\0", b"\n", b"\r\n", b"../", b"/", b"\\", b"%00", b"%2e%2e", b"//", b"@", b"[", b"{}", b"[]", b"null", b"true",
    b"-1", b"0", b"9" * 30, b"1e999", b"NaN", b'"', b"'", b"\xff", b"\xef\xbb\xbf", "\u202e".encode(), b"\xed\xa0\x80",
    b"https://", b"file:///", b"#", b"*", b"$", b"<a href=", b"&#x", b"PK\x01\x02", b"PK\x05\x06", b"[[", b"= ", b'"""',
    b'{"a":' * 300, b"[" * 2000, b'"id":[1]', b'"id":{}', b'"id":"x"', b'"page":null', b'"bytes":"x"', b'"images":{}',
]  # fmt: skip


def cases(name: str) -> list[tuple[str, bytes]]:
    """The found cases of a target, by file name."""
    return [(path.name, path.read_bytes()) for path in sorted(CORPUS.glob(f"{name}-*"))]


ODD = [
    None, True, False, 0, 1, -1, 9, 2**31, 2**63, 2**64 - 1, 1.5, -0.0, 1e308, "", "x", "9", "-1", "../../x", "/etc",
    "\0", "9" * 30, "\u202e", "https://a.test/x", [], [[]], [1, 2], {}, {"": None}, {"a": {"a": []}}, ["x"] * 50,
]  # fmt: skip


def documents(seeds: list[bytes]) -> list[Any]:
    """What of the seeds is JSON, whole or by the line."""
    found: list[Any] = []
    for piece in [*seeds, *(line for data in seeds for line in data.split(b"\n"))]:
        with suppress(ValueError):
            found.append(json.loads(piece))
    return [one for one in found if isinstance(one, dict | list)]


@st.composite
def reshaped(draw: st.DrawFn, found: list[Any]) -> bytes:
    """Documents of the right shape but for a few values that are odd, missing, or another's."""
    lines: list[bytes] = []
    for one in draw(st.lists(st.sampled_from(found), min_size=1, max_size=4)):
        whole = copy.deepcopy(one)
        for _ in range(draw(st.integers(0, 3))):
            place: Any = whole
            while True:
                keys = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not keys:
                    break
                key = draw(st.sampled_from(keys))
                if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                    place = place[key]
                    continue
                if draw(st.integers(0, 4)) == 0:
                    del place[key]
                else:
                    other = draw(st.sampled_from(list(place.values()) if isinstance(place, dict) else place))
                    place[key] = copy.deepcopy(draw(st.sampled_from(ODD) | st.just(other)))
                break
        lines.append(json.dumps(whole, separators=(",", ":")).encode())
    return b"\n".join(lines)


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds with some edits, or anything; of JSON also documents of nearly the right shape."""
    found = documents(seeds)
    return edited(seeds) | reshaped(found) if found else edited(seeds)


@st.composite
def edited(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with a few edits, or anything."""
    data = bytearray(draw(st.sampled_from(seeds) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.sampled_from([0, 0, 1, 1, 2, 4, 8, 40])))
        data[at:to] = draw(
            st.sampled_from(TOKENS) | st.binary(max_size=6) | st.sampled_from(seeds).map(lambda s: s[:80])
        )
    return bytes(data)


def round_of(name: str, examples: int, number: int | None = None) -> bytes | None:
    """Try so many inputs; the smallest that breaks a law, or None. `number` seeds the round."""
    target, seeds = TARGETS[name]
    broken: list[bytes] = []

    def check(data: bytes) -> None:
        try:
            target(data)
        except Exception:
            broken.append(data)
            raise

    test: Callable[[], None] = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )(given(inputs([*seeds, *(data for _, data in cases(name))]))(check))
    try:
        (test if number is None else seed(number)(test))()
    except Exception:
        if not broken:
            raise  # not a case: a mistake of this file
        return broken[-1]
    return None


def main() -> int:
    """`scripts/fuzz --seconds N [--target NAME]`: 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--target", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=0, help="of the first round; the next ones count on")
    asked = parser.parse_args()
    begin, number, found = time.monotonic(), asked.seed, 0
    names = [asked.target] if asked.target else sorted(TARGETS)
    spent = Counter[str]()
    while time.monotonic() < begin + asked.seconds:
        for name in names:
            since = time.process_time()
            case = round_of(name, 30 if name in SLOW else 300, number)
            spent[name] += time.process_time() - since
            if case is not None:
                found += 1
                path = CORPUS / f"{name}-{hashlib.sha256(case).hexdigest()[:12]}"
                path.write_bytes(case)
                print(f"{name}: {case[:200]!r} breaks a law (round {number}); kept as {path.name}", flush=True)
                names = [other for other in names if other != name]
        number += 1
        if not names:
            break
    print(f"{number - asked.seed} rounds of 300 inputs a target (of {', '.join(SLOW)} 30), {found} found")
    print(f"{sum(spent.values()):.0f} s of CPU in {time.monotonic() - begin:.0f} s: {dict(spent.most_common())}")
    assert not sitecustomize.violations, sitecustomize.violations
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
