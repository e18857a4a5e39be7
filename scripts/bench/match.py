"""How well the line matcher finds the right pages, and tells true pairs of works from false ones.

    python scripts/bench/match.py [--families 150] [--others 500] [--no-false] [--jobs 2]
    python scripts/bench/match.py --fit        # weights for crawler/likeness/align.py, from the stand-in alone

Beneath each row are the same true pairs by what was done to the lines (pair_trials.TRAITS).
The weights are fitted on families of seeds 3 and 4; the table is of seed 5, of the other generator
(tests/dataset/other_pairs.py), which had no part in it, and of the example pair where it is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "dataset"))

from pair_trials import TRAITS, Result, Trial, auc, example, of_other, of_stand_in, tried

from crawler.likeness.align import WEIGHTS, WEIGHTS_CLOSE, Print, align
from crawler.likeness.lines import lines_of
from crawler.likeness.pages import LIKELY

FIT_SEEDS, SHOWN_SEED, HELD_OUT = (3, 4), 5, 20_000
"""Pairs of the other generator from HELD_OUT on were not looked at while the matcher was made."""
Trials = Callable[[Iterable[int]], Iterable[Trial]]


def family_trials(numbers: Iterable[int]) -> Iterable[Trial]:
    return of_stand_in(SHOWN_SEED, numbers)


def other_trials(numbers: Iterable[int]) -> Iterable[Trial]:
    return of_other(HELD_OUT + number for number in numbers)


def other_true_trials(numbers: Iterable[int]) -> Iterable[Trial]:
    return of_other((HELD_OUT + number for number in numbers), false=False)


def results(work: tuple[Trials, list[int]]) -> list[Result]:
    trials, numbers = work
    return [tried(trial) for trial in trials(numbers)]


def run(name: str, trials: Trials, count: int, jobs: int, verbose: bool) -> None:
    """One row of the table."""
    chunks = [(trials, list(range(count)[n : n + 5])) for n in range(0, count, 5)]
    with ProcessPoolExecutor(jobs) as pool:
        found = [result for some in pool.map(results, chunks) for result in some]
    told(name, found, verbose)
    by_trait(found)


def by_trait(found: list[Result]) -> None:
    """The true pairs again, by what was done to the lines; most have several of these."""
    for trait in TRAITS:
        some = [r for r in found if r.right and trait in r.traits]
        if some:
            right, likely = sum(r.first for r in some), sum(r.score >= LIKELY for r in some)
            row = f"  {trait:<14}{len(some):>6}{100 * right / len(some):>8.1f} %"
            print(f"{row}{100 * likely / len(some):>28.1f} %", flush=True)


def told(name: str, found: list[Result], verbose: bool) -> None:
    true, false = [r for r in found if r.right], [r for r in found if not r.right]
    several = [r for r in true if len(r.pairs) > 1]
    right, likely = sum(r.first for r in true), sum(r.score >= LIKELY for r in true)
    row = f"{name:<16}{len(true):>6}{100 * right / len(true):>8.1f} %"
    row += f"{len(several):>9}{100 * sum(r.first for r in several) / max(1, len(several)):>8.1f} %"
    row += f"{100 * likely / len(true):>9.1f} %"
    if false:
        wrong = sum(r.score >= LIKELY for r in false)
        row += f"{len(false):>8}{100 * wrong / len(false):>8.1f} %"
        row += f"{auc([r.score for r in true], [r.score for r in false]):>9.4f}"
    print(row, flush=True)
    if verbose:
        for r in found:
            pair = r.pairs[0]
            if (r.right and not (r.first and r.score >= LIKELY)) or (not r.right and r.score >= LIKELY):
                print("   ", r.name, sorted(r.right), (pair.colored, pair.sketch), pair.match, file=sys.stderr)


def speed() -> None:
    """Pairs of pages a second on one core; a sketch is made ready once for all its colourings."""
    pages = [page for trial in of_stand_in(1, range(6)) for page in (*trial.colored[:1], *trial.sketch[:1])]
    began = time.process_time()
    lines = [lines_of(page) for page in pages]
    read = time.process_time() - began
    began = time.process_time()
    for a, b in pairwise(lines):
        align(Print(a), Print(b))
    met = time.process_time() - began
    print(f"lines of a page: {1000 * read / len(pages):.1f} ms; {(len(pages) - 1) / met:.0f} pairs of pages a second")


def fit() -> None:
    """Logistic regression on pages: colourings on their own lines against those on lines of others."""
    grounds: list[tuple[float, ...]] = []
    truth: list[float] = []
    for trial, colored, sketch, same in samples():
        match = align(Print(lines_of(trial.colored[colored])), Print(lines_of(trial.sketch[sketch])))
        if len(match.grounds) == len(WEIGHTS) - 1:
            grounds.append(match.grounds)
            truth.append(float(same))
    for name, columns in (("WEIGHTS_CLOSE", len(WEIGHTS_CLOSE) - 1), ("WEIGHTS", len(WEIGHTS) - 1)):
        weights = logistic(np.array(grounds)[:, :columns], np.array(truth))
        print(f"{name} = ({', '.join(f'{w:.2f}' for w in weights)})")


def samples() -> Iterator[tuple[Trial, int, int, bool]]:
    """The right pages of each true pair, all pages of each false one."""
    for seed in FIT_SEEDS:
        for trial in of_stand_in(seed, range(60)):
            if trial.right:
                yield (trial, *min(trial.right), True)
            else:
                yield from ((trial, a, b, False) for a in range(len(trial.colored)) for b in range(len(trial.sketch)))


def logistic(values: np.ndarray, truth: np.ndarray, pull: float = 1e-3) -> np.ndarray:
    """Weights (a constant first) by Newton's method; `pull` keeps them small."""
    table = np.column_stack([np.ones(len(values)), values])
    weights, pulls = np.zeros(table.shape[1]), pull * len(truth) * np.r_[0, np.ones(values.shape[1])]
    for _ in range(60):
        likely = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (likely - truth) + pulls * weights
        bend = (table * (likely * (1 - likely))[:, None]).T @ table + np.diag(pulls)
        weights -= np.linalg.solve(bend, slope)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=150)
    parser.add_argument("--others", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-false", action="store_true", help="of the other hand true pairs only: thrice as fast")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="tell what went wrong")
    args = parser.parse_args()
    if args.fit:
        fit()
        return
    print("pairs drawn by    true   right   several    right   likely   false   likely      AUC")
    if args.families:
        run("the stand-in", family_trials, args.families, args.jobs, args.verbose)
    if args.others:
        trials = other_true_trials if args.no_false else other_trials
        run("another hand", trials, args.others, args.jobs, args.verbose)
    known = example()
    if known is not None:
        told("the example", [tried(known)], args.verbose)
    speed()


if __name__ == "__main__":
    main()
