"""One host's budget of any 24 hours, as the driver of a cluster keeps it: what it allows is in the log beforehand.

As in `fetch.daily`, what the log says was spent is never less than what was: an allowance is for five minutes, and is
written down as if it were spent. What comes back is taken off once the five minutes are over, or all are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from crawler.cluster.protocol import FREE, Allowance, Lent
from crawler.events import Spent
from crawler.fetch.daily import AHEAD, Daily, spent_line
from crawler.fetch.exchange import Day
from crawler.rules.budget import STEP_S, STEPS, Budget, Ledger, Step, step_of

Pair = tuple[int, int]
"""Requests and bytes."""
_NONE: Pair = (0, 0)


class Lender:
    """`began`: what the budget told of this host before anything was allowed here: that is in the log already, of
    whoever allowed it. `now`: UTC seconds."""

    def __init__(self, host: str, daily: Daily, now: Callable[[], float], began: Iterable[Lent] = ()) -> None:
        own = daily.own.get(host, ())
        self.host = host
        self._now = now
        self._ledger = Ledger(daily.budget, (*own, *daily.others.get(host, ())))
        self._before = {step.start: (step.requests, step.bytes) for step in own}
        self._noted = dict(self._before)
        self._base = {lent.step: (lent.requests, lent.bytes) for lent in began}
        self._lent = dict(self._base)
        self._allowed: dict[float, Pair] = {}
        self._ceiling: dict[float, Pair] = {}  # allowed before it was revoked, until the budget has heard that
        self._sent = self._moved = self._dirty = False
        self._lost: dict[float, Pair] = {}  # allowed to budgets that died, or spent without a limit
        self._counted: dict[float, Pair] = {}  # of all that, what the ledger has
        self._told: float | None = None
        self._heard_at = 0.0
        self._fresh: frozenset[float] = frozenset()
        self._wish = Lent(host, 0.0, 0, 0)
        self._mean = self._first_mean()

    @property
    def budget(self) -> Budget:
        """What it is held to."""
        return self._ledger.budget

    @property
    def wanted(self) -> int:
        """How many requests workers want."""
        return self._wish.wants

    @property
    def eager(self) -> bool:
        """Whether somebody spends, or would if he could, and there is something left."""
        return self._moved or (self._wish.wants > 0 and self._told is None)

    @property
    def held(self) -> bool:
        """Whether something may come back."""
        return self._wish.held

    # -- what was spent ------------------------------------------------------------------------------

    def hear(self, lents: Sequence[Lent], asked: float) -> None:
        """What the budget says, who was asked then; the last one says what is wanted."""
        self._heard_at, self._fresh = asked, frozenset(lent.step for lent in lents)
        if self._sent:
            self._ceiling = {}
        self._moved = False
        for lent in lents:
            self._wish = lent
            self._moved = self._moved or self._lent.get(lent.step, _NONE) != (lent.requests, lent.bytes)
            if lent.step:
                self._lent[lent.step] = (lent.requests, lent.bytes)
                self._count(lent.step)
        requests, size = self._ledger.spent(self._now())
        if self._wish.typical >= 0:
            self._mean = self._wish.typical
        elif requests and not self._wish.held:
            self._mean = size // requests

    def bury(self) -> None:
        """That budget is dead: all that it was allowed may have been spent."""
        for step in {*self._allowed, *self._lent}:
            base, most = self._base.get(step, _NONE), self._may(step)
            self.lose(step, max(0, most[0] - base[0]), max(0, most[1] - base[1]))
        self._base, self._lent, self._allowed, self._ceiling = {}, {}, {}, {}
        for step in list(self._counted):
            self._count(step)
        self._wish = Lent(self.host, 0.0, 0, 0)

    def lose(self, step: float, requests: int, size: int) -> None:
        """So much was spent beside what is lent."""
        before = self._lost.get(step, _NONE)
        self._lost[step] = (before[0] + requests, before[1] + size)
        self._dirty = True
        self._count(step)

    def day(self) -> Day:
        """What was spent in the last 24 h, and when it may be asked again."""
        now, budget = self._now(), self.budget
        asked, size = self._ledger.spent(now)
        return Day(asked, budget.requests, size, budget.bytes, self._ready(now) - now)

    @property
    def idle(self) -> bool:
        """Nothing is allowed, and nothing of the last 24 h is to be remembered."""
        return not self._allowed and not self._ledger.entries(self._now())

    # -- what may be ---------------------------------------------------------------------------------

    def cover(self) -> list[Spent]:
        """Allow what is wanted, as far as the budget goes: the lines that must be in the log before `allowance`."""
        now, wish, budget = self._now(), self._wish, self.budget
        step = step_of(now)
        wants = wish.wants if self._ready(now) <= now else 0
        owes = wish.owes if budget.bytes else 0
        lent, spent = self._lent.get(step, _NONE), self._ledger.spent(now)
        may = self._allowed.get(step, lent)
        free = (may[0] - lent[0], may[1] - lent[1])
        requests, size = free
        if wants and budget.requests:
            requests = _more(free[0], wants, budget.requests, spent[0], 1)
        if wants and budget.bytes:
            each = max(0, self._mean)
            size = _more(max(0, free[1] - owes), max(1, wants * each), budget.bytes, spent[1] + owes, each)
        size = max(free[1], size + owes if wants else owes)
        fresh = step not in self._allowed and (wants or owes)
        if requests <= free[0] and size <= free[1] and not fresh:
            return list(self._lines()) if self._dirty else []
        self._told = None if wants else self._told
        self._allowed[step] = (
            lent[0] + requests if budget.requests else FREE,
            lent[1] + size if budget.bytes else FREE,
        )
        return list(self._lines())

    def allowance(self, ends: Callable[[float], float]) -> Allowance | None:
        """What the budget is told; `ends`: when UTC seconds come, on its clock."""
        step, self._sent = step_of(self._now()), True
        for old in [start for start in self._allowed if self._is_over(start)]:
            if old not in self._fresh:
                self._lent[old] = self._may(old)  # nobody knows any more
                self._count(old)
            del self._allowed[old]
        allowed = self._allowed.get(step)
        return None if allowed is None else Allowance(self.host, step, *allowed, ends(step + STEP_S), self._mean)

    def spent(self) -> tuple[Day, float, list[Spent]] | None:
        """Where the budget is spent, nothing may come back and somebody waits: the day, until when, and lines that say
        so. Once for each time."""
        now = self._now()
        until = self._ready(now)
        if until <= now or not self._wish.wants or self._wish.held or until == self._told:
            return None
        self._told = until
        start, lines = step_of(now), list(self._lines())
        noted = Step(start, *self._noted.get(start, _NONE))
        return self.day(), until, [*lines, spent_line(self.host, self.budget, noted, until)]

    def configure(self, budget: Budget) -> list[Spent]:
        """Another budget from now on; what was spent counts, and nothing is allowed beyond what is lent."""
        if budget == self.budget:
            return []
        self._ledger.budget = budget
        self._told = None
        self.revoke()
        start = step_of(self._now())
        lines = list(self._lines())
        return [*lines, spent_line(self.host, budget, Step(start, *self._noted.get(start, _NONE)))]

    def revoke(self) -> None:
        """Nothing more may be lent; the log says less once the budget has heard that."""
        for step in self._allowed:
            self._ceiling[step], self._sent = self._may(step), False
            lent = self._lent.get(step, _NONE)
            self._allowed[step] = (lent[0] if self.budget.requests else FREE, lent[1] if self.budget.bytes else FREE)

    def settle(self) -> list[Spent]:
        """Nothing is allowed any more, and the budget has heard it: the truth as it is known."""
        self._allowed = {}
        return list(self._lines(final=True))

    # -- inside --------------------------------------------------------------------------------------

    def _ready(self, now: float) -> float:
        return self._ledger.ready(now, 1, max(0, self._mean) if self.budget.bytes else 0)

    def _is_over(self, step: float) -> bool:
        """Whether what was heard last is from after these five minutes."""
        return self._heard_at >= step + STEP_S

    def _may(self, step: float) -> Pair:
        """What may have been spent, in the budget's own count."""
        lent = self._lent.get(step, _NONE)
        allowed, ceiling = self._allowed.get(step, lent), self._ceiling.get(step, lent)
        requests = lent[0] if allowed[0] >= FREE else max(allowed[0], ceiling[0], lent[0])
        return requests, lent[1] if allowed[1] >= FREE else max(allowed[1], ceiling[1], lent[1])

    def _first_mean(self) -> int:
        asked, size = self._ledger.spent(self._now())
        return size // asked if asked else -1

    def _mine(self, step: float) -> Pair:
        """What was spent here, as far as is known: never less than the truth."""
        lent, base, lost = (which.get(step, _NONE) for which in (self._lent, self._base, self._lost))
        return max(0, lent[0] - base[0]) + lost[0], max(0, lent[1] - base[1]) + lost[1]

    def _count(self, step: float) -> None:
        """Have the ledger say so, too."""
        before, now = self._counted.get(step, _NONE), self._mine(step)
        self._counted[step] = now
        self._ledger.add(step, now[0] - before[0], now[1] - before[1])
        for book in (self._counted, self._lent, self._base, self._lost, self._noted, self._before):
            for old in sorted(book)[: max(0, len(book) - STEPS)]:
                del book[old]

    def _most(self, step: float) -> Pair:
        """With what is allowed and not lent yet."""
        before, mine = self._before.get(step, _NONE), self._mine(step)
        may, lent = self._may(step), self._lent.get(step, _NONE)
        return before[0] + mine[0] + may[0] - lent[0], before[1] + mine[1] + may[1] - lent[1]

    def _lines(self, *, final: bool = False) -> Iterator[Spent]:
        """What the log does not say yet; of five minutes that are not over it is never told less than before."""
        self._dirty = False
        for start in sorted({*self._noted, *self._counted, *self._allowed}):
            requests, size = self._most(start)
            before = self._noted.get(start, _NONE)
            if not final and not self._is_over(start):
                requests, size = max(requests, before[0]), max(size, before[1])
            if before != (requests, size):
                self._noted[start] = (requests, size)
                yield spent_line(self.host, self.budget, Step(start, requests, size))


def _more(free: int, wanted: int, budget: int, spent: int, least: int) -> int:
    """How much is to be free for what is wanted: a hundredth of the budget, or all of it, as far as it goes."""
    if free >= wanted:
        return free
    return max(free, least, min(budget - spent, max(wanted, budget // AHEAD)))
