"""What workers may spend at one host of limits.daily: lent out of what the driver has written into the log. Pure.

All is counted in five minutes (`step`), and in totals: a message that comes twice, or never, changes nothing. What was
given to a worker counts as spent until the worker itself says that it was not.
"""

from __future__ import annotations

import math

from crawler.cluster.protocol import FREE, Allowance, Kept, Lent, Portion

STEPS = 3
"""So many five minutes are remembered: whoever was given something in one before these has long said what he did."""
HEARD_S = 10.0
"""Who says nothing for so long will give nothing back."""
WANTS_S = 8.0
"""Who wanted something so long ago does no more."""


class _Share:
    """What a worker was given of a step, and did with it as far as it said."""

    __slots__ = ("asked", "bytes", "came", "out", "requests")

    def __init__(self) -> None:
        self.requests = self.bytes = 0
        self.asked = self.came = self.out = 0


class _Step:
    __slots__ = ("bytes", "requests", "shares", "start", "typical", "until")

    def __init__(self, start: float) -> None:
        self.start = start
        self.requests = self.bytes = 0
        self.until = -math.inf
        self.typical = -1
        self.shares: dict[str, _Share] = {}

    def lent(self) -> tuple[int, int]:
        """Requests and bytes, never less than what was spent."""
        shares = self.shares.values()
        size = sum(share.came if self.bytes >= FREE else max(share.bytes, share.came) for share in shares)
        return sum(share.requests for share in shares), size


class _Voice:
    """What a worker said last."""

    __slots__ = ("at", "number", "owes", "wants")

    def __init__(self) -> None:
        self.number = 0
        self.at = -math.inf
        self.wants = self.owes = 0


class Pool:
    """One host. Times are the budget's; `era` names its life, for what was said to another one is void."""

    def __init__(self, era: str) -> None:
        self._era = era
        self._steps: dict[float, _Step] = {}
        self._voices: dict[str, _Voice] = {}

    def idle(self, now: float) -> bool:
        """Nobody has, or wants, anything."""
        return all(now > voice.at + HEARD_S for voice in self._voices.values()) and not any(
            step.until + HEARD_S > now for step in self._steps.values()
        )

    def allow(self, said: Allowance) -> None:
        """The driver allows so much."""
        step = self._steps.get(said.step)
        if step is None:
            if len(self._steps) >= STEPS and said.step < min(self._steps):
                return
            step = self._steps[said.step] = _Step(said.step)
            for old in sorted(self._steps)[:-STEPS]:
                del self._steps[old]
        step.requests, step.bytes, step.until, step.typical = said.requests, said.bytes, said.until, said.typical

    def serve(self, worker: str, kept: Kept, now: float) -> Portion | None:
        """A worker says what it has; what it has from now on, None if nothing."""
        voice = self._voices.setdefault(worker, _Voice())
        news = kept.number > voice.number
        if news:
            voice.number, voice.at, voice.wants, voice.owes = kept.number, now, kept.wants, kept.owes
            self._hear(worker, kept)
        step = self._current(now)
        if step is None:
            return None
        share = step.shares.get(worker)
        if share is None:
            self._sweep(now)
            share = step.shares[worker] = _Share()
        if news:
            self._cover(step, share, voice)
            self._give(step, share, voice, now)
        size = FREE if step.bytes >= FREE else share.bytes
        return Portion(self._era, step.start, share.requests, size, step.until, max(0, self._typical(step)))

    def lent(self, host: str, now: float) -> tuple[Lent, ...]:
        """For the driver: each step, the last one with what is wanted."""
        wants = sum(voice.wants for voice in self._voices.values() if now - voice.at <= WANTS_S)
        owes = sum(voice.owes for voice in self._voices.values() if now - voice.at <= WANTS_S)
        steps = sorted(self._steps.items())
        found = [Lent(host, start, *step.lent()) for start, step in steps[:-1]]
        last = steps[-1][1] if steps else _Step(0.0)
        held = any(self._held(step, now) for _, step in steps)
        found.append(Lent(host, last.start, *last.lent(), held, wants, owes, self._typical(last)))
        return tuple(found)

    # -- inside --------------------------------------------------------------------------------------

    def _current(self, now: float) -> _Step | None:
        alive = [start for start, step in self._steps.items() if step.until > now]
        return self._steps[max(alive)] if alive else None

    def _hear(self, worker: str, kept: Kept) -> None:
        step = self._steps.get(kept.step) if kept.era == self._era else None
        share = None if step is None else step.shares.get(worker)
        if share is None:
            return
        share.asked, share.came, share.out = kept.requests, kept.bytes, kept.out
        share.requests = min(share.requests, kept.most_requests)
        share.bytes = min(share.bytes, kept.most_bytes)

    def _cover(self, step: _Step, share: _Share, voice: _Voice) -> None:
        """Bytes that are on their way come first: whoever takes them in waits for leave."""
        if voice.owes and step.bytes < FREE and voice.owes <= step.bytes - step.lent()[1]:
            share.bytes += voice.owes
            voice.owes = 0

    def _give(self, step: _Step, share: _Share, voice: _Voice, now: float) -> None:
        """Requests, and for each the bytes of a typical reply."""
        asking = [one for one in self._voices.values() if one.wants and now - one.at <= WANTS_S]
        requests, size = step.lent()
        count = voice.wants
        if step.requests < FREE:
            left = max(0, step.requests - requests)
            count = min(count, math.ceil(left / max(1, len(asking))), left)
        each = 0
        if step.bytes < FREE and count:
            each = self._typical(step)
            if each < 0:  # nothing is known of its replies yet: one at a time
                count, each = int(not any(self._held(one, now) for one in self._steps.values())), 0
            left = step.bytes - size - sum(one.owes for one in self._voices.values() if now - one.at <= WANTS_S)
            count = 0 if left <= 0 else min(count, left // each) if each else count
        if count > 0:
            share.requests += count
            share.bytes += count * each
            voice.wants -= count

    def _typical(self, step: _Step) -> int:
        """What a reply brings, by the mean of what workers told; -1: not known."""
        shares = [share for one in self._steps.values() for share in one.shares.values()]
        ended = sum(share.asked - share.out for share in shares)
        if ended <= 0:
            return step.typical
        return sum(share.came for share in shares) // ended

    def _held(self, step: _Step, now: float) -> bool:
        if step.until + HEARD_S < now:
            return False
        return any(
            (share.requests > share.asked or share.bytes > share.came or share.out > 0)
            and now - self._voices[worker].at <= HEARD_S
            for worker, share in step.shares.items()
            if worker in self._voices
        )

    def _sweep(self, now: float) -> None:
        """Forget workers that are gone, but not what they were given."""
        for worker in [worker for worker, voice in self._voices.items() if now - voice.at > 1000]:
            del self._voices[worker]


class Pools:
    """Of all hosts, by name."""

    def __init__(self, era: str) -> None:
        self._era = era
        self._pools: dict[str, Pool] = {}

    def allow(self, said: Allowance) -> None:
        """See `Pool`."""
        self._pool(said.host).allow(said)

    def serve(self, host: str, worker: str, kept: Kept, now: float) -> Portion | None:
        """See `Pool`."""
        return self._pool(host).serve(worker, kept, now)

    def lent(self, now: float) -> tuple[Lent, ...]:
        """See `Pool`: of all hosts of which there is anything to say."""
        for name in [name for name, pool in self._pools.items() if pool.idle(now)]:
            del self._pools[name]
        return tuple([lent for name, pool in sorted(self._pools.items()) for lent in pool.lent(name, now)])

    def _pool(self, host: str) -> Pool:
        pool = self._pools.get(host)
        if pool is None:
            pool = self._pools[host] = Pool(self._era)
        return pool
