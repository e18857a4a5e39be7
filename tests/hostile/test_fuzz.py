"""Every case that a fuzzer ever found, and a short round of new ones; `scripts/fuzz --seconds N` goes on for longer."""

import fuzz
import pytest
from targets import TARGETS

FOUND = [(name, case) for name in TARGETS for case, _ in fuzz.cases(name)]


@pytest.mark.parametrize(("name", "case"), FOUND, ids=[case for _, case in FOUND])
def test_what_was_found_stays_mended(name: str, case: str) -> None:
    """A case that once broke a law breaks none."""
    TARGETS[name][0]((fuzz.CORPUS / case).read_bytes())


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_short_round(name: str) -> None:
    """Seeds hold, and so do inputs made of them."""
    target, seeds = TARGETS[name]
    for seed in seeds:
        target(seed)
    assert fuzz.round_of(name, 5 if name in fuzz.SLOW else 60) is None


def test_a_broken_law_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a target that cannot stand one character is given an input that has it."""

    def breaks(data: bytes) -> None:
        assert b"\x9b" not in data

    monkeypatch.setitem(TARGETS, "words", (breaks, [b"\x9b2J and more"]))
    assert b"\x9b" in (fuzz.round_of("words", 300, 1) or b"")
