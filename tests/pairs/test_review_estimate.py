"""Estimates: exact intervals, and samples that tell what they claim to tell."""

from math import comb
from random import Random

import pytest

from crawler.pairs.estimate import at_most, interval, list_errors, own_errors
from crawler.pairs.judgements import Judged, Judgements, Noted, Pair


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.30850), (1, 10, 0.00253, 0.44502), (5, 10, 0.18709, 0.81291), (0, 300, 0.0, 0.01222),
     (3, 300, 0.00207, 0.02894), (10, 10, 0.69150, 1.0), (0, 0, 0.0, 1.0)],
)  # fmt: skip
def test_intervals_as_in_the_tables(hits: int, of: int, low: float, high: float) -> None:
    """The numbers that R's binom.test gives."""
    assert interval(hits, of) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize("of", [7, 40])
def test_an_interval_holds_the_truth_often_enough(of: int) -> None:
    """Whatever the true share is: with at least 95 % chance the interval has it in it."""
    for share in (0.001, 0.01, 0.05, 0.2, 0.5, 0.77, 0.99):
        held = sum(
            comb(of, hits) * share**hits * (1 - share) ** (of - hits)
            for hits in range(of + 1)
            if interval(hits, of)[0] <= share <= interval(hits, of)[1]
        )
        assert held >= 0.95


def test_tails_are_exact() -> None:
    """The sum of binomial terms, also for ten thousand judgements."""
    assert at_most(3, 20, 0.3) == pytest.approx(sum(comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(4)))
    assert at_most(10_000, 10_000, 0.4) == pytest.approx(1.0)
    assert at_most(100, 10_000, 0.01) == pytest.approx(0.5266, abs=1e-3)


def noted(said: list[Judged]) -> Judgements:
    found = Judgements()
    for seq, one in enumerate(said, 1):
        found.apply(Noted(f"{seq:09}", "log", seq, one))
    return found


def test_a_judge_who_errs_is_found_out() -> None:
    """Of who errs in 3 of 100 judgements, independently, asked twice of 3000 pairs: the interval has the 3 % in it."""
    chance = Random(5)
    pairs = [Pair(n, 9_000 + n) for n in range(3000)]

    def answer(pair: Pair, again: bool) -> Judged:
        right = chance.random() > 0.03
        return Judged(pair, "yes" if (pair.colored % 3 == 0) == right else "no", again=again)

    told = own_errors(noted([answer(pair, again) for again in (False, True) for pair in pairs]))
    assert told.sample == 3000
    assert told.low < 0.03 < told.high
    assert told.high - told.low < 0.015


def test_a_later_change_of_mind_leaves_the_sample_alone() -> None:
    """What counts is what was said before the second time, and then; unsure widens the interval both ways."""
    pair, other = Pair(1, 2), Pair(3, 4)
    told = own_errors(
        noted([Judged(pair, "yes"), Judged(pair, "no"), Judged(pair, "no", again=True), Judged(pair, "yes"),
               Judged(other, "unsure"), Judged(other, "yes", again=True)])
    )  # fmt: skip
    assert (told.sample, told.wrong, told.unsure, told.rate) == (2, 0, 1, 0.0)
    assert told.high > own_errors(noted([Judged(pair, "no"), Judged(pair, "no", again=True)])).low


def test_a_list_is_judged_by_its_random_beginning() -> None:
    """Only what was judged without a gap from the beginning of the random order is a sample."""
    shuffled = [Pair(n, n) for n in range(10)]
    said = [Judged(pair, "no" if pair.colored == 1 else "yes") for pair in (*shuffled[:4], *shuffled[6:])]
    told = list_errors(shuffled, noted(said))
    assert (told.sample, told.wrong, told.rate) == (4, 1, 0.25)
