"""The fast lane: GETs by libcurl on the event loop. The way on which most requests go; see `client` for which do not.

libcurl does connections, TLS and HTTP/1.1 framing; what is ours is done by ours: it follows no redirect, asks no proxy,
keeps no cookie, unpacks nothing, and repeats nothing. Every address is judged before its socket is made, and each
request, on a kept connection too, is let out by `_before` only if the address really connected was judged well and it
is this transfer's first: libcurl would send a request again by itself when a kept connection turns out dead, and no
limiter would know.

Why libcurl (medians on one core, perf.md): for 20 and 300 KB under TLS it costs 88 and 453 us an image, a client of our
own over asyncio.BufferedProtocol 104 and 512, aiohttp 295 and 817. Ours would be faster on plain HTTP only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from crawler.fetch.lane_errors import lane_failure
from crawler.fetch.lane_sockets import sockets
from crawler.fetch.lane_transfer import Transfer, taking
from crawler.hidden import Hidden
from crawler.model import Failure, Kind

import pycurl as _pycurl  # isort: skip

curl: Any = _pycurl

_IDLE_WIRES = 64
_KEPT_CONNECTIONS = 256
_KEPT_S = 30
_JUDGED = 4096
_BUFFER_BYTES = 256 * 1024
"""What libcurl reads at once; its own 16 KB cost a tenth more at 300 KB."""
_URL: int = curl.URL
_SOCKET: int = curl.ACTIVESOCKET
_TIMEOUT: int = curl.SOCKET_TIMEOUT
_GO, _ABORT = int(curl.PREREQFUNC_OK), int(curl.PREREQFUNC_ABORT)

Guard = Callable[[str, int], str | None]
"""Why an address (IP, port) is not connected to, or None."""


class _Wire:
    """A libcurl handle with our callbacks, used for one transfer after another."""

    __slots__ = (
        "_judge", "_time", "fields", "handle", "lines", "paused", "pieces", "place", "size", "transfer", "trusting",
    )  # fmt: skip

    def __init__(self, judge: Guard, time: Callable[[], float]) -> None:
        self._time = time
        self.transfer: Transfer | None = None
        self.fields: list[str] | None = None
        self.place = ""
        self.trusting = False
        self._judge = judge
        self.handle = handle = curl.Curl()
        handle.wire = self
        handle.setopt(curl.NOSIGNAL, 1)
        handle.setopt(curl.PROTOCOLS, curl.PROTO_HTTP | curl.PROTO_HTTPS)
        handle.setopt(curl.PROXY, "")  # nor one that the environment names
        handle.setopt(curl.HTTP_VERSION, curl.CURL_HTTP_VERSION_1_1)
        handle.setopt(curl.PATH_AS_IS, 1)
        handle.setopt(curl.BUFFERSIZE, _BUFFER_BYTES)
        handle.setopt(curl.MAXAGE_CONN, _KEPT_S)
        handle.setopt(curl.SSLVERSION, curl.SSLVERSION_TLSv1_2)
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []
        handle.setopt(curl.HEADERFUNCTION, self.lines.append)
        self.size = 0
        self.paused = False
        body = taking(self)
        next(body)
        handle.setopt(curl.WRITEFUNCTION, body.send)
        handle.setopt(curl.OPENSOCKETFUNCTION, self._open)
        handle.setopt(curl.PREREQFUNCTION, self._before)

    def _open(self, _purpose: int, where: Any) -> Any:
        """The guard: called with the very address that is about to be connected to."""
        family, kind, proto, there = where[:4]
        transfer = self.transfer
        if transfer is None or family not in (socket.AF_INET, socket.AF_INET6):
            return curl.SOCKET_BAD
        why = self._judge(str(there[0]), int(there[1]))
        if why is not None:
            transfer.refused = why
            return curl.SOCKET_BAD
        transfer.allowed = True
        return _Duplicated(socket.socket(family, kind, proto))

    def _before(self, there: str, _here: str, port: int, _local: int) -> int:
        transfer = self.transfer
        if transfer is None or transfer.sent:
            return _ABORT
        why = self._judge(there, port)
        if why is not None:
            transfer.refused = why
            return _ABORT
        transfer.sent = True
        transfer.heard = self._time()
        return _GO


class _Duplicated:
    """A socket that pycurl duplicates: ours is closed with this object."""

    def __init__(self, made: socket.socket) -> None:
        self._made = made

    def fileno(self) -> int:
        return self._made.fileno()

    def __del__(self) -> None:
        self._made.close()


class CurlLane:
    """All transfers of a client, on one libcurl multi handle. `close` when done."""

    def __init__(
        self, guard: Guard, trust: Callable[[], str], connect_s: float, idle_s: float, window_s: float
    ) -> None:
        """`trust` gives the path of the CA file; asked when the first https URL is. Raises OSError when it cannot."""
        self.loop = asyncio.get_running_loop()
        self._guard = guard
        self._trust = trust
        self._connect_ms = max(1, int(connect_s * 1000))
        self._idle_s = idle_s
        self._head_s = connect_s + idle_s + window_s
        self._sweep_s = min(1.0, max(0.01, min(idle_s, window_s) / 8))
        self._sweeping: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._free: list[_Wire] = []
        self._busy: dict[Transfer, None] = {}
        self._running = 0
        self._fires = 0.0
        self._on: dict[int, Transfer] = {}
        self._stirred: list[int] = []
        self._sockets = sockets(self.loop, self._ready, self._settle)
        self._judged: dict[tuple[str, int], str | None] = {}
        self._multi = multi = curl.CurlMulti()
        multi.setopt(curl.M_MAXCONNECTS, _KEPT_CONNECTIONS)
        multi.setopt(curl.M_PIPELINING, 0)
        multi.setopt(curl.M_SOCKETFUNCTION, self._sockets.watch)

    def get(self, url: str, place: str, fields: list[str], *, tls: bool) -> Transfer:
        """Send one GET. `place` is where to connect instead ("ip:port", "" = where the URL says); `fields` header
        lines, the same list object again when they are the same. Raises ValueError for what cannot be sent."""
        wire = self._free.pop() if self._free else self._new_wire()
        handle = wire.handle
        try:
            handle.setopt(_URL, url)
            if wire.fields is not fields:
                handle.setopt(curl.HTTPHEADER, fields)
                wire.fields = fields
            if wire.place != place or (tls and not wire.trusting):
                self._lead(wire, place, tls=tls)
        except BaseException:
            handle.close()
            raise
        wire.lines.clear()
        wire.size, wire.paused = 0, False
        transfer = wire.transfer = Transfer(self, wire, self.loop.time() + self._head_s)
        self._busy[transfer] = None
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(self._sweep_s, self._sweep)
        self._multi.add_handle(handle)
        self._running = self._multi.socket_action(_TIMEOUT, 0)[1]
        self._settle()
        return transfer

    def _lead(self, wire: _Wire, place: str, *, tls: bool) -> None:
        """Make a wire lead to another place, and trust who is there."""
        if wire.place != place:
            if place:
                wire.handle.setopt(curl.CONNECT_TO, [f"::{place}"])
            else:
                wire.handle.unsetopt(curl.CONNECT_TO)  # an empty list would change nothing
            wire.place = place
        if tls and not wire.trusting:
            wire.handle.setopt(curl.CAINFO, self._trust())
            wire.trusting = True

    def resume(self, transfer: Transfer) -> None:
        """Go on with a transfer that was paused."""
        transfer.wire.handle.pause(curl.PAUSE_CONT)
        self._collect()
        self._settle()

    def drop(self, transfer: Transfer, failure: Failure | None = None) -> None:
        """End a transfer before its end: its connection is closed."""
        wire: _Wire | None = transfer.wire
        if wire is not None:
            self._multi.remove_handle(wire.handle)
            self._release(transfer, wire, failure)

    def close(self) -> None:
        """End all transfers and close all connections."""
        for transfer in list(self._busy):
            self.drop(transfer, Failure(Kind.RESET, "the client was closed"))
        for timer in (self._timer, self._sweeping):
            if timer is not None:
                timer.cancel()
        for wire in self._free:
            wire.handle.close()
        self._free.clear()
        self._multi.close()
        self._sockets.close()
        self._timer = self._sweeping = None

    def _new_wire(self) -> _Wire:
        wire = _Wire(self._judge, self.loop.time)
        wire.handle.setopt(curl.CONNECTTIMEOUT_MS, self._connect_ms)
        return wire

    def _judge(self, ip: str, port: int) -> str | None:
        there = (ip, port)
        try:
            return self._judged[there]
        except KeyError:
            pass
        if len(self._judged) >= _JUDGED:
            self._judged.clear()
        why = self._judged[there] = self._guard(ip, port)
        return why

    # -- between libcurl and the loop ----------------------------------------------------------------

    def _ready(self, fd: int, what: int) -> None:
        running = self._multi.socket_action(fd, what)[1]
        if running == self._running:  # nothing has come to its end
            self._stirred.append(fd)
        self._running = running

    def _settle(self) -> None:
        """See to what has come to its end, to what has come and not ended, and to when libcurl wants to be called. It
        could tell that by itself, several times a request; that it is asked instead, once for all that was ready, costs
        a tenth of it."""
        if self._running != len(self._busy):
            self._collect()
        if self._stirred:
            self._look()
        ms = self._multi.timeout()
        if ms >= 0:
            due = self.loop.time() + ms / 1000
            if self._timer is None or self._fires > due:
                if self._timer is not None:
                    self._timer.cancel()
                self._fires = due  # uvloop's handles do not tell
                self._timer = self.loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._running = self._multi.socket_action(_TIMEOUT, 0)[1]
        self._settle()
        # Those that were paused go on from here, and no socket is named.
        for transfer in [one for one in self._busy if one.unseen]:
            transfer.look()

    def _look(self) -> None:
        """Let those look whose sockets had something, and who are not at their end."""
        stirred, self._stirred = self._stirred, []
        on = self._on
        for fd in stirred:
            transfer = on.get(fd)
            if transfer is None:
                self._find()
                transfer = on.get(fd)
            if transfer is not None and not transfer.done:
                transfer.look()

    def _find(self) -> None:
        """See which sockets transfers are on. Most have come to their end before anybody wants to know."""
        for transfer in self._busy:
            if transfer.sent and transfer.fd < 0:
                transfer.fd = fd = transfer.wire.handle.getinfo(_SOCKET)
                self._on[fd] = transfer

    def _collect(self) -> None:
        """See to what has come to its end."""
        more = True
        while more:
            more, well, badly = self._multi.info_read()
            for handle in well:
                self._ended(handle.wire, None)
            for handle, code, text in badly:
                self._ended(handle.wire, (code, text))

    def _ended(self, wire: _Wire, error: tuple[int, str] | None) -> None:
        transfer = wire.transfer
        self._multi.remove_handle(wire.handle)
        if transfer is None:
            return
        failure = None
        if error is not None:
            transfer.look_at_head()
            if transfer.refused and not transfer.allowed:
                failure = Failure(Kind.ADDRESS, transfer.refused)
            else:
                failure = lane_failure(*error, in_head=not transfer.headed, sent=transfer.sent)
        self._release(transfer, wire, failure)

    def _release(self, transfer: Transfer, wire: _Wire, failure: Failure | None) -> None:
        del self._busy[transfer]
        self._running = min(self._running, len(self._busy))  # libcurl was not asked
        if transfer.fd >= 0:
            self._on.pop(transfer.fd, None)
        wire.transfer = None
        transfer.finish(failure)
        if len(self._free) < _IDLE_WIRES:
            self._free.append(wire)
        else:
            wire.handle.close()

    def _sweep(self) -> None:
        """Look after everybody who waits: silence and endless heads are cut, slow bodies shown to readers."""
        now = self.loop.time()
        for transfer in list(self._busy):
            transfer.look_at_head()
            if not transfer.headed and now >= transfer.head_by:
                self.drop(transfer, Failure(Kind.SLOW, f"no complete head within {self._head_s:.0f} s"))
            elif transfer.sent and transfer.waited_for and now - transfer.heard >= self._idle_s:
                self.drop(transfer, Failure(Kind.IDLE, f"no byte for {self._idle_s:g} s"))
            elif transfer.waited_for:
                transfer.wake_to_judge()
        self._sweeping = self.loop.call_later(self._sweep_s, self._sweep) if self._busy else None


def header_lines(fields: Sequence[tuple[str, str]]) -> list[str]:
    """Header lines as libcurl takes them. Raises ValueError for what would be another header, or none."""
    out: list[str] = []
    for name, value in fields:
        if not name or any(c in "\r\n\0" for c in name + value) or ":" in name or ";" in name:
            raise ValueError(f"header {name[:40]!r} cannot be sent")
        # libcurl: "Name:" would leave the header out, "Name;" sends it with nothing in it.
        kind = Hidden if isinstance(value, Hidden) else str
        out.append(kind(f"{name}: {value}" if value.strip() else f"{name};"))
    return out
