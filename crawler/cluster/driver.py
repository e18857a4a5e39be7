"""The driver of a cluster: holds the output and its log, hands shards out, and merges what was committed.

It may die at any moment: what it knows is in the main log and in the ledger. Who comes next goes on with the round of a
coordinator that lives, and closes every other one: no worker of those can commit any more, and what they left is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from crawler.assembly import Wishes, build_disk, settings_digest
from crawler.cluster.afterwards import Afterwards
from crawler.cluster.cashier import Cashier, Hands
from crawler.cluster.commits import Ledger, Round
from crawler.cluster.merging import Merger
from crawler.cluster.output import Output
from crawler.cluster.packing import Packer
from crawler.cluster.protocol import Coordinator, RateBudget, Shard, Unreachable, View
from crawler.cluster.rounds import Rounds
from crawler.cluster.standing import picture
from crawler.disk import THREADS
from crawler.engine.books import Books, Outcome
from crawler.engine.course import accompanied
from crawler.engine.crew import check_room
from crawler.engine.days import daily_of, day_spent
from crawler.engine.doors import lanes_of
from crawler.engine.follower import Follower
from crawler.engine.recheck import Again
from crawler.engine.run import Attendant, note_opening
from crawler.engine.settings import LimitsSettings
from crawler.events import Throttled
from crawler.fetch.exchange import Day
from crawler.log.files import LOG
from crawler.log.writer import Log
from crawler.model import bit_of
from crawler.progress import Snapshot
from crawler.rules.coming import coming
from crawler.settings import Settings
from crawler.sinks.sink import Sink
from crawler.sources.lines import SourceError
from crawler.sources.source import Census, Source, open_source
from crawler.stop import DaySpent, Draining, Gate, Stop, StorageFailed
from crawler.words import plural

T = TypeVar("T")

LOOK_S, LOOK_MAX_S = 0.25, 2.0
"""So often the driver looks how it stands: often at first, so that short crawls end soon, and more rarely then."""
PATIENCE_S = 300.0
"""So long coordinator and budget may give no answer."""
AHEAD, AHEAD_FIRST = 4, 2
"""So many shards for each worker wait or are worked on; fewer before it is known how fast it goes, and so how large a
shard should be."""
_TTL_S = 30.0
_NOTHING = View((), (), {}, {}, {}, 0)


class Silent(Stop):
    """The cluster gives no answer."""

    code, reason = 4, "cluster"


class Driver:
    """Stands where `engine.run.Run` stands, for many workers: `api.Crawl(driver)` works too.

    `session`: for what the driver asks itself (rechecks, and works whose images moved); "" for none. `workers`: how
    many are about to work, for the size of shards. `wishes`: as for a run. Raises ConfigError.
    """

    def __init__(
        self,
        settings: Settings,
        session: str,
        coordinator: Coordinator,
        budget: RateBudget,
        workers: int,
        wishes: Wishes | None = None,
    ) -> None:
        self._settings = settings
        self._wishes = wishes or Wishes()
        self._disk = self._wishes.disk or build_disk(settings)
        self._output = Output(settings, self._disk)
        self._coordinator = coordinator
        self._workers = workers
        self._gate = Gate()
        self._books = Books(self._output.home, self._gate)
        self._books.plain = settings.site.name == "urls"
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")
        self._cashier = Cashier(budget, Hands(self._ask, self._books.note, self._books.stop))
        self._afterwards = Afterwards(settings, session, budget, self._books, self._gate, self._books.stop)
        self._view = _NOTHING
        self._waiting: list[Shard] = []
        self._parked: dict[str, str] = {}
        self._broken = False
        self._handing_since = 0.0
        self._reloaded = False

    # -- what others ask of it ---------------------------------------------------------------------

    @property
    def census(self) -> Census | None:
        """What the counting pass found, once it is over."""
        return self._books.census

    def known(self) -> Mapping[str, Throttled]:
        """What limiters told last, by host, for a budget that begins; nothing before the log was read."""
        return {} if self._books.log is None else self._books.log.state.throttled

    def follow(self) -> Follower:
        """Every event that is merged from now on."""
        return self._books.follow()

    def drain(self, reason: str, code: int, text: str = "") -> None:
        """Offer nothing more, have the workers finish what is on the wire and commit it, then end with `code`."""
        self._books.drain(reason, code, text)

    def reload(self, limits: LimitsSettings) -> None:
        """Obey other [limits] from now on: here, at the budget, and in all workers as soon as they are heard."""
        self._settings = self._settings.model_copy(update={"limits": limits})
        self._reloaded = True
        self._cashier.configure(lanes_of(limits), limits.daily.budget)
        self._afterwards.reload(limits)

    def snapshot(self) -> Snapshot:
        """The crawl at this moment: counts are of the merged log, what workers have under way is told apart."""
        return picture(self._books.snapshot(), self._view, self._cashier.hosts(), self._books.counters.in_flight)

    # -- the crawl ---------------------------------------------------------------------------------

    async def go(self, attendants: Sequence[Attendant] = ()) -> Outcome:
        """Run to the end, with shards that a dead driver left if the coordinator still has them. Workers may begin
        before or after.

        Raises InUse, LogDamaged, SourceError, StorageFailed, Silent and ConfigError before the first shard is offered.
        What goes wrong later is told by the outcome.
        """
        books = self._books
        books.began = asyncio.get_running_loop().time()
        books.phase = "replaying"
        try:
            return await self._go(await self._output.place.take(), attendants)
        finally:
            books.phase = "done"
            self._threads.shutdown(wait=False)
            await self._output.place.leave()

    async def _go(self, said: Sequence[str], attendants: Sequence[Attendant]) -> Outcome:
        books, settings, home = self._books, self._settings, self._output.home
        log = books.open(await Log.open(home, settings.log, self._disk))
        limits = self._settings.limits
        self._cashier.open(daily_of(log, limits.daily.budget, books.note, self._day_spent), lanes_of(limits))
        try:
            books.phase = "counting"
            source = await asyncio.to_thread(open_source, settings.source, home / ".crawl")
            census = books.census = await source.count()
            if census.hopeless:
                self._wishes.counted(census, 0)
                return books.end(2, "source", "")
            await note_opening(log, census, settings.source.path, settings_digest(settings))
            again = Again(log, home / LOG, self._output.place.replacing())
            rounds = Rounds(self._output, Merger(log, books, self._output))
            try:
                round, living = await self._settle(rounds)
                await again.prepare(self._wishes.recheck, census.bitmap)
                books.coming = await asyncio.to_thread(coming, log.state, census.bitmap, again.chosen)
                self._wishes.counted(census, books.totals(fresh=True).pending + again.settled())
                packer = await self._packer(round, source, again, living=living)
                code, reason, text = await self._crawl_all(packer, rounds, attendants)
                if not self._broken:
                    await rounds.bury(round)
            finally:
                again.close()
            if books.stopped is None:
                (code, reason), text = books.verdict(), self._of_parked()
            outcome = books.end(code, reason, text)
            outcome = replace(outcome, snapshot=replace(self.snapshot(), phase="done", in_flight=0))
            return await books.close(outcome, self._output.place.finish, said)
        finally:
            await log.close()

    # -- rounds ------------------------------------------------------------------------------------

    async def _settle(self, rounds: Rounds) -> tuple[Round, bool]:
        """The round to go on with, and whether it is one that lives: all others are merged and gone.

        Raises Silent, StorageFailed.
        """
        ledger, view = Ledger(self._output.shelf), await self._ask(self._coordinator.view)
        await ledger.sweep()
        living: Round | None = None
        for round in await ledger.rounds():
            if round.name == view.round and not view.draining and view.halt is None:
                living = round
            else:
                await rounds.bury(round)
        if living is not None:
            await rounds.merge(living, view.committed)
            return living, True
        await ledger.check()  # before anything is handed out that two might commit
        round = await ledger.begin({"settings": settings_digest(self._settings)})
        await self._output.forget((round.name,))
        await self._ask(lambda: self._coordinator.begin(round.name))
        return round, False

    async def _packer(self, round: Round, source: Source, again: Again, *, living: bool) -> Packer:
        """What hands out the list; of a round that lives, all but what is handed out already."""
        books, log = self._books, self._books.log
        assert log is not None
        packer = Packer(round.name, source, again, log.state, books.totals(fresh=True).pending)
        if not living:
            return packer
        view = await self._ask(self._coordinator.view)
        known = {*view.outstanding, *view.committed, *view.parked}
        for id in await round.shards():
            packer.number = max(packer.number, int(id.rpartition("-")[2]))
            shard = await round.shard(id)
            if shard is None:
                continue
            packer.elsewhere.update(bit_of(item.id) for item in shard.items)
            packer.todo -= len(shard.items)
            if id not in known:  # written down, and then we died
                self._waiting.append(shard)
        for id in await round.commits():
            packer.number = max(packer.number, int(id.rpartition("-")[2]))
        return packer

    # -- handing out and taking in -----------------------------------------------------------------

    async def _crawl_all(self, packer: Packer, rounds: Rounds, attendants: Sequence[Attendant]) -> tuple[int, str, str]:
        books, log = self._books, packer.again.log
        sink = self._output.place.sink(self._threads)
        try:
            async with asyncio.TaskGroup() as group:
                chores = (log.run(), self._output.place.tend(), self._cashier.run())
                async with accompanied(group, chores, attendants, self.snapshot):
                    books.phase = "crawling"
                    try:
                        await self._hand_out(packer, rounds, sink)
                        await self._afterwards.crawl(packer, sink, rounds.left)
                        await self._cashier.close()
                    except Silent as silent:
                        books.stop(silent)
                    finally:
                        packer.close()
                    books.phase = "closing"
                    await log.commit()
                    books.totals(fresh=True)
        except* StorageFailed as failures:
            books.broken(failures)
            self._broken = True
        return books.stopped or (*books.verdict(), "")

    async def _hand_out(self, packer: Packer, rounds: Rounds, sink: Sink) -> None:
        """Until all shards are merged or parked; in a drain, until no worker has one. Raises Silent, StorageFailed."""
        loop, until = asyncio.get_running_loop(), float("inf")
        self._handing_since = loop.time()
        reserve = self._settings.output.reserve_mb * 1_000_000
        round = Round(self._output.shelf, packer.round)
        merged: Sequence[str] = ()
        while True:
            check_room(sink, self._output.home, reserve, self._books.stop)
            view = await self._look(round, merged)
            merged = view.committed
            for shard in await rounds.merge(round, merged):
                packer.give_back(shard.items)
            if view.halt is not None:
                self.drain(view.halt.reason, view.halt.code, view.halt.text)
            if self._gate.closed:
                await self._ask(self._coordinator.drain)
                until = min(until, loop.time() + self._settings.limits.drain_s + 2 * _TTL_S)
                if not (view.leased or view.committed) or loop.time() > until:
                    return
                await asyncio.sleep(LOOK_S)
            elif not await self._pack(round, packer) and not view.outstanding:
                await self._ask(self._coordinator.finish)
                return
            elif not (self._waiting and self._room) or len(view.outstanding) - len(view.leased) >= self._crew:
                passed = loop.time() - self._handing_since
                with suppress(Draining):
                    await self._gate.sleep(min(max(LOOK_S, passed / 10), LOOK_MAX_S))

    async def _look(self, round: Round, merged: Sequence[str]) -> View:
        """How it stands, once these are known to be merged and what waits is handed out. A coordinator that was begun
        again in between is told where we are."""
        while True:
            offered = () if self._gate.closed else tuple(self._waiting[: self._room])
            view = await self._ask(lambda offered=offered: self._coordinator.view(merged, offered))
            if view.round == round.name:
                break
            await self._ask(lambda: self._coordinator.begin(round.name))  # begun again, it would seem that all is done
        del self._waiting[: view.taken]
        self._view = view
        if self._reloaded:
            limits = self._settings.limits
            await self._ask(lambda: self._coordinator.obey(limits))
        self._parked.update(view.parked)
        return view

    async def _pack(self, round: Round, packer: Packer) -> bool:
        """Have ready what there is room for; whether there is anything to hand out, or may be."""
        workers = self._crew
        packer.speed, packer.sure = self._speed(workers)
        try:
            while len(self._waiting) < self._room and (shard := await packer.next(workers)) is not None:
                await round.put_shard(shard)
                self._waiting.append(shard)
        except SourceError as error:
            self._books.stop(error)
        return bool(self._waiting) or not packer.over

    @property
    def _crew(self) -> int:
        return max(self._workers, len(self._view.flights))

    @property
    def _room(self) -> int:
        """So many shards more may be handed out."""
        each = AHEAD if self._speed(self._crew)[1] else AHEAD_FIRST
        return max(0, min(self._view.room, each * (self._crew + 1) - len(self._view.outstanding)))

    def _speed(self, workers: int) -> tuple[float, bool]:
        """Works a second and worker: as it was so far (that is sure), before that as fast as one host may be asked; 0:
        unknown."""
        did, limits = self._books.counters.works, self._settings.limits
        seconds = asyncio.get_running_loop().time() - self._handing_since
        if did >= workers and seconds > 1:
            return did / seconds / workers, True
        return (limits.images if self._books.plain else limits.api).rate / workers, False

    def _of_parked(self) -> str:
        """What a user is told of shards that were given up."""
        if not self._parked:
            return ""
        id, reason = sorted(self._parked.items())[-1]
        return (
            f"{plural(len(self._parked), 'shard')} of the list were given up, each after several workers failed with "
            f"it; their works stay pending. The last one, {id}: {reason}. Run the same command again to try them anew."
        )

    def _day_spent(self, host: str, day: Day, until: float) -> None:
        if not self._wishes.waits:
            self._books.stop(DaySpent(day_spent(host, day, until)))

    async def _ask(self, message: Callable[[], Awaitable[T]]) -> T:
        """The answer to a message, which is sent until there is one. Raises Silent."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                async with asyncio.timeout(_TTL_S):
                    return await message()
            except (Unreachable, TimeoutError):
                if loop.time() - began > (_TTL_S if self._gate.closed else PATIENCE_S):
                    raise Silent(
                        "The cluster gave no answer for too long. What was committed is in the log. Look whether it "
                        "still runs, then run the same command again: it goes on where it stopped."
                    ) from None
            await asyncio.sleep(LOOK_S)
