"""Who writes to a prefix: one at a time, each with a number of its own; the next one is made by conditional create.

    <prefix>/.crawl/writers/00000007.json   who, and how often it has said that it lives

To become the writer is to create the object of the next number, and of any number of racers the store lets one win.
A writer says every BEAT_S that it lives by writing its object anew, and looks whether there is a higher number: then
it is no longer the writer, and stops. It is dead when it says that it left; or when it was a process of this machine
that is gone; or when for LIFE_S its object did not change, while we looked. Clocks of two machines are never compared.

What a writer that was given up still sends is harmless: pieces of the log have numbers too (`store.segments`), and an
image's bytes count for nothing until a line of the log names them.

A store that ignores conditions lets every racer win. It is found out at the start, by creating one object twice. Then
the racers' objects are read again after SETTLE_S, and the last one that was written is the winner's: enough against
mistakes, not against bad luck; so it is said.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import orjson

from crawler.stop import Stop, StorageFailed
from crawler.store.objects import Found, Objects

WRITERS = ".crawl/writers"
PROBE = ".crawl/probe"
BEAT_S = 5.0
LIFE_S = 20.0
SETTLE_S = 1.0
_KEY = re.compile(re.escape(WRITERS) + r"/([0-9]{8})\.json")


class Taken(Stop):
    """Another process writes to this prefix."""

    code, reason = 2, "in_use"


class Lost(StorageFailed):
    """Another process took this prefix, as this one gave no sign of life for too long."""

    code, reason = 2, "in_use"


@dataclass(frozen=True, slots=True)
class Who:
    """A process: where it runs, and what tells it from every other that ever ran there ("" where nobody knows)."""

    host: str
    pid: int
    machine: str
    started: str

    @classmethod
    def here(cls) -> Who:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _machine(), _started(os.getpid()))

    def dead(self) -> bool | None:
        """Whether it is gone; None where that cannot be seen from here."""
        if not self.machine or self.machine != _machine() or not self.started:
            return None
        return _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lease:
    """The right to write to `objects`. `take` comes first; then `beat`, until cancelled; `leave` at last."""

    def __init__(self, objects: Objects, *, beat_s: float = BEAT_S, life_s: float = LIFE_S) -> None:
        self._objects = objects
        self._beat_s = beat_s
        self._life_s = life_s
        self._who = Who.here()
        self._token = secrets.token_hex(8)
        self._beats = 0
        self.number = 0
        self.conditional = True

    async def take(self) -> None:
        """Become the writer. Raises Taken, StorageFailed."""
        self.conditional = await ignores_nothing(self._objects)
        newest = await self._newest()
        if newest:
            await self._wait_out(newest)
        self.number = newest + 1
        won = await self._objects.create(_key(self.number), self._body())
        if won and not self.conditional:
            await asyncio.sleep(SETTLE_S)
            won = await self._objects.get(_key(self.number)) == self._body()
        if not won:
            raise self._taken(await self._read(self.number))
        for number in range(max(1, newest - 1), newest + 1):  # more are left only by a kill just here
            await self._objects.delete(_key(number))

    async def beat(self) -> None:
        """Say that we live, until cancelled. Raises Lost, StorageFailed."""
        while True:
            await asyncio.sleep(self._beat_s)
            await self.check()
            self._beats += 1
            await self._objects.put(_key(self.number), self._body())

    async def check(self) -> None:
        """Raises Lost when there is a later writer."""
        if await self._newest() > self.number:
            raise Lost(
                f"{self._objects.address}: another crawler took over, as this one had given no sign of life for "
                f"{self._life_s:.0f} s. What was not published is fetched by that one. Nothing more is written here."
            )

    async def leave(self) -> None:
        """Give the prefix free. Best effort: who comes next waits a little longer else."""
        if not self.number:
            return
        try:
            await self._objects.put(_key(self.number), self._body(left=True))
        except StorageFailed:
            return

    async def _wait_out(self, number: int) -> None:
        """Wait until the writer `number` is known to be dead. Raises Taken when it is known to live."""
        seen = await self._read(number)
        waited = 0.0
        while seen and not seen.get("left"):
            who = _who(seen)
            dead = who.dead() if who is not None else None
            if dead is False:
                raise self._taken(seen)
            if dead or waited >= self._life_s:
                return
            step = min(1.0, self._life_s / 4)
            await asyncio.sleep(step)
            waited += step
            now = await self._read(number)
            if now != seen and not now.get("left"):
                raise self._taken(now)
            seen = now

    async def _newest(self) -> int:
        found = [_KEY.fullmatch(one.key) for one in await self._objects.listing(WRITERS)]
        return max((int(match[1]) for match in found if match), default=0)

    async def _read(self, number: int) -> dict[str, Any]:
        return _fields(await self._objects.get(_key(number)) or b"{}")

    def _body(self, *, left: bool = False) -> bytes:
        who = {"host": self._who.host, "pid": self._who.pid, "machine": self._who.machine, "started": self._who.started}
        return orjson.dumps({"who": who, "token": self._token, "beats": self._beats, "left": left}) + b"\n"

    def _taken(self, seen: dict[str, Any]) -> Taken:
        who = _who(seen)
        by = f" ({who})" if who is not None else ""
        return Taken(
            f"{self._objects.address}: another crawler{by} is writing to this prefix. Nothing was changed. Wait until "
            "it is done or stop it, or choose another output.dir."
        )


async def ignores_nothing(objects: Objects) -> bool:
    """Whether the store refuses to create an object that is there: asked by creating one twice, with other bytes."""
    await objects.put(PROBE, secrets.token_bytes(16))
    return not await objects.create(PROBE, secrets.token_bytes(16))


def busy_now(objects: Objects) -> bool:
    """Whether somebody writes to a prefix, for people who look: by its writer's last word, and when it was said.

    Blocking. Raises StorageFailed.
    """
    newest = max((one for one in objects.listing_now(WRITERS) if _KEY.fullmatch(one.key)), key=_key_of, default=None)
    raw = None if newest is None else objects.get_now(newest.key)
    if newest is None or raw is None:
        return False
    seen = _fields(raw)
    who = _who(seen)
    silent_s = time.time() - newest.at.timestamp()
    return not seen.get("left") and (who is None or not who.dead()) and silent_s < 3 * LIFE_S


def _key_of(found: Found) -> str:
    return found.key


def _fields(raw: bytes) -> dict[str, Any]:
    try:
        value: Any = orjson.loads(raw)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _key(number: int) -> str:
    return f"{WRITERS}/{number:08d}.json"


def _who(seen: dict[str, Any]) -> Who | None:
    try:
        who = Who(**seen["who"])
        return replace(who, pid=int(who.pid))
    except (KeyError, TypeError, ValueError):
        return None


def _machine() -> str:
    """This boot of this machine and this space of process numbers: containers of one machine have several."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot; "" when there is none. (proc(5): field 22, after the name.)"""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]
