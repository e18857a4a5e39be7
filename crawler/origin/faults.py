"""What goes wrong at the stand-in, decided purely: which request of which path fails how. All of it heals.

A path with faults fails for its first few requests and then works for ever, so a patient crawler always gets
everything: at most three in a row that count as attempts, and at most two more that say "slow down".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crawler.origin.dice import Dice
from crawler.origin.links import WWW


class FaultKind(StrEnum):
    """How a request goes wrong. HOP and DRIP only make it long: who waits gets the whole reply."""

    LIMITED = "limited"
    LIMITED_AFTER = "limited_after"
    LIMITED_DATE = "limited_date"
    UNAVAILABLE = "unavailable"
    UNAVAILABLE_AFTER = "unavailable_after"
    ERROR_500 = "error_500"
    ERROR_502 = "error_502"
    HTML = "html"
    EMPTY = "empty"
    JSON_CUT = "json_cut"
    RESET = "reset"
    RESET_BODY = "reset_body"
    CUT_CLEAN = "cut_clean"
    CUT_SHORT = "cut_short"
    DRIP = "drip"
    STALL = "stall"
    STALL_BODY = "stall_body"
    HOP = "hop"
    BAD_RANGE = "bad_range"


K = FaultKind
SOFT = (K.LIMITED, K.LIMITED_AFTER, K.LIMITED_DATE, K.UNAVAILABLE, K.UNAVAILABLE_AFTER)
"""429 and 503: not the fault of the request, so a crawler need not count them as attempts."""
_BOTH = (K.ERROR_500, K.ERROR_502, K.HTML, K.EMPTY, K.RESET, K.RESET_BODY, K.CUT_SHORT)
_SLOW = (K.DRIP, K.STALL, K.STALL_BODY)
API_KINDS = (*_BOTH, *_BOTH, *_SLOW, K.JSON_CUT, K.JSON_CUT, K.HOP)
IMAGE_KINDS = (*_BOTH, *_BOTH, *_SLOW, K.CUT_CLEAN, K.CUT_CLEAN, K.CUT_SHORT, K.HOP, K.BAD_RANGE)
"""Hard faults, by how often they are drawn: those that cost a test real seconds are rare."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `share` in [0.3, 0.8) is how much of the body comes before a cut, a reset or a stall."""

    kind: FaultKind
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Profile:
    """`share` of all paths have faults, of `kinds` if any are named, else of all."""

    share: float = 0.0
    kinds: tuple[FaultKind, ...] = ()


PROFILES = {
    "none": Profile(),
    "mild": Profile(0.08, tuple(kind for kind in FaultKind if kind not in SOFT)),
    "flaky": Profile(0.08),
    "harsh": Profile(0.35),
}
"""`mild` never says "slow down": a crawl of it shows what goes wrong and heals without a minute's wait."""


def fault(profile: Profile, seed: int, host: str, path: str, nth: int) -> Fault | None:
    """What goes wrong with the `nth` (from 0) request of `path`; None: nothing. Never with robots.txt."""
    planned = plan(profile, seed, host, path)
    return planned[nth] if nth < len(planned) else None


def plan(profile: Profile, seed: int, host: str, path: str) -> tuple[Fault, ...]:
    """All faults of a path, in order."""
    if profile.share <= 0 or path.startswith(("/robots.txt", "/__origin__/")):
        return ()
    dice = Dice(seed, "fault", host, path)
    if not dice.chance(profile.share):
        return ()
    allowed = API_KINDS if host == WWW else IMAGE_KINDS
    hard = [kind for kind in allowed if not profile.kinds or kind in profile.kinds]
    soft = [kind for kind in SOFT if not profile.kinds or kind in profile.kinds]
    kinds = [dice.pick(hard) for _ in range(dice.pick((0, 1, 1, 1, 2, 3)))] if hard else []
    kinds += [dice.pick(soft) for _ in range(dice.pick((0, 0, 0, 0, 0, 0, 1, 2)))] if soft else []
    if not kinds:
        kinds = [dice.pick(hard or soft)] if hard or soft else []
    kinds = dice.some(kinds, len(kinds))
    if K.BAD_RANGE in kinds:
        kinds = [K.CUT_SHORT, K.BAD_RANGE]  # a range is only asked for after a cut
    return tuple(Fault(kind, dice.real(0.3, 0.8)) for kind in kinds)
