"""Tells libcurl which of its sockets have something to say.

On Linux all of them hang on one epoll of our own, and that one on the loop: a request on a kept connection then costs
one system call here, where adding it to uvloop and taking it away again costs six. Elsewhere the loop watches each.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any, Protocol

import pycurl as _pycurl

curl: Any = _pycurl

Ready = Callable[[int, int], None]
"""A socket, and which of curl.CSELECT_* holds for it."""


_REMOVE: int = curl.POLL_REMOVE
_IN: int = curl.CSELECT_IN
_OUT: int = curl.CSELECT_OUT


class Sockets(Protocol):
    """`watch` is told by libcurl what it wants (curl.POLL_*) of a socket, until `close`."""

    def watch(self, event: int, fd: int, multi: object = None, data: object = None) -> None: ...
    def close(self) -> None: ...


def sockets(loop: asyncio.AbstractEventLoop, ready: Ready, after: Callable[[], None]) -> Sockets:
    """The way that this system has. `after` is called once after all that is ready was told."""
    return OnEpoll(loop, ready, after) if hasattr(select, "epoll") else OnLoop(loop, ready, after)


class OnLoop:
    """Each socket on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready, after: Callable[[], None]) -> None:
        self._loop = loop
        self._ready = ready
        self._after = after
        self._watched: dict[int, int] = {}

    def watch(self, event: int, fd: int, multi: object = None, data: object = None) -> None:
        """See Sockets."""
        old = self._watched.pop(fd, 0)
        new = 0 if event == _REMOVE else event
        if new:
            self._watched[fd] = new
        for flag, add, remove, what in (
            (curl.POLL_IN, self._loop.add_reader, self._loop.remove_reader, _IN),
            (curl.POLL_OUT, self._loop.add_writer, self._loop.remove_writer, _OUT),
        ):
            if new & flag and not old & flag:
                add(fd, self._tell, fd, what)
            elif old & flag and not new & flag:
                remove(fd)

    def close(self) -> None:
        """See Sockets."""
        for fd in list(self._watched):
            self.watch(_REMOVE, fd)

    def _tell(self, fd: int, what: int) -> None:
        self._ready(fd, what)
        self._after()


_MASKS = {
    curl.POLL_NONE: 0,
    curl.POLL_IN: select.EPOLLIN,
    curl.POLL_OUT: select.EPOLLOUT,
    curl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
} if hasattr(select, "epoll") else {}  # fmt: skip


class OnEpoll:
    """All on one epoll. A socket that libcurl lets rest stays on it: most are wanted again soon.

    The kernel takes a closed socket off by itself, and its number may come again as another's: so what is wanted is
    always said anew, and a number that the kernel does not know is put on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready, after: Callable[[], None]) -> None:
        self._loop = loop
        self._ready = ready
        self._after = after
        self._wanted: dict[int, int] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._look)

    def watch(self, event: int, fd: int, multi: object = None, data: object = None) -> None:
        """See Sockets."""
        wanted = self._wanted
        if event == _REMOVE:
            if fd in wanted:
                wanted[fd] = 0
            return
        mask = _MASKS[event]
        try:
            if fd in wanted:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.register(fd, mask)
        except FileNotFoundError:
            self._epoll.register(fd, mask)
        except FileExistsError:
            self._epoll.modify(fd, mask)
        wanted[fd] = mask

    def close(self) -> None:
        """See Sockets."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _look(self) -> None:
        wanted, ready = self._wanted, self._ready
        for fd, events in self._epoll.poll(0):
            if not wanted.get(fd):  # closed by the other side while it rested, most likely
                wanted.pop(fd, None)
                self._forget(fd)
                continue
            what = _OUT if events & select.EPOLLOUT else 0
            if events & ~select.EPOLLOUT:
                what |= _IN
            ready(fd, what)
        self._after()

    def _forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:
            return
