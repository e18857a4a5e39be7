"""Signals and the loop around something that takes long: a crawl, or collecting."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import uvloop

from crawler.cli.errors import ConfigError
from crawler.cli.loading import Loaded
from crawler.cli.talk import Talk
from crawler.engine.settings import LimitsSettings

T = TypeVar("T")

YOUNG = 20_000
"""So many more containers made than dropped, and Python looks for circles among them."""


class Job(Protocol):
    """What can be told to go home, and to obey other limits."""

    def drain(self, reason: str, code: int) -> None: ...
    def reload(self, limits: LimitsSettings) -> None: ...


def conduct(
    job: Job, live: Callable[[], Awaitable[T]], talk: Talk, again: Callable[[], Loaded] | None = None
) -> T | int:
    """`live` to its end on uvloop. First SIGINT or SIGTERM drains, a second stops now (then: the exit code alone).

    SIGHUP takes [limits] from the settings that `again` reads; settings that cannot be used change nothing.
    """

    async def main() -> T:
        loop = asyncio.get_running_loop()
        this = asyncio.current_task()
        assert this is not None
        caught: list[int] = []

        def on_signal(number: int) -> None:
            caught.append(number)
            if len(caught) == 1:
                talk.draining()
                job.drain("interrupted", 128 + number)
            else:
                this.cancel()

        def on_hangup() -> None:
            try:
                limits = again().settings.limits if again else None
            except ConfigError as error:
                talk.warn("\n".join((*error.lines, "The limits stay as they were.")))
                return
            if limits is not None:
                job.reload(limits)
                talk.say("The limits were read again.")

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
        return await live()

    # What was made until now stays, and of what a crawl makes nearly nothing goes in circles: looking for those that do
    # as often as Python does by itself takes a twentieth of all CPU.
    gc.freeze()
    gc.set_threshold(YOUNG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(main())
        except asyncio.CancelledError:
            return 130
