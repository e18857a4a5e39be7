"""The working rate of a host that says "slow down" without saying how much.

Pure. A refusal is one of three things, and each asks for something else:
- the first meeting with a wall: the rate is halved, then climbs to just below where it was, to meet the wall once more;
- a wall whose place is known by then (`Wall` finds one limit that explains all refusals): the rate goes just below it
  and stays there; more is asked for only after hours, twice as many each time the wall stands where it stood;
- noise: it passes at the next try, and no limit explains it. Slower would not help, so it costs next to nothing.
Being refused has a budget of its own: three times in the first hour to find out, then about once in six hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crawler.rules.wall import Limit, Wall

Mode = Literal["free", "suspect", "settled"]
"""No wall is known; one was met at some rate; its place is known."""

FLOOR = 1 / 64
"""The working rate never falls below this part of the budget."""
HOUR_S = 3600.0
PATIENCE_S = 6 * HOUR_S
PATIENCE_MAX_S = 24 * HOUR_S
_SEARCHES = 3
"""Refusals in the first hour that buy knowledge; each later one is paid for with patience."""
_CUT, _CUT_SOME, _CUT_LITTLE = 0.5, 0.85, 0.9
"""For a block, for one refusal that passed at once, and for noise."""
_BELOW, _BEYOND = 0.96, 1.25
"""Where to stay, and how far to try, as parts of a limit that is known. A try well beyond is met by a clear answer."""
_STALE = 2000
"""A host that let so many requests pass before it first refused may have changed its mind: no level is sure."""
_QUIET = 500
"""So many requests without a refusal, and noise is forgotten."""
_DOUBTS = 3
"""Refusals where there should be none, after which only a real block is believed."""
_RECOVER_S = 30.0
_SEEN = 32
_CHECK = 32


@dataclass(frozen=True, slots=True)
class Memory:
    """What a limiter knows that is worth more than one run: rates in requests/s, `room` in requests, times in seconds.

    `limit` 0: none known. `again_s`: how long until more than that is asked for. `met`: how often in a row the limit
    was met at this place. `block_s`: how long a block lasted; 0: not known. `blocked_s`: what is left of
    one; `refusing`: the last that was heard was a refusal.
    """

    rate: float
    limit: float = 0.0
    room: float = 0.0
    met: int = 0
    again_s: float = 0.0
    block_s: float = 0.0
    blocked_s: float = 0.0
    refusing: bool = False


class Learner:
    """The working rate of one host: told of each request sent, each reply that is no refusal, and each block.

    Times are seconds of a clock that never goes back. `rate` is requests/s, at most `budget`; 0 = no limit: then only
    a block that lasts makes it finite, starting from the rate that was seen.
    """

    def __init__(self, budget: float, now: float, memory: Memory | None = None) -> None:
        self.rate = budget
        self.expected = False
        """Whether the last refusal came where a wall was to be expected."""
        self._budget = budget
        self._wall = Wall(budget, now) if budget else None
        self._mode: Mode = "free"
        self._known: Limit | None = None
        self._firm = False  # some refusal lasted: there is a wall
        self._surprised = False  # the last hit came where the known wall cannot be
        self._hits = self._met = self._doubts = 0
        self._born = self._again = self._clean_at = now
        # Rates: before the last hit as allowed and as seen, before the trouble began, and what was safe after it.
        self._was = self._before = self._best = self._held = budget
        self._goal, self._climb_s = budget, _RECOVER_S
        self._sends: deque[float] = deque(maxlen=_SEEN)
        self._sent = self._replies = 0
        if memory is not None:
            self._recall(memory, now)

    @property
    def wary(self) -> bool:
        """Whether a wall is known, or one was met."""
        return self._mode != "free"

    @property
    def noisy(self) -> bool:
        """Whether this host refuses now and then whatever we do; a host without a limit is not slowed for little."""
        return self._doubts >= _DOUBTS or not self._budget

    def memory(self, now: float) -> Memory:
        """What the next run should know."""
        known = self._known if self._mode == "settled" else None
        rate, again_s = self.rate, max(0.0, self._again - now)
        return Memory(
            rate,
            known.rate if known else 0.0,
            known.room if known else 0.0,
            self._met,
            again_s if self._mode != "free" else 0.0,
        )

    # -- what happens --------------------------------------------------------------------------------

    def sent(self, at: float) -> None:
        """A request goes out `at`."""
        self._sends.append(at)
        self._sent += 1
        if self._wall is not None:
            self._wall.sent(at)

    def sent_all(self, times: Sequence[float]) -> None:
        """Requests go out then, in order."""
        self._sends.extend(times)
        self._sent += len(times)
        if self._wall is not None:
            for at in times:
                self._wall.sent(at)

    def unsent(self, after: float) -> None:
        """What was to go out later than `after` does not."""
        while self._sends and self._sends[-1] > after:
            self._sends.pop()
            self._sent -= 1
        if self._wall is not None:
            self._wall.unsent(after)

    def hit(self, sent: float, now: float) -> None:
        """The first refusal of a window. What it was is known when the block is `over`; until then it is a wall."""
        self._was = self.rate
        self._before = before = self._pace_of(sent)
        if self._wall is None:
            self._wall = Wall(4 * before, now)
        at_best = self._mode == "free" and self.rate >= 0.99 * self._goal
        self._best = before if at_best else max(before, self._best)
        stale = self._mode == "free" and self._sent > _STALE
        if self._sent > _QUIET:
            self._doubts = 0
        known = self._known if self._mode == "settled" and now < self._again else None
        self._surprised = known is not None and before < 0.99 * known.rate
        if self._surprised:
            self._doubt()
        self._sent = 0
        self._hits += 1
        self._wall.hit(sent)
        if stale:
            self._wall.doubt()
        limit = self._wall.limit()
        self.expected = limit is not None and self._wall.hits > 1 and not self._surprised
        if self.rate:
            goal = _BELOW * limit.rate if limit is not None and self.expected else _CUT * before
            self._set(min(self.rate, goal, 0.95 * before))

    def stray(self, sent: float) -> None:
        """Another refusal of a window, or of a block, that was met already."""
        if self._wall is not None:
            self._wall.refused(sent)

    def over(self, now: float, *, lasted: bool, limited: bool) -> None:
        """The host answers again. `lasted`: it refused more than that one request; `limited`: it spoke of a limit."""
        wall = self._wall
        assert wall is not None
        limit = wall.limit()
        self._clean_at = now
        self._sends.clear()
        if limit is None:
            self._doubt()
        if not lasted and (limit is None or self.noisy):
            self._shrug(wall)
            return
        self._firm = self._firm or lasted
        if self._surprised and lasted:
            # It refused what it had let pass for long: it is another limit now.
            wall.forget()
            self._suspect(now, lasted=lasted, limited=limited)
        elif limit is not None and wall.hits > 1:
            self._settle(limit, now)
        elif limit is None and self._mode == "settled" and self._known is not None and now >= self._again:
            # Asked for more than the limit that is known, and was refused somehow: it still stands.
            wall.remember(self._known)
            self._settle(self._known, now)
        else:
            if wall.hits > 1:
                wall.forget()
            self._suspect(now, lasted=lasted, limited=limited)

    def inherit(self, now: float, *, waits: bool) -> None:
        """A block that an earlier run met is over. The rate was lowered for it then."""
        self._clean_at = now
        if waits and self._mode != "settled" and self.rate:
            self._before = self.rate / _CUT
            self._suspect(now, lasted=True, limited=True)

    def slow(self, now: float, *, much: bool) -> None:
        """Connections fail: half the rate if `much`, else a little less."""
        if self.rate:
            self._set(self.rate * (_CUT if much else _CUT_LITTLE))
            if self._mode == "free":
                self._goal, self._climb_s = self._budget, _RECOVER_S
        self._clean_at = now

    def clean(self, sent: float, now: float) -> str | None:
        """A reply that is no refusal to what was `sent` then; a word when something worth telling changed."""
        if self._wall is not None:
            self._wall.passed(sent)
        since, self._clean_at = now - self._clean_at, now
        if not self.rate:
            return None
        self._replies += 1
        if self._replies % _CHECK == 0 and self._mode != "free":
            told = self._look(now)
            if told is not None:
                return told
        return self._climb(since, now)

    # -- verdicts ------------------------------------------------------------------------------------

    def _shrug(self, wall: Wall) -> None:
        """A refusal that has nothing to do with the rate."""
        wall.unhit()
        self._hits -= 1
        rate = self._was
        if not self._firm:
            wall.forget()
            rate = max(rate, self._best)
            self._free(_RECOVER_S)
        cut = _CUT_LITTLE**0.5 if self.noisy else _CUT_LITTLE
        if self._was:
            self._set(cut * rate)
            self._climb_s = 16 / self.rate / (1 - cut)

    def _suspect(self, now: float, *, lasted: bool, limited: bool) -> None:
        """There is a wall at or below this rate."""
        searching = self._hits < _SEARCHES and now - self._born < HOUR_S
        waits = lasted and limited and not searching
        rate = self._before * (_CUT if lasted else _CUT_SOME)
        if self._mode == "suspect" and self._held < self._before:
            # It went well at `held` for a while.
            rate = self._held if waits else min(max(rate, (self._held * self._before) ** 0.5), 0.9 * self._before)
        self._mode, self._known = "suspect", None
        self._goal = 0.95 * self._before
        self._climb_s = min(max(now - self._born, _RECOVER_S), 1200.0)
        self._again = now + PATIENCE_S if waits else now
        self._set(rate)
        self._held = self.rate

    def _settle(self, limit: Limit, now: float) -> None:
        """The wall is there."""
        self._mode, self._known = "settled", limit
        self._met += 1
        vague = limit.high > 1.15 * limit.low and self._hits < _SEARCHES and now - self._born < HOUR_S / 2
        patience = min(PATIENCE_S * 2.0 ** (min(self._met, 9) - 1), PATIENCE_MAX_S)
        self._again = now + (HOUR_S / 6 if vague or not self._firm else patience)
        self._goal = min(_BELOW * limit.rate, 0.95 * self._before)
        self._climb_s = _RECOVER_S
        self._set(self._goal)

    def _doubt(self) -> None:
        """A refusal where there should have been none."""
        self._doubts += 1
        if self._doubts == _DOUBTS:
            self._firm = False

    def _look(self, now: float) -> str | None:
        """Whether the wall still stands, and whether it is time to ask for more."""
        assert self._wall is not None
        limit = self._wall.limit()
        if self._wall.hits and limit is None:
            self._wall.forget()
            self._free(4 * _RECOVER_S)
            return "limit_gone"
        if self._mode == "settled" and limit is not None:
            self._known = limit
            if now >= self._again:
                self._goal = _BEYOND * limit.high
            else:
                self._goal = max(self._goal, _BELOW * limit.rate)
        elif now >= self._again and self.rate >= self._goal:
            if not self._budget:
                self._free(_RECOVER_S)
                return "recovered"
            if self._goal < self._budget:
                self._goal, self._climb_s = self._budget, 4 * self._climb_s
        return None

    def _free(self, climb_s: float) -> None:
        self._mode, self._known, self._firm, self._met = "free", None, False, 0
        self._goal, self._climb_s = self._budget, climb_s
        if not self._budget:
            self.rate = 0.0

    # -- steps ---------------------------------------------------------------------------------------

    def _climb(self, since: float, now: float) -> str | None:
        goal = self._held if self._mode == "suspect" and now < self._again else self._goal
        goal = min(goal, self._budget) if self._budget else goal
        if not self.rate or self.rate >= goal:
            return None
        # Silence earns nothing: at most two intervals count, however long ago the last reply was.
        self.rate = min(goal, self.rate + goal * min(since, 2 / self.rate) / self._climb_s)
        return "recovered" if self._budget and self.rate >= self._budget else None

    def _set(self, rate: float) -> None:
        rate = max(rate, self._budget * FLOOR)
        self.rate = min(rate, self._budget) if self._budget else rate

    def _pace_of(self, sent: float) -> float:
        """The rate at which requests really went out before `sent`, never above the working rate."""
        times = [at for at in self._sends if at <= sent]
        if len(times) < 8 or times[-1] <= times[0]:
            return self.rate or 1.0
        seen = 1.1 * (len(times) - 1) / (times[-1] - times[0])
        return min(self.rate, seen) if self.rate else seen

    def _recall(self, memory: Memory, now: float) -> None:
        self._born = float("-inf")
        self._met = memory.met
        self._again = now + min(memory.again_s, PATIENCE_MAX_S)
        if not self._budget or self._wall is None:
            return
        if memory.rate:
            self._set(memory.rate)
        if memory.limit:
            self._known = Limit(memory.limit, memory.limit, memory.room)
            self._wall.remember(self._known)
            self._mode, self._firm = "settled", True
            self._goal = min(self._budget, _BELOW * memory.limit)
            self._set(min(self.rate, self._goal))
        elif memory.again_s and self.rate < self._budget:
            self._mode, self._held = "suspect", self.rate
