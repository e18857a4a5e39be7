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


class Sockets(Protocol):
    """`watch` what libcurl says (curl.POLL_*) of a socket, until `close`."""

    def watch(self, fd: int, event: int) -> None: ...
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

    def watch(self, fd: int, event: int) -> None:
        """See Sockets."""
        old = self._watched.pop(fd, 0)
        new = 0 if event == curl.POLL_REMOVE else event
        if new:
            self._watched[fd] = new
        for flag, add, remove, what in (
            (curl.POLL_IN, self._loop.add_reader, self._loop.remove_reader, curl.CSELECT_IN),
            (curl.POLL_OUT, self._loop.add_writer, self._loop.remove_writer, curl.CSELECT_OUT),
        ):
            if new & flag and not old & flag:
                add(fd, self._tell, fd, what)
            elif old & flag and not new & flag:
                remove(fd)

    def close(self) -> None:
        """See Sockets."""
        for fd in list(self._watched):
            self.watch(fd, curl.POLL_REMOVE)

    def _tell(self, fd: int, what: int) -> None:
        self._ready(fd, what)
        self._after()


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

    def watch(self, fd: int, event: int) -> None:
        """See Sockets."""
        if event == curl.POLL_REMOVE:
            if fd in self._wanted:
                self._wanted[fd] = 0
            return
        mask = (select.EPOLLIN if event & curl.POLL_IN else 0) | (select.EPOLLOUT if event & curl.POLL_OUT else 0)
        try:
            if fd in self._wanted:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.register(fd, mask)
        except FileNotFoundError:
            self._epoll.register(fd, mask)
        except FileExistsError:
            self._epoll.modify(fd, mask)
        self._wanted[fd] = mask

    def close(self) -> None:
        """See Sockets."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _look(self) -> None:
        for fd, events in self._epoll.poll(0):
            if not self._wanted.get(fd):  # closed by the other side while it rested, most likely
                self._wanted.pop(fd, None)
                self._forget(fd)
                continue
            what = curl.CSELECT_OUT if events & select.EPOLLOUT else 0
            if events & ~select.EPOLLOUT:
                what |= curl.CSELECT_IN
            self._ready(fd, what)
        self._after()

    def _forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:
            return
