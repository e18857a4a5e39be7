"""Numbers for texts: each digest has one, and nothing that is kept depends on which."""

import random
import sys
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from crawler import model
from crawler.events import Line, Stored
from crawler.model import bit_of
from crawler.numbers import LEAST, WIDE, Numbers, clear, digest_of
from crawler.rules import frozen as freezing
from crawler.rules import listed as listing
from crawler.rules.frozen import pack, unpack
from crawler.rules.listed import listed_events, listed_ids
from crawler.rules.naming import image_path
from crawler.rules.replay import State


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """What another process would be: one that met other texts before."""

    def forget() -> None:
        numbers = Numbers()
        for text in ("others", "came", "first"):
            numbers.number(digest_of(text))
        model._bit_of.cache_clear()
        for module in (model, freezing, listing):
            monkeypatch.setattr(module, "NUMBERS", numbers)

    yield forget
    model._bit_of.cache_clear()


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1).map(clear)))
def test_a_digest_has_one_number_and_a_number_one_digest(digests: list[int]) -> None:
    """In the order in which they first came, from WIDE on, and back."""
    numbers = Numbers()
    first = list(dict.fromkeys(digests))
    assert [numbers.number(digest) for digest in digests] == [WIDE + first.index(digest) for digest in digests]
    assert list(numbers.digests(numbers.number(digest) for digest in digests)) == digests
    assert all(digest >= LEAST for digest in digests)


def test_many_are_found_again_and_cost_little() -> None:
    """Crowded parts and grown ones: 300,000 digests, some of them neighbours, at 17 bytes each at most."""
    chance = random.Random(5)
    digests = [clear(chance.getrandbits(64)) for _ in range(297_000)]
    digests += [clear((7 << 52) + n) for n in range(3_000)]  # all of one part
    numbers = Numbers()
    assert [numbers.number(digest) for digest in digests] == list(range(WIDE, WIDE + len(digests)))
    assert [numbers.number(digest) for digest in reversed(digests)] == list(range(WIDE, WIDE + len(digests)))[::-1]
    held = sys.getsizeof(numbers._digests) + sum(map(sys.getsizeof, numbers._parts))
    assert held < 17 * len(digests) + 100 * len(numbers._parts)


def test_threads_agree() -> None:
    """Two that ask for the same at once are told the same."""
    numbers, chance = Numbers(), random.Random(6)
    digests = [clear(chance.getrandbits(64)) for _ in range(20_000)]
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda _: array("Q", map(numbers.number, digests)), range(4)))
    assert all(one == told[0] for one in told)
    assert len(set(told[0])) == len(digests)


@pytest.mark.parametrize("ids", [["a", "b", "c"], [1, 2**53 - 1], ["a", 5, "b", 7], []])
def test_what_is_kept_means_the_same_elsewhere(ids: list, elsewhere: Callable[[], None]) -> None:
    """Lines of a list, and a snapshot, read by a process whose numbers are others."""
    state = State()
    for seq, id in enumerate(ids, 1):
        stored = Stored(id, 0, image_path(id, 0, "png"), 10, "00", "image/png", 1, 1, "original", "http://a.test/")
        state.apply(Line("log", seq, "2026-01-01T00:00:00.000Z", stored))
    lines = list(listed_events("d", BitMap64(map(bit_of, ids))))
    frozen = state.freeze()
    assert frozen is not None
    kept = b"".join(pack(frozen))
    here = [bit_of(id) for id in ids]
    elsewhere()
    assert [bit_of(id) != bit for id, bit in zip(ids, here, strict=True)] == [isinstance(id, str) for id in ids]
    assert BitMap64().union(*(listed_ids(line) for line in lines)) == BitMap64(map(bit_of, ids))
    assert set(unpack(kept).done) == {bit_of(id) for id in ids if isinstance(id, str)}
    assert State.thaw(unpack(kept)).totals() == state.totals()


def test_the_digests_of_older_lines_are_understood(elsewhere: Callable[[], None]) -> None:
    """They were not set apart from the numbers of works: in a line that holds one that is, all are."""
    low, high = 17, 2**60 + 1
    line = next(listed_events("d", BitMap64([low])))
    old = type(line)("d", listing._line("d", BitMap64([low, high])).ids)
    assert listed_ids(line) == BitMap64([low])
    assert listed_ids(old) == BitMap64(map(listing.NUMBERS.number, (low | WIDE, high)))
