"""The queue: each pair to one hand at a time, in the order that was asked for, a random sample of them twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.pairs.estimate import list_errors
from crawler.pairs.judgements import Judged, Judgements, Noted, Pair, Undone
from crawler.pairs.queue import ORDERS, Deal, Queue, Table


class Session:
    """A review that is judged."""

    def __init__(self, queue: Queue) -> None:
        self.judgements = Judgements()
        self.table = Table(queue, self.judgements)
        self.seq = 0

    def judge(self, deal: Deal, verdict: str = "yes") -> Noted:
        noted = self.note(Judged(deal.pair, verdict, again=deal.again))
        self.table.release(deal.pair)
        return noted

    def note(self, said: Judged | Undone) -> Noted:
        self.seq += 1
        noted = Noted(f"{self.seq:09}", "log", self.seq, said)
        self.judgements.apply(noted)
        return noted


def queue_of(n: int, **options: object) -> Queue:
    return Queue({Pair(k, 10_000 + k): (k * 37 % 100) / 100 if k % 5 else None for k in range(n)}, "seed", **options)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(sorted(ORDERS)), st.lists(st.integers(0, 2), min_size=60, max_size=100), st.booleans())
def test_every_pair_is_judged_once_by_somebody(order: str, turns: list[int], sampling: bool) -> None:
    """Three tabs at once: no pair is in two hands, each is judged once, those of the sample once more."""
    session = Session(queue_of(120, again_every=10, gap=8, sampling=sampling))
    seen: list[Deal] = []
    for turn in turns:
        hands = [session.table.deal(f"tab{n}", 4, order, "todo", None) for n in range(3)]
        held = [deal.pair for hand in hands for deal in hand]
        assert len(held) == len(set(held))
        if hands[turn]:
            seen.append(hands[turn][0])
            session.judge(hands[turn][0])
    for name in ("tab1", "tab2"):
        session.table.leave(name)
    while hand := session.table.deal("tab0", 4, order, "todo", None):
        seen.append(hand[0])
        session.judge(hand[0])
    first, second = [d.pair for d in seen if not d.again], [d.pair for d in seen if d.again]
    assert sorted(first) == sorted(session.table.queue.scores)
    assert len(second) == len(set(second)) > 0
    assert all(seen.index(Deal(pair)) < seen.index(Deal(pair, again=True)) for pair in second)


def test_orders_are_what_they_say() -> None:
    """By score, by doubt, the least likely, as listed; what has no score comes last."""
    queue = queue_of(50)
    scores = {order: [queue.scores[pair] for pair in queue.ordered(order)] for order in ORDERS}
    known = {order: [s for s in found if s is not None] for order, found in scores.items()}
    assert known["score"] == sorted(known["score"], reverse=True)
    assert known["worst"] == sorted(known["worst"])
    assert known["doubt"] == sorted(known["doubt"], key=lambda s: abs(s - 0.5))
    assert all(found[-10:] == [None] * 10 for order, found in scores.items() if order in ("score", "doubt", "worst"))
    assert list(queue.ordered("list")) == list(queue.scores)
    assert queue.shuffled == queue_of(50).shuffled != list(queue.scores)
    worst = queue.ordered("worst")[-1]
    queue.score(worst, 0.0)
    assert worst in queue.ordered("worst")[:2]


def test_the_second_time_is_not_at_once() -> None:
    """`gap` judgements lie between, as long as there is anything else to judge."""
    session = Session(queue_of(200, again_every=5, gap=20))
    at: dict[Pair, int] = {}
    for n in range(150):
        deal = session.table.deal("tab", 1, "score", "todo", None)[0]
        if deal.again:
            assert n - at[deal.pair] > 20
        at[deal.pair] = n
        session.judge(deal)
    assert sum(1 for _ in session.judgements.twice()) > 10


def test_a_tab_that_is_opened_again_has_its_hand() -> None:
    """A reload gives the same pairs in the same order; so does a new process, to who says what he held."""
    session = Session(queue_of(60))
    mine = session.table.deal("mine", 6, "score", "todo", None)
    other = session.table.deal("other", 6, "score", "todo", None)
    assert session.table.deal("mine", 6, "score", "todo", None) == mine
    session.judge(mine[0])
    new = Table(queue_of(60), session.judgements)
    assert new.deal("other", 6, "score", "todo", other) == other
    assert new.deal("mine", 6, "score", "todo", mine)[:5] == mine[1:]
    new.leave("mine")
    assert new.deal("other", 20, "score", "todo", other)[6:11] == mine[1:]


def test_what_was_taken_back_comes_to_who_took_it() -> None:
    """An undone pair is first in the hand of who undid it, and in no other."""
    session = Session(queue_of(30))
    mine = session.table.deal("mine", 3, "score", "todo", None)
    noted = session.judge(mine[0])
    session.note(Undone(noted.log, noted.seq))
    session.table.take("mine", mine[0])
    assert session.table.deal("mine", 3, "score", "todo", None)[0] == mine[0]
    assert mine[0] not in session.table.deal("other", 30, "score", "todo", None)


def test_put_off_is_last() -> None:
    """It comes back behind everything else."""
    session = Session(queue_of(12, again_every=0))
    first = session.table.deal("tab", 1, "score", "todo", None)[0]
    session.table.put_off(first.pair)
    rest = session.table.deal("tab", 12, "score", "todo", [])
    assert rest[-1] == first
    assert len(rest) == 12


def test_unsure_and_differing_can_be_looked_at_again() -> None:
    """Each list holds what it says, and what was settled leaves it."""
    session = Session(queue_of(12, again_every=1, gap=0))
    deals = session.table.deal("tab", 3, "list", "todo", None)
    for deal, verdict in zip(deals, ("unsure", "yes", "no"), strict=True):
        session.judge(deal, verdict)
    session.judge(Deal(deals[1].pair, again=True), "no")
    shown = {show: [d.pair for d in session.table.deal("tab", 9, "list", show, [])] for show in ("unsure", "differ")}
    assert shown == {"unsure": [deals[0].pair], "differ": [deals[1].pair]}
    session.judge(Deal(deals[0].pair))
    session.judge(Deal(deals[1].pair))
    assert [session.table.deal("tab", 9, "list", show, []) for show in ("unsure", "differ")] == [[], []]


def test_a_list_is_sampled_whatever_its_order() -> None:
    """One in ten pairs comes from the random order, so the estimate of what is wrong in a list has a sample."""
    session = Session(queue_of(400, again_every=0, sampling=True))
    for _ in range(200):
        session.judge(session.table.deal("tab", 1, "worst", "todo", [])[0], "no")
    assert list_errors(session.table.queue.shuffled, session.judgements).sample >= 20
