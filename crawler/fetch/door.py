"""The only door to HTTP: an exchange goes in, `Had` or a Failure comes out, politely.

An attempt, top to bottom: exchange.request → robots → connection, turn and memory of the host (`Host.enter`) → one GET
→ for a redirect the same again with the next URL → exchange.start, feed…, finish. The door repeats attempts after
pauses (rules.retry); 429 and 503 slow the whole host and use up no attempt. All waiting is done through the Gate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType

from crawler.events import Throttled
from crawler.fetch.client import Client
from crawler.fetch.daily import Daily
from crawler.fetch.exchange import Exchange, Had, Head, HostState, Request
from crawler.fetch.hosts import Host, Hosts, OnThrottle, utc
from crawler.fetch.memory import Room
from crawler.fetch.pacing import Paces
from crawler.fetch.promises import Turn
from crawler.fetch.reply import Reply
from crawler.fetch.robots import Robots
from crawler.fetch.settings import HostLimits, NetworkSettings
from crawler.fetch.where import Where
from crawler.hidden import without
from crawler.model import Failure, Kind, Lane
from crawler.rules.budget import Budget
from crawler.rules.retry import (
    BREAKER,
    CONFIRMED,
    DENIED_MAX,
    FINAL,
    REFUSALS,
    REFUSALS_MAX,
    TROUBLES,
    parse_retry_after,
    pause,
    permanent,
)
from crawler.rules.settings import RetrySettings
from crawler.stop import Blocked, Draining, Gate

_SLOWING = frozenset({429, 503})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GUARDED = frozenset({403, 503})
"""Statuses under which a gatekeeper may ask for a browser."""
_ROBOTS_REDIRECTS = 5
_CHALLENGE_MARKS = (b"_cf_chl_opt", b"challenge-platform", b"cf-challenge")
_PEEK_BYTES = 64 * 1024
_HAD = Had(1)
"""What nearly all of them say."""


class Door:
    """Use as an async context manager; `get` may be called by any number of tasks."""

    def __init__(  # noqa: PLR0913 - each belongs to another room; a bundle of them would mean nothing
        self,
        network: NetworkSettings,
        lanes: Mapping[Lane, HostLimits],
        retry: RetrySettings,
        memory_mb: float,
        gate: Gate,
        *,
        on_throttle: OnThrottle | None = None,
        now: Callable[[], float] = utc,
        known: Mapping[str, Throttled] | None = None,
        daily: Daily | None = None,
        paces: Paces | None = None,
    ) -> None:
        """`now` (UTC seconds) is for what is told to people, for `daily`, the budgets of 24 h, and for `known`, what
        the limiters of earlier runs told last, by host; all else runs on the loop's clock. `paces`: who paces hosts,
        where it is not this process alone.

        Raises trust.BadNetwork when `network.ca_file` cannot be used.
        """
        self._network = network
        self._retry = retry
        self._gate = gate
        self._client = Client(network)
        self._hosts = Hosts(lanes, retry, gate, on_throttle, now=now, known=known, daily=daily, paces=paces)
        self._memory = Room(int(memory_mb * 1e6), gate)
        self._robots = Robots(self._ask_robots, retry, gate, obey=network.robots == "obey")
        self.requests = 0
        """Requests sent, robots.txt and hops of redirects included."""
        self.retries = 0
        """Attempts beyond the first of each exchange."""

    async def __aenter__(self) -> Door:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def hosts(self) -> tuple[HostState, ...]:
        """Frozen looks at the hosts used last (at most 100), by name."""
        return self._hosts.states()

    def reload(self, lanes: Mapping[Lane, HostLimits], memory_mb: float, daily: Budget | None = None) -> None:
        """New limits for all hosts from now on; starts with nothing saved up, blocks stand, what was spent counts."""
        self._hosts.reload(lanes)
        self._hosts.reload_daily(daily or Budget())
        self._memory.resize(int(memory_mb * 1e6))

    def settle(self) -> None:
        """Write down what was really spent of daily budgets. Raises StorageFailed."""
        self._hosts.settle()

    async def get(self, exchange: Exchange) -> Had | Failure:
        """Have it, or say why not: `attempts` and `permanent` are set. Raises Draining, Blocked, what the exchange
        raises, and StorageFailed where a daily budget cannot be written down."""
        attempts = refusals = lasting = 0
        while True:
            if self._gate.closed:
                raise Draining
            request, again = exchange.request(), refusals > 0
            where = self._plainly(request)
            if where is None:
                failure = await self._attempt(exchange, request, again=again)
            else:
                headers = {**request.headers, **request.secret} if request.secret else request.headers
                failure = await self._visit(exchange, request, where, headers, again=again)
                if isinstance(failure, Where):
                    failure = await self._attempt(exchange, request, again=again, hop=failure)
            if failure is None:
                return Had(attempts + 1) if attempts else _HAD
            if request.secret:  # many a gateway's error repeats the header that it did not like
                failure = replace(failure, detail=without(failure.detail, _told(request.secret)))
            if failure.kind in REFUSALS:
                refusals += 1
                if refusals >= REFUSALS_MAX:
                    return replace(failure, attempts=max(attempts, 1), permanent=False)
                self.retries += 1
                continue  # the host is blocked: its turn is what we wait for
            attempts += 1
            lasting = lasting + 1 if permanent(failure, request.lane) else 0
            rest = pause(failure, attempts, self._retry, random.random())
            if rest is None:
                for_good = lasting >= min(CONFIRMED, attempts) or (lasting > 0 and failure.kind in FINAL)
                return replace(failure, attempts=attempts, permanent=for_good)
            self.retries += 1
            await self._gate.sleep(rest)

    async def _ask_robots(self, exchange: Exchange) -> Failure | None:
        return await self._attempt(exchange, exchange.request(), robots=True)

    def _plainly(self, request: Request) -> Where | None:
        """Where a request goes, if that needs no thought: an origin that is asked, and rules known to let it pass."""
        try:
            where = self._client.where(request.url)
        except ValueError:
            return None
        return where if where.origin.refusal is None and self._robots.known(where) else None

    async def _attempt(
        self,
        exchange: Exchange,
        request: Request,
        *,
        robots: bool = False,
        again: bool = False,
        hop: Where | None = None,
    ) -> Failure | None:
        """One attempt, redirects followed; None when it was had. `robots`: this is a robots.txt, about which none
        is asked. `again`: it was refused before. `hop`: the first visit was made, and led there."""
        try:
            first = where = self._client.where(request.url)
        except ValueError as error:
            return Failure(Kind.BAD_URL, f"{request.url[:200]}: {error}")
        most = _ROBOTS_REDIRECTS if robots else self._network.max_redirects
        for _ in range(most + 1):
            if hop is None:
                failure = where.origin.refusal
                if failure is None and not robots and not self._robots.known(where):
                    failure = await self._robots.refusal(where, request.lane)
                if failure is not None:
                    return failure
                headers = request.headers
                if request.secret and where.origin.id == first.origin.id:
                    headers = {**headers, **request.secret}
                elif where is not first and where.origin.id[:2] != first.origin.id[:2]:
                    # Another host, or another scheme, need not know where we come from.
                    headers = {name: value for name, value in headers.items() if name.lower() != "referer"}
                outcome = await self._visit(exchange, request, where, headers, again=again)
                if not isinstance(outcome, Where):
                    return outcome
                hop = outcome
            if where.origin.tls and not hop.origin.tls:
                return Failure(Kind.REDIRECT, f"from https down to http://{hop.origin.id[1]}")
            where, hop = hop, None
        return Failure(Kind.REDIRECT, f"more than {most} redirects")

    async def _visit(
        self, exchange: Exchange, request: Request, where: Where, headers: Mapping[str, str], *, again: bool
    ) -> Failure | Where | None:
        """One request on the wire, politely: the next place for a redirect."""
        memory, wanted = self._memory, request.room_bytes
        host = self._hosts.host(where.origin.key, request.lane)
        turn = host.enter_now(memory, wanted) or await host.enter(memory, wanted)
        try:
            if host.pace.blocks >= BREAKER:  # seen by somebody else while this one waited for its turn
                raise Blocked(_blocked(host))
            self.requests += 1
            sent = host.now()
            reply = await self._client.open(where, headers, request.lane)
            if isinstance(reply, Failure):
                host.heard()
                self._judge(host, reply, None, sent)
                return reply
            head = reply.head
            status = head.status
            if host.probe is not None and status not in _SLOWING:
                host.heard()
            try:
                if status == 200 and not host.daily.bounded and (body := reply.at_once()) is not None:
                    outcome = await exchange.whole(head, body)
                else:
                    outcome = await self._converse(exchange, reply, where, host, turn)
            finally:
                host.answered(reply.head_at - sent, reply.received)
                host.daily.came(turn, reply.received)
                reply.close()
            if outcome is None and status == 200 and not host.denials:
                # What nearly all of them are: a pace that is calm need not even hear of it.
                if not host.pace.calm and (change := host.pace.clean(sent, host.now())) is not None:
                    self._hosts.tell(host, change)
            else:
                self._judge(host, outcome, status, sent, again=again)
                if status == 403 and host.denied(where.text):
                    raise Blocked(_denied(host))
            return outcome
        finally:
            host.leave(memory, turn)

    def _judge(
        self, host: Host, outcome: Failure | Where | None, status: int | None, sent: float, *, again: bool = False
    ) -> None:
        """What the host's limiter learns from what was `sent` then. Raises Blocked when the host does but refuse."""
        failure = outcome if isinstance(outcome, Failure) else None
        if failure is not None and failure.kind in REFUSALS:
            self._hosts.refused(host, failure, sent, again=again)
            if host.pace.blocks >= BREAKER:
                raise Blocked(_blocked(host))
        elif failure is not None and failure.kind in TROUBLES:
            self._hosts.troubled(host, failure, sent)
        elif status is not None and status < 500 and status != 403:
            # 403 and 5xx may be the host's way of refusing: they slow nothing, and they speed nothing up.
            self._hosts.clean(host, sent)
            host.let_in()

    async def _converse(
        self, exchange: Exchange, reply: Reply, where: Where, host: Host, turn: Turn
    ) -> Failure | Where | None:
        """Read the reply, and let the exchange have it unless it is the door's own business."""
        head = reply.head
        status = head.status
        peeked = b""
        if status in _REDIRECTS:
            await reply.drain()
            return self._next(head.headers.get("location"), where)
        if status in _GUARDED:
            challenge, peeked = await self._challenge(reply)
            if challenge is not None:
                return challenge
        if status in _SLOWING:
            failure = Failure(Kind.RATE_LIMITED if status == 429 else Kind.UNAVAILABLE)
        else:
            failure = reply.acceptable() or await exchange.start(head)
        if failure is not None:
            await reply.drain()
            return _dated(failure, head)
        if head.length is not None and host.daily.announced(turn, head.length):
            await host.daily.keep_up()
        if peeked:
            await exchange.feed(peeked)
        while True:
            piece = await reply.read()
            if host.daily.bounded:
                host.daily.came(turn, reply.received)
                await host.daily.keep_up()
            if isinstance(piece, Failure):
                return piece
            if not piece:
                return await exchange.finish()
            await exchange.feed(piece)
            piece = b""  # who waits for the next one holds no other

    def _next(self, location: str | None, where: Where) -> Where | Failure:
        if not location:
            return Failure(Kind.REDIRECT, "no Location")
        # Header bytes beyond ASCII come as surrogates; most are UTF-8 that somebody forgot to quote.
        text = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        try:
            return self._client.where(text, where.url)
        except ValueError as error:
            return Failure(Kind.REDIRECT, f"Location {text[:100]!r}: {error}")

    async def _challenge(self, reply: Reply) -> tuple[Failure | None, bytes]:
        """Whether a 403 or 503 is Cloudflare's challenge (pixiv.md 4); else what was read of its body to see that."""
        head = reply.head
        found = Failure(Kind.CHALLENGE, "Cloudflare asks for a browser (cf-mitigated: challenge)", head.status)
        if head.headers.get("cf-mitigated", "").lower() == "challenge":
            return found, b""
        if "cloudflare" not in head.headers.get("server", "").lower():
            return None, b""
        if not head.headers.get("content-type", "").lower().startswith("text/html") or reply.acceptable():
            return None, b""
        peeked = await reply.read()
        if isinstance(peeked, Failure):
            return None, b""
        return (found if any(mark in peeked for mark in _CHALLENGE_MARKS) else None), peeked


def _dated(failure: Failure, head: Head) -> Failure:
    """With the status, and with what the head says of when to come back."""
    after = failure.retry_after_s
    if after is None and "retry-after" in head.headers:
        after = parse_retry_after(head.headers["retry-after"], head.headers.get("date"))
    return replace(failure, status=failure.status or head.status, retry_after_s=after)


def _told(secret: Mapping[str, str]) -> list[str]:
    """The secrets in secret headers: a cookie's value, or all of a header that is none."""
    return [value.partition("=")[2] or value for value in secret.values()]


def _blocked(host: Host) -> str:
    return (
        f"{host.name} refused {host.pace.blocks} times in a row, the pauses between them growing; nothing more is "
        f"asked of it. Wait an hour or more, lower limits.{host.lane}.rate (now {host.pace.budget:g} a second), and "
        "run again: it goes on from here."
    )


def _denied(host: Host) -> str:
    return (
        f"{host.name} answered {DENIED_MAX} different requests in a row with 403 (forbidden) and nothing else: it "
        "seems to have shut us out. Nothing more is asked of it. See in a browser what it says, wait some hours, and "
        "run again: it goes on from here."
    )
