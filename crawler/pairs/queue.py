"""Which pair comes next: the order of a list of pairs, a random sample asked for twice, and who holds which. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from crawler.pairs.judgements import Judgements, Pair

ORDERS: Mapping[str, str] = {
    "score": "most likely first",
    "doubt": "most in doubt first",
    "worst": "least likely first",
    "random": "random",
    "list": "as listed",
}
SHOWS: Mapping[str, str] = {
    "todo": "not judged yet",
    "unsure": "judged unsure",
    "differ": "judged twice, differently",
}
AGAIN_EVERY = 20
"""One in so many pairs is asked for a second time."""
GAP = 40
"""So many judgements lie between the first time and the second: nobody remembers the answer, only the pair."""
SAMPLE_EVERY = 10
"""Of a list whose errors are looked for, one in so many pairs comes from the random order, whatever order is chosen."""


@dataclass(frozen=True, slots=True)
class Deal:
    """A pair to judge; `again`: for the second time, which is not to be shown."""

    pair: Pair
    again: bool = False


@dataclass(slots=True)
class Queue:
    """The pairs of a list with their scores (0 to 1, None: not known). `sampling`: estimate what is wrong in the list.

    The same list, seed and judgements give the same queue.
    """

    scores: dict[Pair, float | None]
    seed: str = ""
    sampling: bool = False
    again_every: int = AGAIN_EVERY
    gap: int = GAP
    shuffled: Sequence[Pair] = ()
    _chosen: frozenset[Pair] = frozenset()
    _orders: dict[str, list[Pair]] = field(default_factory=dict[str, list[Pair]])

    def __post_init__(self) -> None:
        self.shuffled = sorted(self.scores, key=lambda pair: self._dice("order", pair))
        if self.again_every > 0:
            self._chosen = frozenset(p for p in self.scores if self._dice("again", p) % self.again_every == 0)

    def _dice(self, what: str, pair: Pair) -> int:
        text = f"{self.seed}/{what}/{pair.colored}/{pair.sketch}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def score(self, pair: Pair, score: float) -> None:
        """A better score is known."""
        self.scores[pair] = score
        self._orders.clear()

    def ordered(self, order: str) -> Sequence[Pair]:
        """All pairs in an order of ORDERS; what has no score comes last, as listed."""
        if order == "random":
            return self.shuffled
        if order not in self._orders:
            pairs = list(self.scores)
            if order != "list":
                pairs.sort(key=lambda pair: _rank(order, self.scores[pair]))
            self._orders[order] = pairs
        return self._orders[order]

    def coming(self, judgements: Judgements, order: str, show: str) -> Iterator[Deal]:
        """Every pair that is to be judged, next first. What is due to be asked for again comes before anything new."""
        if show != "todo":
            yield from (Deal(pair) for pair in self.ordered(order) if _shown(judgements, pair, show))
            return
        yield from (Deal(pair, again=True) for pair in self.due(judgements, self.gap))
        todo = (pair for pair in self.ordered(order) if judgements.last(pair) is None)
        if self.sampling and judgements.count % SAMPLE_EVERY == SAMPLE_EVERY - 1:
            drawn = next((pair for pair in self.shuffled if judgements.last(pair) is None), None)
            todo = chain((drawn,) if drawn else (), (pair for pair in todo if pair != drawn))
        yield from map(Deal, todo)
        # Nothing new is left: of the sample the rest, however short ago it was.
        yield from (Deal(pair, again=True) for pair in self.due(judgements, 1, self.gap))

    def due(self, judgements: Judgements, least: int, most: int | None = None) -> Iterator[Pair]:
        """Pairs of the sample that were judged once, at least `least` and less than `most` judgements ago."""
        found: list[tuple[int, Pair]] = []
        for pair in self._chosen:
            history = judgements.history(pair)
            if history and not any(said.again for _, said in history):
                since = judgements.since(history[-1][0])
                if since >= least and (most is None or since < most):
                    found.append((-since, pair))
        return (pair for _, pair in sorted(found))


def _shown(judgements: Judgements, pair: Pair, show: str) -> bool:
    history = [said for _, said in judgements.history(pair)]
    if show == "unsure":
        return bool(history) and history[-1].verdict == "unsure"
    # Somebody who looked once more, knowing both answers, has settled it.
    return len(history) > 1 and history[-1].again and history[-1].verdict != history[-2].verdict


def _rank(order: str, score: float | None) -> tuple[bool, float]:
    if score is None:
        return True, 0.0
    return False, {"score": -score, "doubt": abs(score - 0.5), "worst": score}[order]


class Table:
    """Who holds which pair: each is in one hand at most, so that two tabs never judge the same."""

    def __init__(self, queue: Queue, judgements: Judgements) -> None:
        self.queue = queue
        self.judgements = judgements
        self._hands: dict[str, dict[Pair, Deal]] = {}
        self._put_off: dict[Pair, None] = {}

    def deal(self, hand: str, want: int, order: str, show: str, held: Iterable[Deal] | None = None) -> list[Deal]:
        """What a hand holds from now on, at most `want`: of what it says that it holds (None: as known) what is still
        to be judged and in no other hand, in its order, and then what comes next in the queue.
        """
        others = {pair for name, cards in self._hands.items() if name != hand for pair in cards}
        before = self._hands.get(hand, {}).values() if held is None else held
        due = frozenset(self.queue.due(self.judgements, 1))
        cards = {d.pair: d for d in before if d.pair not in others and self._open(d, show, due)}
        coming = (d for d in self._coming(order, show) if d.pair not in others and d.pair not in cards)
        for deal in islice(coming, max(0, want - len(cards))):
            cards[deal.pair] = deal
        self._hands[hand] = dict(islice(cards.items(), max(want, len(cards))))
        return list(self._hands[hand].values())

    def beyond(self, hand: str, count: int, order: str, show: str) -> list[Pair]:
        """What a hand holds and what it will be dealt then, at most `count`; nobody takes it yet."""
        mine = self._hands.get(hand, {})
        held = {pair for cards in self._hands.values() for pair in cards}
        coming = (deal.pair for deal in self._coming(order, show) if deal.pair not in held)
        return [*mine, *islice(coming, max(0, count - len(mine)))]

    def _open(self, deal: Deal, show: str, due: frozenset[Pair]) -> bool:
        if deal.pair not in self.queue.scores:
            return False
        if deal.again:
            return deal.pair in due
        return self.judgements.last(deal.pair) is None or (show != "todo" and _shown(self.judgements, deal.pair, show))

    def _coming(self, order: str, show: str) -> Iterator[Deal]:
        later: list[Deal] = []
        for deal in self.queue.coming(self.judgements, order, show):
            if deal.pair in self._put_off:
                later.append(deal)
            else:
                yield deal
        places = {pair: n for n, pair in enumerate(self._put_off)}
        yield from sorted(later, key=lambda deal: places[deal.pair])

    def put_off(self, pair: Pair) -> None:
        """Behind everything else, until the review is started anew."""
        self._put_off.pop(pair, None)
        self._put_off[pair] = None
        self.release(pair)

    def take(self, hand: str, deal: Deal) -> None:
        """Into this hand, and out of every other: what it undid comes back to it."""
        self.release(deal.pair)
        self._hands[hand] = {deal.pair: deal} | self._hands.get(hand, {})

    def release(self, pair: Pair) -> None:
        """Out of every hand: it was judged."""
        for cards in self._hands.values():
            cards.pop(pair, None)

    def leave(self, hand: str) -> None:
        """What a hand held is free again."""
        self._hands.pop(hand, None)
