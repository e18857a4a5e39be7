"""The truth of a cluster, outside of its engine: a shard is done when its commit object exists, and else it is not.

    .crawl/cluster/<round>/round.json               there is a round; written first, removed first
                           shards/<sid>.json        items and seed; written before the shard is offered
                           attempts/<sid>.<epoch>.json   it was leased; gives epochs that survive the coordinator
                           ended/<sid>.<epoch>.<how>.json   how that came to nothing: failed, expired, released
                           commits/<sid>.json       whoever creates it has done the shard; names its logs
                           parked/<sid>.json        given up, and why
                           logs/...                 each by one writer; read only as far as a commit names it

All but the logs are immutable and made by conditional create: of any number of racers one wins. Each holds its key and
a checksum, so that a torn, edited or misplaced one is refused. A shard with a commit and without its `shards/` object
is merged: the main log has what its logs say.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, cast
from zlib import crc32

import orjson

from crawler.cluster.protocol import Shard
from crawler.cluster.shelf import Shelf
from crawler.rules.naming import key_problem
from crawler.sources.source import Item
from crawler.stop import StorageFailed

ROOT = ".crawl/cluster"
"""Where the ledger lies, under output.dir or the prefix."""
How = Literal["failed", "expired", "released"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOG = re.compile(r"[A-Za-z0-9._-]{1,200}\.jsonl")
"""A log's name, without a folder."""
T = TypeVar("T")
_PROBE = "probe"
_AT_ONCE = 16
_CRC = b',"crc":"'


class Damaged(StorageFailed):
    """An object of the ledger does not say what was once written there."""


class Part(NamedTuple):
    """The first `bytes` of a log (`key` as the shelf has it), which have this SHA-256 and hold so many whole lines."""

    key: str
    bytes: int
    sha256: str
    lines: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A shard is done: what its logs say holds. `closed`: made by the driver in place of a worker that may be dead;
    what is missing in it is still to do. `counts`: by name, for progress."""

    shard: str
    epoch: int
    worker: str
    logs: tuple[Part, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A shard was leased for the `epoch`-th time to `worker`, by the coordinator that calls itself `by`."""

    shard: str
    epoch: int
    worker: str
    by: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A shard was given up after so many failed attempts, the last for `reason`."""

    shard: str
    reason: str
    failures: int


Salvage = Callable[[str, int], Awaitable[tuple[tuple[Part, ...], Mapping[str, int]]]]
"""What can be kept of a shard's attempt with this epoch (0: there was none): parts of its log, and counts."""


class Ledger:
    """The rounds of one output. Every verb raises StorageFailed; Damaged for an object that is not as it was made."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def check(self) -> None:
        """Raises StorageFailed where of two that create one object both would win: then there is no truth to be had."""
        key = f"{_PROBE}/{secrets.token_hex(8)}"
        await self.shelf.make(_PROBE)
        first, second = await self.shelf.create(key, b"1\n"), await self.shelf.create(key, b"2\n")
        await self.shelf.remove(_PROBE)
        if not first or second:
            raise StorageFailed(
                f"{self.shelf.place}: this place lets two create one object (it ignores `If-None-Match: *`), so many "
                "processes cannot share it. Use one process (cluster.workers = 1), or another output.dir."
            )

    async def begin(self, about: Mapping[str, Any]) -> Round:
        """A new round, with a name that no other ever had; `about` is what `Round.about` gives (JSON)."""
        # The time is for people and for the order of a listing; that no name comes twice is by the random part.
        round = Round(self.shelf, f"{int(time.time()):010d}-{secrets.token_hex(6)}")
        await self.shelf.make(round.name)
        await _create(self.shelf, f"{round.name}/round.json", {"about": dict(about)})
        return round

    async def rounds(self) -> tuple[Round, ...]:
        """The rounds that are not removed, oldest first."""
        found = [Round(self.shelf, name) for name in await self.shelf.rooms() if _NAME.fullmatch(name)]
        return tuple([round for round in found if await round.exists()])

    async def sweep(self) -> None:
        """Remove what is left of removed rounds: by a death in the middle of it, or by zombies that wrote later."""
        for name in await self.shelf.rooms():
            if await self.shelf.get(f"{name}/round.json") is None:
                await self.shelf.remove(name)


class Round:
    """The shards of one round, and what became of them. Every verb may be repeated."""

    def __init__(self, shelf: Shelf, name: str) -> None:
        self.shelf = shelf
        self.name = _named(name)

    async def exists(self) -> bool:
        """Whether it was begun and is not removed."""
        return await self.shelf.get(f"{self.name}/round.json") is not None

    async def about(self) -> Mapping[str, Any]:
        """What `Ledger.begin` was told."""
        found = await self._read("round.json", lambda fields: _about(fields["about"]))
        if found is None:
            raise StorageFailed(f"{self.shelf.place}/{self.name}: this round is over")
        return found

    async def remove(self) -> None:
        """All of it, when its commits are in the main log and it is closed."""
        await self.shelf.delete([f"{self.name}/round.json"])
        await self.shelf.remove(self.name)

    # -- shards --------------------------------------------------------------------------------------

    async def put_shard(self, shard: Shard) -> None:
        """Write a shard down, before it is offered."""
        items = [[item.id] if item.url is None else [item.id, item.url] for item in shard.items]
        seed = base64.b64encode(shard.seed).decode()
        if not await self._create(f"shards/{_named(shard.id)}.json", {"items": items, "seed": seed}):
            raise Damaged(f"{self.shelf.place}/{self.name}: shard {shard.id} was written before, with other items")

    async def shard(self, id: str) -> Shard | None:
        """A shard, or None when there is none (any more)."""
        return await self._read(
            f"shards/{_named(id)}.json",
            lambda fields: Shard(id, tuple(map(_item, fields["items"])), base64.b64decode(fields["seed"])),
        )

    async def shards(self) -> tuple[str, ...]:
        """The ids of all shards that are not trimmed."""
        return tuple(await self._names("shards"))

    async def trim(self, ids: Sequence[str]) -> None:
        """Forget shards whose commits are in the main log, but for their commits: those keep zombies out.

        The shard goes first: a commit without its shard is a merged one. What attempts before the last one left goes
        with the round; looking for it would cost more.
        """
        await self.shelf.delete([f"{self.name}/shards/{_named(id)}.json" for id in ids])
        for id in ids:
            commit = await self.committed(id)
            if commit is not None:
                attempts = [f"{self.name}/attempts/{id}.{epoch}.json" for epoch in range(1, commit.epoch + 1)]
                await self.shelf.delete([*attempts, *[part.key for part in commit.logs]])

    # -- attempts ------------------------------------------------------------------------------------

    async def attempt(self, attempt: Attempt) -> bool:
        """Take an epoch of a shard; False when somebody else has it."""
        key = f"attempts/{_named(attempt.shard)}.{attempt.epoch}.json"
        return await self._create(key, {"worker": attempt.worker, "by": attempt.by})

    async def attempts(self) -> Mapping[str, int]:
        """The last epoch of each shard that was ever leased."""
        last: dict[str, int] = {}
        for name in await self._names("attempts"):
            shard, _, epoch = name.rpartition(".")
            last[shard] = max(last.get(shard, 0), _number(epoch))
        return last

    async def end(self, shard: str, epoch: int, how: How, reason: str) -> None:
        """An attempt came to nothing."""
        await self._create(f"ended/{_named(shard)}.{epoch}.{how}.json", {"reason": reason})

    async def ended(self) -> Mapping[str, Mapping[int, How]]:
        """How attempts came to nothing: shard to epoch to how."""
        found: dict[str, dict[int, How]] = {}
        for name in await self._names("ended"):
            shard, _, rest = name.partition(".")
            epoch, _, how = rest.partition(".")
            found.setdefault(shard, {})[_number(epoch)] = cast("How", how)
        return found

    async def reason(self, shard: str, epoch: int, how: How) -> str:
        """Why an attempt came to nothing; "" when nothing is known."""
        return await self._read(f"ended/{_named(shard)}.{epoch}.{how}.json", lambda fields: str(fields["reason"])) or ""

    async def park(self, parked: Parked) -> None:
        """Give a shard up. A commit that comes all the same wins."""
        fields = {"reason": parked.reason, "failures": parked.failures}
        await self._create(f"parked/{_named(parked.shard)}.json", fields)

    async def parked(self) -> Mapping[str, Parked]:
        """The shards that were given up, by id."""
        found: dict[str, Parked] = {}
        for shard in await self._names("parked"):
            parked = await self._read(
                f"parked/{shard}.json",
                lambda fields, shard=shard: Parked(shard, str(fields["reason"]), _whole(fields["failures"])),
            )
            if parked is not None:
                found[shard] = parked
        return found

    # -- commits -------------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> bool:
        """Say that a shard is done: all that `commit` names must be durable. False: another commit of it stands."""
        fields = {
            "epoch": commit.epoch,
            "worker": commit.worker,
            "logs": [[*part] for part in commit.logs],
            "counts": dict(commit.counts),
            "closed": commit.closed,
        }
        return await self._create(f"commits/{_named(commit.shard)}.json", fields)

    async def committed(self, shard: str) -> Commit | None:
        """The commit of a shard, or None while it is not done."""
        return await self._read(f"commits/{_named(shard)}.json", lambda fields: self._commit(shard, fields))

    def _commit(self, shard: str, fields: Mapping[str, Any]) -> Commit:
        logs: list[Part] = []
        for key, size, sha256, lines in fields["logs"]:
            if not _of(str, key).startswith(f"{self.name}/logs/") or not _LOG.fullmatch(key, len(self.name) + 6):
                raise ValueError("a log of another round")
            logs.append(Part(key, _whole(size), _of(str, sha256), _whole(lines)))
        counts = {_of(str, name): _whole(count) for name, count in fields["counts"].items()}
        worker, closed = _of(str, fields["worker"]), _of(bool, fields["closed"])
        return Commit(shard, _whole(fields["epoch"]), worker, tuple(logs), counts, closed)

    async def commits(self) -> tuple[str, ...]:
        """The ids of all shards that are done, merged or not."""
        return tuple(await self._names("commits"))

    async def close(self, salvage: Salvage) -> tuple[str, ...]:
        """Commit every shard that has no commit, so that no zombie ever can; the ids of those.

        For a round whose coordinator and workers are gone, or may be: each gets what `salvage` keeps of its last
        attempt. What is not in there is still to do, in another round.
        """
        done, last = set(await self.commits()), await self.attempts()
        open_ = [id for id in await self.shards() if id not in done]
        closed: list[str] = []
        doors = asyncio.Semaphore(_AT_ONCE)

        async def shut(id: str) -> None:
            async with doors:
                epoch = last.get(id, 0)
                logs, counts = await salvage(id, epoch)
                if await self.commit(Commit(id, epoch, "", logs, counts, closed=True)):
                    closed.append(id)

        try:
            async with asyncio.TaskGroup() as tasks:
                for id in open_:
                    tasks.create_task(shut(id))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        return tuple(closed)

    # -- objects -------------------------------------------------------------------------------------

    async def _create(self, key: str, fields: Mapping[str, Any]) -> bool:
        return await _create(self.shelf, f"{self.name}/{key}", fields)

    async def _read(self, key: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
        """What an object says, None where there is none. Raises Damaged: a checksum can be anybody's."""
        key = f"{self.name}/{key}"
        raw = await self.shelf.get(key)
        if raw is None:
            return None
        found = unsealed(key, raw)
        if found is not None:
            with suppress(AttributeError, LookupError, TypeError, ValueError):
                return read(found)
        raise Damaged(
            f"{self.shelf.place}/{key}: is not as it was written ({'contents' if found else 'checksum'}). Nothing was "
            "changed. If you can, put the right bytes back; else remove this object: what it says is then done again."
        )

    async def _names(self, room: str) -> Iterable[str]:
        start = len(self.name) + len(room) + 2
        return [key[start:-5] for key in await self.shelf.keys(f"{self.name}/{room}") if key.endswith(".json")]


def sealed(key: str, fields: Mapping[str, Any]) -> bytes:
    """An object of the ledger: JSON of its key and fields, with a checksum over all of it before `,"crc":`."""
    body = orjson.dumps({"key": key, **fields})[:-1]
    return b'%b%b%08x"}\n' % (body, _CRC, crc32(body))


def unsealed(key: str, raw: bytes) -> dict[str, Any] | None:
    """The fields of an object that was sealed under this key; None for any other bytes."""
    body, mark, crc = raw.rpartition(_CRC)
    if not mark or crc != b'%08x"}\n' % crc32(body):
        return None
    try:
        found: Any = orjson.loads(raw)
        return found if found["key"] == key else None
    except (TypeError, ValueError, KeyError):
        return None


async def _create(shelf: Shelf, key: str, fields: Mapping[str, Any]) -> bool:
    return await shelf.create(key, sealed(key, fields))


def _of(kind: type[T], value: Any) -> T:
    """A value of this very type. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"no {kind.__name__}")
    return value


def _whole(value: Any) -> int:
    """A number from 0 on: True is none. Raises TypeError, ValueError."""
    number = _of(int, value)
    if number < 0:
        raise ValueError("below 0")
    return number


def _about(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise TypeError("no object")
    return cast("dict[str, Any]", value)


def _item(one: Sequence[Any]) -> Item:
    id, url = one[0], one[1] if len(one) > 1 else None
    if not (type(id) is int and id >> 63 == 0) and (type(id) is not str or key_problem(id)):
        raise ValueError("no id")
    return Item(id, None if url is None else _of(str, url))


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: ids and rounds are 1 to 64 of A-Z a-z 0-9 _ -")
    return name


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
