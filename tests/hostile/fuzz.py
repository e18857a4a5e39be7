"""Fuzzes: bytes made of seeds, found cases and a dictionary, shrunk by hypothesis; `scripts/fuzz` runs it for long.

What breaks a law is written to corpus/TARGET-DIGEST, in its smallest form, and tried by every run of the tests from
then on.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from targets import TARGETS

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


@st.composite
def inputs(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
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
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        return broken[-1] if broken else b""
    return None


def main() -> int:
    """`scripts/fuzz --seconds N [--target NAME]`: 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--target", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=0, help="of the first round; the next ones count on")
    asked = parser.parse_args()
    end, number, found = time.monotonic() + asked.seconds, asked.seed, 0
    names = [asked.target] if asked.target else sorted(TARGETS)
    while time.monotonic() < end:
        for name in names:
            case = round_of(name, 300, number)
            if case is not None:
                found += 1
                path = CORPUS / f"{name}-{hashlib.sha256(case).hexdigest()[:12]}"
                path.write_bytes(case)
                print(f"{name}: {case[:200]!r} breaks a law (round {number}); kept as {path.name}", flush=True)
                names = [other for other in names if other != name]
        number += 1
        if not names:
            break
    print(f"{number - asked.seed} rounds of 300 inputs a target, {found} found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
