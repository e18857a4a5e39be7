"""docs/reference/outcomes.md: what became of each id and image, why, and what can be done about it."""

from __future__ import annotations

from typing import get_args, get_type_hints

from meanings import CLOSED, FAILURES, GONE, RULES, THROTTLED, VOIDED
from written import page as joined
from written import table

from crawler.model import Absent, Failure, Kind
from crawler.rules.retry import BREAKER, DENIED_MAX, FINAL, REFUSALS, REFUSALS_MAX, permanent
from crawler.rules.settings import FilterSettings

STOPPING = (Kind.SESSION_REFUSED, Kind.CHALLENGE)


def page() -> str:
    """The page."""
    reasons = get_args(get_type_hints(Absent)["reason"])
    return joined(
        "# Outcomes and reasons",
        "Every id of the list ends as one of four, and `listed = done + gone + failed + pending` holds at every "
        "moment:",
        table(
            ("outcome", "means"),
            (
                ("`done`", "every image of the work is on disk, checked"),
                ("`gone`", "the site's answer is final: there is nothing to get, for the reason it gave"),
                ("`failed`", "the work could not be described, or one of its images could not be had"),
                ("`pending`", "not yet asked for, or not finished: the next run goes on"),
            ),
        ),
        "## Why a work is gone",
        table(("reason", "means", "what you can do"), ((f"`{name}`", *GONE[name]) for name in reasons)),
        "A `filtered` work says which rule of `[filter]` refused it; the first that does is named:",
        table(
            ("rule", "the work"), ((f"`{name}`", RULES[name]) for name in (*FilterSettings.model_fields, "manifest"))
        ),
        "## Why something failed",
        "A failure is of a work (it could not be described) or of one image. *In the run* says whether the same "
        "request "
        "is made again before it is given up; *after that* what the next run does. Failures for good are left "
        "alone until "
        "`crawler run CONFIG --recheck failed`. An original that is broken for good is replaced by the site's smaller "
        "rendition where `site.fallback` allows it, and is then no failure.",
        table(
            ("reason", "means", "in the run", "after that", "what you can do"),
            ((f"`{k.value}`", FAILURES[k.value][0], _in_run(k), _after(k), FAILURES[k.value][1]) for k in Kind),
        ),
        f"A host that refuses (429, 503) {BREAKER} times in a row with no good answer between stops the run "
        f"with exit 6, "
        f"and so do {DENIED_MAX} different URLs in a row that are answered 403; one request that is refused "
        f"{REFUSALS_MAX} "
        "times while others are answered is given up for now.",
        "## Why a run ended",
        table(("`closed` says", "means", "exit code"), ((f"`{name}`", *said) for name, said in CLOSED.items())),
        "A log whose last run has no `closed` line ended without one: killed, or without power. The next run goes on.",
        "## Why a limiter changed its mind",
        table(("`throttled` says", "means"), ((f"`{name}`", said) for name, said in THROTTLED.items())),
        "## Why a line no longer holds",
        table(("`voided` says", "means"), ((f"`{name}`", said) for name, said in VOIDED.items())),
    )


def _in_run(kind: Kind) -> str:
    if kind in STOPPING:
        return "stops the run"
    if kind in FINAL:
        return "not asked again"
    if kind in REFUSALS:
        return "asked again when the host may be asked; uses up no attempt"
    return "asked again, `retry.attempts` times in all"


def _after(kind: Kind) -> str:
    if kind in STOPPING:
        return "stays pending"
    failure = Failure(kind, status=500 if kind is Kind.SERVER_ERROR else None)
    image, work = permanent(failure, "images"), permanent(failure, "api")
    if image and work:
        return "for good"
    return "an image: for good; a work: tried again" if image else "tried again"
