"""Failures that are meant for a whole run, of works as of lists: what it stops with, in words."""

from __future__ import annotations

from collections.abc import Callable

from crawler.model import Failure, Kind
from crawler.stop import Blocked, Draining, SessionRefused, Stop


def heed(failure: Failure, what: str, stop: Callable[[Stop], None]) -> None:
    """Some failures are meant for the whole run: then `stop` is told, and what was asked for stays to be had.

    `what` was asked for, as people say it. Raises Draining then.
    """
    told = meant_for_all(failure, what)
    if told is not None:
        stop(told)
        raise Draining


def meant_for_all(failure: Failure, what: str) -> Stop | None:
    """What a run must stop with; None for a failure of this one alone."""
    if failure.kind is Kind.SESSION_REFUSED:
        return SessionRefused(
            f"{what}: the site refused the session (status {failure.status}). Nothing more is asked of it. "
            "Log in with a browser, put the fresh PHPSESSID into your session file and run the same command again; "
            "without a session, what is open to everybody can still be had."
        )
    if failure.kind is Kind.CHALLENGE:
        return Blocked(
            f"{what}: the site answers with a challenge page (status {failure.status}): it takes us for a robot "
            "that it does not want. Nothing is done to get around it. Wait some hours, lower limits.api.rate, "
            "and run the same command again."
        )
    return None
