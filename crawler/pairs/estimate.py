"""How often judgements, or a list, are wrong: estimates from samples, with exact intervals. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log, log1p, sqrt

from crawler.pairs.judgements import Judged, Judgements, Pair

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share: `wrong` of `sample`; `unsure` are left out of `rate`, and taken both ways in `low` to `high` (95 %)."""

    sample: int
    wrong: int
    unsure: int
    rate: float
    low: float
    high: float


def own_errors(judgements: Judgements) -> Estimate:
    """How often one judgement is wrong, from pairs that were asked for twice.

    Two answers that err independently, each with chance e, differ with chance d = 2e(1 - e), so e is
    (1 - sqrt(1 - 2d)) / 2. What a person gets wrong both times this cannot see.
    """
    found = _share(judgements.twice(), lambda a, b: a.verdict != b.verdict)
    rate, low, high = (_each(d) for d in (found.rate, found.low, found.high))
    return Estimate(found.sample, found.wrong, found.unsure, rate, low, high)


def list_errors(shuffled: Sequence[Pair], judgements: Judgements) -> Estimate:
    """How much of a list is no pair: from its random order, as far as everything was judged.

    However the rest was chosen (by doubt, say), the beginning of a random order is a random sample of the list.
    """
    sample: list[Judged] = []
    for pair in shuffled:
        said = judgements.last(pair)
        if said is None:
            break
        sample.append(said)
    return _share(((said, said) for said in sample), lambda said, _: said.verdict == "no")


def _share(twos: Iterable[tuple[Judged, Judged]], wrong: Callable[[Judged, Judged], bool]) -> Estimate:
    sample = wrongs = unsure = 0
    for first, second in twos:
        sample += 1
        if "unsure" in (first.verdict, second.verdict):
            unsure += 1
        else:
            wrongs += wrong(first, second)
    sure = sample - unsure
    low, high = interval(wrongs, sample)[0], interval(wrongs + unsure, sample)[1]
    return Estimate(sample, wrongs, unsure, wrongs / sure if sure else 0.0, low, high)


def _each(differ: float) -> float:
    return (1 - sqrt(max(0.0, 1 - 2 * differ))) / 2


@lru_cache(maxsize=256)
def interval(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval for a share (Clopper and Pearson, Biometrika 26 (1934) 404-413): it holds the true share at
    least that often, also where hits are few. (0, 1) for nothing at all.
    """
    if of == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else 1 - _upper(of - hits, of, tail)
    return low, 1.0 if hits == of else _upper(hits, of, tail)


def _upper(hits: int, of: int, tail: float) -> float:
    """The share at which so few hits, or fewer, come up with chance `tail` only."""
    low, high = hits / of, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(hits, of, middle) > tail else (low, middle)
    return high


def at_most(hits: int, of: int, share: float) -> float:
    """The chance of at most `hits` of `of` (binomial)."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(hits >= of)
    yes, no = log(share), log1p(-share)
    whole = lgamma(of + 1)
    total = 0.0
    for n in range(hits, -1, -1):  # from the largest on, as `share` lies above
        term = exp(whole - lgamma(n + 1) - lgamma(of - n + 1) + n * yes + (of - n) * no)
        total += term
        if term < 1e-17 * total:
            break
    return min(1.0, total)
