"""A learner, and what happens to it."""

from crawler.rules.learning import Learner, Memory

NOW = 100.0


def learner(budget: float = 16.0, memory: Memory | None = None) -> Learner:
    return Learner(budget, 0.0, memory)


def block(learner: Learner, at: float, *, lasted: bool = True, limited: bool = True, for_s: float = 5.0) -> None:
    """A refusal at that time, and a host that answers again after so many seconds."""
    learner.hit(at, at)
    learner.over(at + for_s, lasted=lasted, limited=limited)


def burst(learner: Learner, at: float, many: int, *, refused: bool = True) -> None:
    """So many requests at one moment pass, and one more is refused: a bucket of that size was full."""
    for _ in range(many):
        learner.sent(at)
    learner.clean(at, at)
    if refused:
        learner.sent(at)
        learner.hit(at, at)


def climbed(learner: Learner, start: float, seconds: float, step: float = 0.05) -> float:
    """The rate after good replies at this pace."""
    now = start
    while now < start + seconds - step / 2:
        now += step
        learner.clean(now, now)
    return learner.rate


def twice_met(room: int = 20) -> Learner:
    """Two bursts of the same size refused: one bucket explains both, of whatever rate."""
    one = learner()
    burst(one, 100.0, room)
    one.over(105.0, lasted=True, limited=True)
    burst(one, 1e5, room)
    return one
