"""Who works on which shard: leases over a round of the ledger, for any number of workers and one driver.

All that must outlive this object is in the ledger before it is said: the shard, the epoch of each lease, how attempts
ended, the commits. The rest is a cache. A worker stops by itself a ttl after it *sent* the request that last confirmed
its lease; here the lease ends a ttl and a quarter after that request was *answered*, so two never work on one shard
by leave. Should two do so all the same (a suspended process, two coordinators), the commit object lets one win.

What happens between two awaits happens at once. After each await a shard may have moved on: `Case.stage` tells.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from crawler.cluster.cases import Asked, Case
from crawler.cluster.commits import Attempt, Commit, How, Ledger, Parked, Round
from crawler.cluster.heard import Heard
from crawler.cluster.protocol import Flight, Halt, Lease, Orders, Shard, Unreachable, View
from crawler.engine.settings import LimitsSettings
from crawler.stop import StorageFailed

TTL_S = 30.0
ROOM = 4096
ATTEMPTS = 3
"""So many failed or expired attempts, and a shard is parked: it may be what kills its workers."""
_GRACE = 0.25
"""This part of a ttl later a lease ends here than it does with its holder: more than clocks differ in speed."""
_WAIT_S, _ASKED_PER_S = 0.5, 500
"""Idle workers ask this often, and all of them together no more than so many times a second."""
_ASKED_MAX = 4096
_KEPT = 64
"""So many of the shards that wait are held in memory; the others are read again when they are leased."""


class LedgerCoordinator:
    """`protocol.Coordinator` over a ledger. `now`: seconds of a clock that never goes back (the loop's).

    `room`: how many shards it takes that are not merged. Before `begin` nothing is leased, and to renew is Unreachable.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        room: int = ROOM,
        ttl_s: float = TTL_S,
        attempts: int = ATTEMPTS,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._room = room
        self._ttl_s = ttl_s
        self._attempts = attempts
        self._clock = now
        self._me = secrets.token_hex(8)
        self._round: Round | None = None
        self._rounds: set[str] = set()
        self._lock = asyncio.Lock()
        self._heard = Heard(ttl_s)
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._limits: LimitsSettings | None = None
        self._forget_all()

    # -- the driver's --------------------------------------------------------------------------------

    async def begin(self, round: str) -> None:
        """See `Coordinator`. Raises StorageFailed."""
        async with self._lock:
            if round in self._rounds:
                return  # this one, or one of which only a late message can speak
            found = Round(self._ledger.shelf, round)
            cases, spent = await self._load(found)
            self._forget_all()
            self._rounds.add(round)
            self._round, self._cases = found, cases
            self._todo.update({case.id: case for case in cases.values() if case.stage == "waiting"})
            self._leased.update({case.id: case for case in cases.values() if case.stage == "leased"})
            self._to_park = spent
            self._look_at = -math.inf

    async def resume(self) -> None:
        """Go on with the newest round there is: for a coordinator that died in its cluster's life and lives again."""
        rounds = await self._ledger.rounds()
        if rounds and self._round is None:
            await self.begin(rounds[-1].name)

    async def finish(self) -> None:
        """See `Coordinator`."""
        self._finished = True

    async def view(self, merged: Sequence[str] = (), offered: Sequence[Shard] = ()) -> View:
        """See `Coordinator`: each that is offered must have been written to the ledger."""
        for id in merged:
            case = self._cases.get(id)
            if case is not None and case.stage in ("committed", "parked"):
                del self._cases[id]
        taken = self._take_up(offered) if self._round is not None else 0
        await self._look()
        cases = self._cases.values()
        return View(
            outstanding=tuple([case.id for case in cases if case.stage not in ("committed", "parked")]),
            committed=tuple([case.id for case in cases if case.stage == "committed"]),
            parked={case.id: case.reason for case in cases if case.stage == "parked"},
            leased={case.id: (case.worker, case.epoch) for case in self._leased.values()},
            flights=self._heard.flights(self._now()),
            room=self._left,
            halt=self._halt,
            draining=self._draining,
            round=self._round.name if self._round is not None else "",
            taken=taken,
        )

    async def drain(self) -> None:
        """See `Coordinator`."""
        self._draining = True

    async def obey(self, limits: LimitsSettings) -> None:
        """See `Coordinator`."""
        self._limits = limits

    # -- the workers' --------------------------------------------------------------------------------

    async def lease(self, worker: str, ask: int) -> Orders:
        """See `Coordinator`."""
        asked = self._asked.setdefault(worker, Asked())
        self._asked.move_to_end(worker)
        if len(self._asked) > _ASKED_MAX:
            self._asked.popitem(last=False)
        async with asked.lock:
            if ask < asked.number or self._round is None:
                return self._orders()
            if ask == asked.number and asked.given is not None:
                case = self._cases.get(asked.given[0])
                again = case is not None and case.held_by(worker, asked.given[1])
                return self._orders(lease=self._confirm(case, worker) if again and case is not None else None)
            asked.number, asked.given = ask, None
            await self._look()
            case = await self._grant(worker)
            if case is None:
                return self._orders()
            asked.given = (case.id, case.epoch)
            return self._orders(lease=self._confirm(case, worker))

    async def renew(self, worker: str, held: Sequence[tuple[str, int]], flight: Flight) -> Orders:
        """See `Coordinator`."""
        if self._round is None and held:
            raise Unreachable("the coordinator was started again and knows no round yet")
        self._heard.say(worker, flight, self._now())
        lost: list[tuple[str, int]] = []
        for id, epoch in held:
            case = self._cases.get(id)
            if case is not None and case.held_by(worker, epoch):
                self._confirm(case, worker)
                case.shard = None  # it has it
            elif case is None or case.stage != "committed" or (case.worker, case.epoch) != (worker, epoch):
                lost.append((id, epoch))
        await self._look()
        return self._orders(lost=tuple(lost))

    async def commit(self, worker: str, shard: str, epoch: int) -> Orders:
        """See `Coordinator`."""
        round, case, mine = self._round, self._cases.get(shard), (shard, epoch)
        if round is None or case is None:  # merged long ago, or of another round
            return self._orders()
        found = None
        with self._halting():
            found = await round.committed(shard)
        if found is not None:
            self._done(case, found)
        elif case.held_by(worker, epoch) and self._halt is None and self._cases.get(shard) is case:
            await self._end(case, "failed", f"{worker} said that it was committed, and no commit is there")
        won = found is not None and (found.worker, found.epoch) == (worker, epoch)
        return self._orders(lost=() if won else (mine,))

    async def release(self, worker: str, shard: str, epoch: int) -> None:
        """See `Coordinator`."""
        case = self._cases.get(shard)
        if case is not None and case.held_by(worker, epoch):
            await self._end(case, "released", "")

    async def fail(self, worker: str, shard: str, epoch: int, reason: str) -> None:
        """See `Coordinator`."""
        case = self._cases.get(shard)
        if case is not None and case.held_by(worker, epoch):
            await self._end(case, "failed", reason)

    async def halt(self, worker: str, halt: Halt) -> None:
        """See `Coordinator`: the first one is what the driver sees."""
        self._halt = self._halt or halt

    # -- leases --------------------------------------------------------------------------------------

    def _take_up(self, shards: Sequence[Shard]) -> int:
        """As many as there is room for; how many these are, with those that are here already."""
        left = self._left
        for taken, shard in enumerate(shards):
            if shard.id in self._cases:
                continue
            if left <= 0:
                return taken
            left -= 1
            self._finished = False  # a late `finish` of another round, or the driver thought better of it
            self._cases[shard.id] = self._todo[shard.id] = Case(shard.id, shard if len(self._todo) < _KEPT else None)
        return len(shards)

    async def _grant(self, worker: str) -> Case | None:
        """Lease the next shard, if there is one."""
        with self._halting():
            while self._todo and not self._draining and self._halt is None:
                _, case = self._todo.popitem(last=False)
                case.stage = "granting"
                try:
                    if await self._take(case, worker):
                        return case
                finally:
                    if case.stage == "granting" and self._cases.get(case.id) is case:  # cancelled, or a StorageFailed
                        self._wait(case, first=True)
        return None

    async def _take(self, case: Case, worker: str) -> bool:
        """Write a lease down; False when the shard is not to be had after all."""
        round = self._round
        assert round is not None
        if case.shard is None:
            case.shard = await round.shard(case.id)
        found = await round.committed(case.id)  # by a zombie, or by a worker whose word was lost
        if found is not None or case.shard is None:
            if found is not None:
                self._done(case, found)
            if await round.shard(case.id) is None:  # trimmed: it is merged, and was offered by a late message
                self._cases.pop(case.id, None)
            return False
        if case.open:
            case.open, case.failures = False, case.failures + 1
            await round.end(case.id, case.epoch, "expired", case.reason)
        case.epoch += 1  # used up, whatever becomes of the next step
        won = await round.attempt(Attempt(case.id, case.epoch, worker, self._me))
        if case.stage != "granting" or self._cases.get(case.id) is not case:
            return False
        case.stage, case.open, case.worker = "leased", True, worker if won else ""
        case.until = self._now() + self._ttl_s * (1 + _GRACE)
        self._leased[case.id] = case
        self._look_at = min(self._look_at, case.until)
        return won  # if not, another coordinator lives: its worker has a ttl's time

    def _confirm(self, case: Case, worker: str) -> Lease | None:
        """A lease holds from now on; one that ran out is taken up again when nobody else was given it."""
        round, shard = self._round, case.shard
        self._todo.pop(case.id, None)
        case.stage, case.worker = "leased", worker
        case.until = self._now() + self._ttl_s * (1 + _GRACE)
        self._leased[case.id] = case
        self._look_at = min(self._look_at, case.until)
        return Lease(shard, case.epoch, self._ttl_s, round.name) if shard is not None and round is not None else None

    async def _look(self) -> None:
        """Take back the leases that ran out. Renewing only moves ends away: nothing ends before `_look_at`."""
        now = self._now()
        if now < self._look_at:
            return
        self._look_at = min([case.until for case in self._leased.values() if case.until > now], default=math.inf)
        for case in [case for case in self._leased.values() if case.until <= now]:
            if self._leased.get(case.id) is not case or case.until > now:
                continue  # while we wrote
            case.reason = f"{case.worker or 'its worker'} gave no sign of life for {self._ttl_s:g} s"
            if case.failures + 1 < self._attempts:
                self._wait(case, first=True)
            else:
                await self._end(case, "expired", case.reason)
        while self._to_park:
            await self._park(self._to_park.pop())

    def _wait(self, case: Case, *, first: bool) -> None:
        self._leased.pop(case.id, None)
        case.stage = "waiting"
        self._todo[case.id] = case
        self._todo.move_to_end(case.id, last=not first)

    async def _end(self, case: Case, how: How, reason: str) -> None:
        """An attempt came to nothing: the shard waits for the next, or is parked."""
        assert self._round is not None
        case.open = False
        if how != "released":
            case.failures, case.reason = case.failures + 1, reason
        spent = case.failures >= self._attempts
        self._wait(case, first=how == "released")
        if spent:
            del self._todo[case.id]
            case.stage = "parking"
        with self._halting():
            await self._round.end(case.id, case.epoch, how, reason)
        if spent:
            await self._park(case)

    async def _park(self, case: Case) -> None:
        assert self._round is not None
        with self._halting():
            if (found := await self._round.committed(case.id)) is not None:
                self._done(case, found)
            else:
                await self._round.park(Parked(case.id, case.reason, case.failures))
        if case.stage == "parking":
            case.stage = "parked"

    def _done(self, case: Case, commit: Commit) -> None:
        self._leased.pop(case.id, None)
        self._todo.pop(case.id, None)
        case.stage, case.open, case.shard = "committed", False, None
        case.epoch, case.worker = commit.epoch, commit.worker

    # -- what is known -------------------------------------------------------------------------------

    async def _load(self, round: Round) -> tuple[dict[str, Case], list[Case]]:
        """The round as the ledger has it, and what is still to be parked. Leases of whoever leased before us run for
        another ttl, or are renewed."""
        # Commits come first: a shard that is trimmed while we look has its commit seen, and is listed in neither case.
        commits, attempts, ended = set(await round.commits()), await round.attempts(), await round.ended()
        parked = await round.parked()
        cases: dict[str, Case] = {}
        spent: list[Case] = []
        for id in await round.shards():
            case = cases[id] = Case(id, epoch=attempts.get(id, 0))
            ends = ended.get(id, {})
            failed = [epoch for epoch, how in ends.items() if how != "released"]
            case.failures = len(failed)
            case.open = case.epoch > 0 and case.epoch not in ends
            if id in commits:
                case.stage, case.open = "committed", False
            elif id in parked:
                case.stage, case.reason = "parked", parked[id].reason
            elif case.open:
                case.stage, case.until = "leased", self._now() + self._ttl_s * (1 + _GRACE)
            elif case.failures >= self._attempts:
                case.stage, case.reason = "parking", await round.reason(id, failed[-1], ends[failed[-1]])
                spent.append(case)
        return cases, spent

    def _forget_all(self) -> None:
        self._cases: dict[str, Case] = {}
        self._todo: OrderedDict[str, Case] = OrderedDict()
        self._leased: dict[str, Case] = {}
        self._to_park: list[Case] = []
        self._look_at = math.inf
        self._halt: Halt | None = None
        self._draining = self._finished = False

    @property
    def _left(self) -> int:
        return max(0, self._room - sum(case.stage != "parked" for case in self._cases.values()))

    def _orders(self, *, lease: Lease | None = None, lost: tuple[tuple[str, int], ...] = ()) -> Orders:
        over = self._finished and all(case.stage in ("committed", "parked") for case in self._cases.values())
        wait_s = max(_WAIT_S, self._heard.alive(self._now()) / _ASKED_PER_S)
        drain = self._draining or self._halt is not None
        return Orders(lease, lost, wait_s, drain=drain, over=over, limits=self._limits)

    @contextmanager
    def _halting(self) -> Generator[None]:
        """Where the ledger fails nothing can be promised any more: the crawl stops."""
        try:
            yield
        except StorageFailed as failure:
            self._halt = self._halt or Halt(failure.code, failure.reason, str(failure))

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()
