"""What the parts of a cluster say to each other: plain values and two protocols, whatever carries the messages.

Every message may arrive twice, late, or never. Times are seconds from the moment of receipt: clocks are never compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from crawler.engine.settings import LimitsSettings
from crawler.events import Throttled
from crawler.fetch.exchange import HostState
from crawler.fetch.settings import HostLimits
from crawler.model import Lane
from crawler.sources.source import Item


class Unreachable(ConnectionError):
    """Coordinator or budget gave no answer: what was asked may have been done, or not. Ask again; until it answers,
    nothing is granted. Raised by every method of both protocols, whatever carries the messages."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of work. `id` is never used again in one output; `seed`: what the main log knows of unfinished works
    among `items`, opaque here; b"" mostly."""

    id: str
    items: tuple[Item, ...]
    seed: bytes = b""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a shard until `ttl_s` after the worker sent the request that was answered by it.

    `epoch` counts the leases of a shard from 1. Of all who ever held one, whoever first creates the commit object has
    done the shard. `round`: where in the ledger (commits.Ledger) that is.
    """

    shard: Shard
    epoch: int
    ttl_s: float
    round: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told with each answer. `lost`: leases it no longer has: stop them at once, commit nothing.

    `wait_s`: ask again after so long when no lease was given. `drain`: finish what is on the wire, release the rest.
    `over`: nothing will ever come again. `limits`: of all workers together, where they are no longer what they were.
    """

    lease: Lease | None = None
    lost: tuple[tuple[str, int], ...] = ()
    wait_s: float = 0.5
    drain: bool = False
    over: bool = False
    limits: LimitsSettings | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """What a worker has done since its last commits: never added to what is committed. Counters of this worker's life
    are `requests` and `retries`."""

    works: int = 0
    in_flight: int = 0
    images: int = 0
    bytes: int = 0
    requests: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Halt:
    """A worker met something for which the whole crawl must stop: exit code, reason and words of a `stop.Stop`."""

    code: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """The coordinator at one moment, for the driver. `outstanding`: shards neither committed nor parked (ids).

    `committed`: not yet `merged`; `parked`: shard to reason; `leased`: shard to worker and epoch; `flights` by worker;
    `room`: how many shards it would still take; `taken`: how many of those that were just offered it took, from the
    front. `round`: the ledger's, "" before `begin`.
    """

    outstanding: tuple[str, ...]
    committed: tuple[str, ...]
    parked: Mapping[str, str]
    leased: Mapping[str, tuple[str, int]]
    flights: Mapping[str, Flight]
    room: int
    halt: Halt | None = None
    draining: bool = False
    round: str = ""
    taken: int = 0


class Coordinator(Protocol):
    """Leases shards. Each method may be called again with the same arguments and means the same then.

    The driver's: begin (a round of the ledger: the one before is forgotten, its leases are lost), view (first these
    commits are forgotten, as they are `merged` into the main log; then as many of those `offered` are taken as there is
    room for; all that in one message, which is most of what a driver says), finish (no more shards will be offered),
    drain, obey (other limits for all workers). A coordinator that was started again knows the ledger, and no more: the
    driver says begin, finish, drain and obey each time it looks, as long as they hold.
    The worker's: lease (`ask` counts 1, 2, 3… in its life and stays the same when the message is sent again), renew
    (every quarter of the ttl, for all it holds), commit (its commit object exists), release (it gives a shard back
    unfinished), fail (an attempt broke: counts against the shard), halt.
    A worker's name is its process's, for its life, and never used again. Nothing raises but for what cannot go on.
    """

    async def begin(self, round: str) -> None: ...
    async def view(self, merged: Sequence[str] = (), offered: Sequence[Shard] = ()) -> View: ...
    async def finish(self) -> None: ...
    async def drain(self) -> None: ...
    async def obey(self, limits: LimitsSettings) -> None: ...
    async def lease(self, worker: str, ask: int) -> Orders: ...
    async def renew(self, worker: str, held: Sequence[tuple[str, int]], flight: Flight) -> Orders: ...
    async def commit(self, worker: str, shard: str, epoch: int) -> Orders: ...
    async def release(self, worker: str, shard: str, epoch: int) -> None: ...
    async def fail(self, worker: str, shard: str, epoch: int, reason: str) -> None: ...
    async def halt(self, worker: str, halt: Halt) -> None: ...


class Refusal(NamedTuple):
    """A 429 or 503 (`limited`: 429), or with `trouble` a refused or timed-out connection; `age_s` since the request
    was sent; `again`: this very request was refused before."""

    age_s: float
    reason: str
    retry_after_s: float | None = None
    again: bool = False
    limited: bool = True
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker heard from a host since its last report. `clean`: ages (s since sent) of replies that were none
    of the refusals; at high rates they may be thinned, `cleans` counts them all. `requests`: how many were sent.
    `probed`: the request of a grant that was `probing` is over, or was not sent. `bytes`: of bodies, in all so far."""

    cleans: int = 0
    clean: tuple[float, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    requests: int = 0
    probed: bool = False
    bytes: int = 0


FREE = 1 << 62
"""More than anybody spends: where limits.daily bounds requests and not bytes, or the other way round."""


class Kept(NamedTuple):
    """A worker's purse of a host that limits.daily bounds, as it is from now on.

    Of the portion that `era` and `step` name ("": it has none) it sent `requests` and took `bytes`; `out` of its
    requests are not over. It keeps `most_requests` and `most_bytes`, spent ones included, and gives back the rest. It
    wants `wants` requests more, and `owes` bytes that are on their way and not covered. `number` grows within a
    worker's life: what comes late is old.
    """

    number: int
    era: str = ""
    step: float = 0.0
    requests: int = 0
    bytes: int = 0
    out: int = 0
    most_requests: int = 0
    most_bytes: int = 0
    wants: int = 0
    owes: int = 0


class Portion(NamedTuple):
    """What a worker may spend at a host in the five minutes from `step` on (UTC seconds), in all, and not after
    `until` on the budget's clock. A request is promised `typical` bytes."""

    era: str
    step: float
    requests: int
    bytes: int
    until: float
    typical: int


class Allowance(NamedTuple):
    """What all workers may spend at a host in the five minutes from `step` on, in all, until `until` on the budget's
    clock: it is in the log already. `typical`: the bytes of a reply by what was before; -1: not known."""

    host: str
    step: float
    requests: int
    bytes: int
    until: float
    typical: int


class Lent(NamedTuple):
    """Of an allowance, what was spent, or may be by those who have it: never less than the truth. `held`: some of it
    may come back. `wants`, `owes`: as in Kept, of all workers together; `typical`: as in Allowance, by now."""

    host: str
    step: float
    requests: int
    bytes: int
    held: bool = False
    wants: int = 0
    owes: int = 0
    typical: int = -1


@dataclass(frozen=True, slots=True)
class Ask:
    """What was heard of a host, and a wish for up to `wanted` permits (0: only the report)."""

    host: str
    lane: Lane
    wanted: int
    report: Report = Report()
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` requests may be sent: the first `delay_s` after the budget said so, each `spacing_s` after the one
    before, none later than `life_s` after its time. count 0: ask again after `delay_s`. What is not used is lost.

    `rate`: the working rate of the whole cluster; where it is 0 there is no limit, and any number may be sent until
    `life_s` if `count` is not 0. `budget`: the configured rate; `limit`: the host's own, where known. `blocked_s`: how
    long the host is blocked; `probing`: it refused, `blocks` times by now, and is asked by one at a time. `then`: more
    of them, at another distance.
    """

    count: int
    delay_s: float
    spacing_s: float
    life_s: float
    rate: float
    budget: float
    limit: float = 0.0
    blocked_s: float = 0.0
    probing: bool = False
    blocks: int = 0
    portion: Portion | None = None
    then: Grant | None = None

    def turns(self) -> Iterator[tuple[float, float]]:
        """Each request: how long after the budget said so, and how late it may be; seconds."""
        for n in range(self.count):
            yield self.delay_s + n * self.spacing_s, self.life_s
        if self.then is not None:
            yield from self.then.turns()


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on the budget's own clock (seconds; it never goes back within an `era`, a life of the budget)."""

    era: str
    at: float


@dataclass(frozen=True, slots=True)
class Grants:
    """One grant for each that was asked for, in that order, said `at` this moment.

    A worker that knows when it asked and when it heard knows how the budget's clock lies to its own, to within the
    shortest round trip of late: so it uses permits at their time, however long an answer takes, and not at all when
    that is over. It is the one clock that crosses a border, and it measures nothing but this.
    """

    moment: Moment
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Events with the number of the last one, and the hosts. `lent`: of limits.daily, by host and five minutes; that
    was so at `moment`."""

    last: int
    events: tuple[Throttled, ...] = ()
    hosts: tuple[HostState, ...] = field(default=())
    lent: tuple[Lent, ...] = ()
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """What the driver says to the budget, in answer to what it was told at that moment: what is older than the last
    one, or meant for another era, is not heard. `lanes`: limits that hold from now on, None for those it was made
    with."""

    moment: Moment
    lanes: Mapping[Lane, HostLimits] | None = None
    allowances: tuple[Allowance, ...] = ()


class RateBudget(Protocol):
    """One budget for each host, for all workers. Unreachable, nothing is asked.

    reserve: report what was heard, and have permits, for all hosts of a worker at once; `moment`: what the budget's
    clock says by the worker's reckoning (None: not known), from which the ages of its report count back. told: what the
    limiters said since, for the log, and how the hosts stand; each event is given until it is acknowledged by the next
    call's `upto`; `word`: what the driver has to say.
    """

    async def reserve(self, worker: str, asks: Sequence[Ask], moment: Moment | None = None) -> Grants: ...
    async def told(self, upto: int, word: Word | None = None) -> Told: ...
