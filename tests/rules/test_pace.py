"""The pace of one host, reply by reply: how long blocks last, which refusals are news, what a next run is told."""

import pytest

from crawler.rules.learning import PATIENCE_S, Memory
from crawler.rules.rate import RETRY_AFTER_MAX_S, Change, Pace
from crawler.rules.settings import RetrySettings


def pace(
    rate: float = 10, *, adaptive: bool = False, memory: Memory | None = None, cap_s: float = 120, base_s: float = 1
) -> Pace:
    return Pace(rate, 1, 0.0, adaptive=adaptive, retry=RetrySettings(base_s=base_s, cap_s=cap_s), memory=memory)


def until(change: Change | None) -> float:
    assert change is not None
    assert change.until is not None
    return change.until


# -- refusals --------------------------------------------------------------------------------------


def test_an_hour_is_the_most_that_is_waited_and_less_than_nothing_is_nothing() -> None:
    """Retry-After below the own pause, below zero, and above an hour."""
    assert until(pace().refused(1, 1, -5, "429")) == 2
    assert until(pace().refused(1, 1, 1.5, "429")) == 2.5
    assert until(pace().refused(1, 1, 5000, "429")) == 1 + RETRY_AFTER_MAX_S == 3601


def test_late_replies_of_a_window_are_news_only_where_they_ask_for_more() -> None:
    """What was sent before the last cut, or in its very moment: a longer wait is told, the same one is not."""
    p = pace()
    assert until(p.refused(1, 5, 10, "429")) == 15
    assert p.refused(5, 6, 9, "429") is None
    assert p.refused(5, 6, None, "429") is None
    assert p.refused(5, 6, 9.5, "again") == Change(10, 15.5, "again")
    assert p.blocked_until == 15.5
    assert p.refused(5, 20, None, "429") is None, "nor is one that comes when the block is over"
    assert p.blocks == 1
    assert until(p.refused(5.1, 7, None, "429")) == 15.5, "a block is never shortened"
    assert p.blocks == 2


def test_nothing_goes_now_while_a_block_is_probed() -> None:
    """`reserve_now` leaves a blocked host to those who wait in line; and takes a turn only when it is due."""
    p = pace(2)
    assert not p.reserve_now(0.4)
    assert p.reserve_now(0.5)
    p.refused(1, 1, None, "429")
    assert not p.reserve_now(50)
    p.clean(2, 50)
    assert p.reserve_now(50)
    assert p.ready == 50.5


@pytest.mark.parametrize(("rate", "adaptive"), [(10, False), (10, True), (0, False)])
def test_the_second_block_is_probed_when_the_first_one_was_over(rate: float, adaptive: bool) -> None:
    """The first took 15 s of growing pauses to find out; of the second one, only the first pause is a guess."""
    p = pace(rate, adaptive=adaptive)
    assert [until(p.refused(t, t, None, "429")) for t in (1, 2, 4, 8)] == [2, 4, 8, 16]
    p.clean(16, 16)
    assert until(p.refused(100, 100, None, "429")) == 101
    assert until(p.refused(101, 101, None, "429")) == 115
    assert until(p.refused(115, 115, None, "429")) == 119, "longer than that: the pauses grow again"
    p.clean(131, 131)
    for t in (200, 201):
        last = until(p.refused(t, t, None, "429"))
    assert last == 231, "the longer one is what is known now"


def test_a_block_that_was_over_sooner_than_known_teaches_nothing() -> None:
    """The last refusal came before the known length was up: how long it lasted is not seen."""
    p = pace(memory=Memory(10, block_s=60))
    assert [until(p.refused(t, t, None, "429")) for t in (1, 2)] == [2, 61]
    p.clean(62, 62)
    assert p.memory(62).block_s == 60
    assert [until(p.refused(t, t, None, "429")) for t in (100, 101)] == [101, 160]
    assert until(p.refused(160, 160, None, "429")) == 164
    p.clean(164, 165)
    assert p.memory(165).block_s == 64


def test_refusals_that_pass_at_once_are_waited_out_for_less_and_less() -> None:
    """Half the first pause each time, down to a sixteenth; one that lasts brings the whole one back."""
    p, waits, now = pace(), [], 10.0
    for _ in range(7):
        end = until(p.refused(now, now, None, "503"))
        waits.append(end - now)
        p.clean(end, end)
        now += 10
    assert waits == [1, 0.5, 0.25, 0.125, 0.0625, 0.0625, 0.0625]
    p.refused(now, now, None, "503")
    assert until(p.refused(now + 1, now + 1, None, "503")) == now + 3, "only the first pause is shorter"
    p.clean(now + 3, now + 3)
    assert until(p.refused(now + 50, now + 50, None, "503")) == now + 51
    p.clean(now + 51, now + 51)
    assert until(p.refused(now + 60, now + 60, None, "503")) == now + 60.5


def test_pauses_may_be_short() -> None:
    """Nothing is known of how long blocks last before one was seen."""
    p = pace(base_s=0.1)
    waits = [until(p.refused(t, t, None, "429")) - t for t in (1.0, 1.1, 1.3)]
    assert waits == pytest.approx([0.1, 0.2, 0.4])


def test_where_refusals_are_noise_five_in_a_row_are_a_block() -> None:
    """A host without a limit: four more than the first before it counts as one, and before the length that is known
    is waited for."""
    p = pace(0, adaptive=True, cap_s=10)
    for t in (1, 2, 4, 8):
        p.refused(t, t, None, "429")
    p.clean(16, 16)
    assert (p.rate, p.memory(16).block_s) == (0, 0)
    for t in (21, 22, 24, 28, 36, 46):
        p.refused(t, t, None, "429")
    p.clean(66, 66)
    assert p.rate > 0
    assert p.memory(66).block_s == 45
    p.configure(0, 1, 70, adaptive=True)
    for at, together in ((75, 5), (80, 6)):
        for _ in range(together):
            p.refused(at, at + 0.1, None, "429")
        p.clean(at + 2, at + 2)
        assert (p.rate > 0) is (together == 6)
    p.configure(0, 1, 90, adaptive=True)
    ends = [until(p.refused(t, t, None, "429")) for t in (100, 101, 103, 107, 115, 125)]
    assert ends == [101, 103, 107, 115, 125, 145]


def met(p: Pace, at: float) -> float:
    """Twenty pass at once, one is refused and so are forty that were under way, and two tries; then it answers again:
    how long the first wait was."""
    for n in range(61):
        p.sent(at + 0.05 * (n > 20))
    for _ in range(20):
        p.clean(at - 1, at + 0.1)
    first = until(p.refused(at, at + 0.1, None, "429"))
    for _ in range(40):
        assert p.refused(at + 0.05, at + 0.2, None, "429") is None
    end = first
    for _ in range(2):
        p.sent(end)
        end = until(p.refused(end, end, None, "429"))
    p.clean(end, end)
    return first - at - 0.1


def test_a_wall_that_was_expected_is_waited_out_at_once() -> None:
    """Met where it was to be met: the first pause is as long as the last block; what was refused took no room."""
    p = pace(16, adaptive=True)
    assert met(p, 100.0) == pytest.approx(1)
    assert p.memory(107).block_s == pytest.approx(7)
    assert met(p, 1e5) == pytest.approx(7)
    known = p.memory(1e5 + 60)
    assert (known.room, known.limit) == (20, pytest.approx(16 / 2**2.5)), "bursts alone tell no rate"


def test_tries_while_it_refuses_take_no_room() -> None:
    """Twenty of them, a fiftieth of a second apart."""
    p = pace(16, adaptive=True, base_s=0.01, cap_s=0.02)
    for n in range(41):
        p.sent(100 + 0.02 * max(0, n - 20))
    for n in range(21):
        p.refused(100 + 0.02 * n, 100 + 0.02 * n, None, "429")
    p.clean(101, 101)
    limit = p._learner._wall.limit()  # type: ignore[union-attr]
    assert limit is not None
    assert (limit.low, limit.high, limit.room) == (pytest.approx(0.5), 16, 20)


@pytest.mark.parametrize("how", ["reserve", "reserve_now", "sent"])
def test_the_learner_is_told_of_what_goes_out(how: str) -> None:
    """And of what does not after all: the rate is halved from what was really asked."""
    p = pace(10, adaptive=True)
    for n in range(1, 11):
        assert getattr(p, how)(float(n)) in (n, True, None)
    for n in range(10):
        p.sent(19.5 + n / 100)
    p.unsent(19)
    assert p.refused(30, 30, None, "429") == Change(pytest.approx(0.55), 31, "429")  # type: ignore[arg-type]
    for quiet in (pace(adaptive=False), pace(0, adaptive=False)):
        getattr(quiet, how)(1.0)
        quiet.sent(1.0)
        quiet.unsent(0.0)
        assert quiet.rate == quiet.budget


@pytest.mark.parametrize("refused_at", [None, 4.25, 60.0])
def test_many_that_went_out_are_told_as_one_by_one(refused_at: float | None) -> None:
    """The same is learnt from them, before a refusal and after it; without learning they are nothing."""
    times = [n / 4 for n in range(4, 200)]
    one, all_at_once, quiet = pace(10, adaptive=True), pace(10, adaptive=True), pace(10, adaptive=False)
    for p in (one, all_at_once):
        if refused_at is not None:
            p.refused(refused_at, refused_at, None, "429")
    for at in times:
        one.sent(at)
    all_at_once.sent_all(times)
    quiet.sent_all(times)
    for p in (one, all_at_once):
        p.clean(100, 100)
    told = [p.refused(200, 200, None, "429") for p in (one, all_at_once)]
    assert told[0] == told[1]
    assert one.memory(200) == all_at_once.memory(200)
    assert quiet.refused(200, 200, None, "429") == Change(10, 201, "429")


def test_pauses_grow_to_the_cap_and_stay_finite() -> None:
    """However many refusals in a row."""
    p, now = pace(cap_s=40), 1.0
    for _ in range(80):
        end = until(p.refused(now, now, None, "503"))
        assert end - now <= 40
        now = end
    p.blocks = 5000
    assert until(p.refused(now, now, None, "503")) == now + 40


# -- a rate that learns ----------------------------------------------------------------------------


@pytest.mark.parametrize(("cleans", "rate"), [(0, 5), (7, 5), (8, 9), (30, 9)])
def test_connections_that_fail_seldom_slow_little(cleans: int, rate: float) -> None:
    """Half the rate; a tenth less where eight or more good replies lay between."""
    p = pace(adaptive=True)
    for n in range(cleans):
        p.clean(1 + n, 1 + n)
    assert p.troubled(50, 60, "connect") == Change(rate, None, "connect")
    assert p.troubled(60, 61, "connect") is None, "sent before the cut"
    assert until_rate(p.troubled(60.5, 61, "connect")) == rate / 2
    for n in range(cleans):
        p.clean(62 + n / 100, 62 + n / 100)
    before = p.rate
    assert until_rate(p.troubled(90, 90, "connect")) == pytest.approx(before * (0.5 if cleans < 8 else 0.9))


def until_rate(change: Change | None) -> float:
    assert change is not None
    return change.rate


def test_trouble_at_the_floor_is_no_news() -> None:
    """The rate does not fall below a 64th of the budget, and is then told no more."""
    p, told = pace(64, adaptive=True), []
    for n in range(1, 10):
        told.append(p.troubled(n, n, "connect"))
    assert [change.rate for change in told if change] == [32, 16, 8, 4, 2, 1]
    assert told[6:] == [None] * 3


def test_a_rate_that_came_back_is_told_where_it_changed() -> None:
    """After a refusal that passed at once: "resumed" with another rate than was told; then "recovered"."""
    p = pace(adaptive=True)
    assert p.refused(1, 1, None, "429") == Change(5, 2, "429")
    assert p.clean(2, 2) == Change(9, None, "resumed")
    told, now = [], 2.0
    while p.rate < 10:
        now += 0.1
        told.append(p.clean(now, now))
    assert [change for change in told if change] == [Change(10, None, "recovered")]
    assert p.clean(now, now) is None
    quiet = pace(adaptive=False)
    quiet.refused(1, 1, None, "429")
    assert quiet.clean(2, 2) is None


def test_only_a_reply_to_a_later_request_ends_a_block() -> None:
    """A late good reply to what was sent before the refused request changes nothing."""
    p = pace(adaptive=True)
    p.refused(3, 4, None, "429")
    assert p.clean(2.9, 5) is None
    assert p.blocks == 1
    assert p.clean(3, 5) is None, "sent with it: the host does not only refuse, but the block is not over"
    assert p.blocks == 0
    assert p.clean(4, 5) == Change(9, None, "resumed")


@pytest.mark.parametrize(
    ("limited", "lasted", "again_s"), [(True, True, PATIENCE_S), (True, False, 0), (False, True, 0)]
)
def test_a_run_that_dies_in_a_block_leaves_word_of_it(limited: bool, lasted: bool, again_s: float) -> None:
    """That the next one is not to run into it again: if the host spoke of a limit, and refused more than once."""
    p = pace(adaptive=True)
    p.refused(1, 1, None, "x", limited=limited)
    if lasted:
        p.refused(2, 2, None, "x", limited=limited)
    assert p.memory(3).again_s == again_s
    p.clean(4, 4)
    assert p.memory(4).again_s == 0


def test_a_refusal_lasts_if_more_than_one_request_met_it() -> None:
    """Another request refused, the same one twice, or three of one window: the rate is halved. Less is noise."""
    for others, same, stragglers, rate in ((1, 0, 0, 5), (0, 2, 0, 5), (0, 1, 0, 9), (0, 0, 2, 5), (0, 0, 1, 9)):
        p = pace(adaptive=True)
        p.refused(1, 1, None, "429")
        for _ in range(stragglers):
            p.refused(0.9, 1.1, None, "429")
        for n in range(others + same):
            p.refused(2 + n, 2 + n, None, "429", again=n >= others)
        p.clean(10, 10)
        assert p.rate == rate, (others, same, stragglers)


@pytest.mark.parametrize(("refused", "answered", "rate"), [(3, 2, 9), (3, 1, 5), (4, 2, 5), (4, 3, 9), (2, 0, 9)])
def test_good_replies_of_the_same_window_weigh_against_refused_ones(refused: int, answered: int, rate: float) -> None:
    """Three or more requests that were sent together are refused, and fewer answered: a wall."""
    p = pace(adaptive=True)
    p.refused(1, 2, None, "429")
    for _ in range(refused - 1):
        p.refused(1, 2.1, None, "429")
    for _ in range(answered):
        p.clean(1, 2.1)
    assert p.memory(2.2).again_s == (PATIENCE_S if refused > max(2, answered) else 0)
    p.clean(3, 3)  # one good reply more
    assert p.rate == rate


# -- from run to run -------------------------------------------------------------------------------


def test_a_block_of_an_earlier_run_goes_on() -> None:
    """It is waited out for what is left of it, an hour at most, and probed; its length was learnt from already."""
    p = pace(memory=Memory(10, blocked_s=30, refusing=True))
    assert (p.blocks, p.blocked_until, p.ready) == (1, 30, 30)
    assert not p.reserve_now(31)
    assert until(p.refused(30, 30, None, "429")) == 32, "the second pause of its row"
    far = pace(memory=Memory(10, blocked_s=1e6, refusing=True))
    assert far.blocked_until == RETRY_AFTER_MAX_S
    fresh = pace(adaptive=True, memory=Memory(5))
    fresh.refused(1, 1, None, "429")
    fresh.clean(2, 2)
    assert fresh.rate == 9, "its own, that passed at once"
    over = pace(memory=Memory(10, blocked_s=30, refusing=False))
    assert (over.blocks, over.ready) == (0, 0.1)


@pytest.mark.parametrize(("refusals", "again_s"), [(0, 0), (1, PATIENCE_S), (2, PATIENCE_S)])
def test_a_block_of_an_earlier_run_slows_no_further_at_once(refusals: int, again_s: float) -> None:
    """The rate was lowered for it then; but where it goes on refusing the next try is in hours."""
    p = pace(adaptive=True, memory=Memory(5, blocked_s=3, refusing=True))
    now = 3.0
    for _ in range(refusals):
        now = until(p.refused(now, now, None, "429"))
        assert p.rate == 5
    change = p.clean(now, now)
    assert change == Change(5, None, "resumed")
    assert p.rate == pytest.approx(5, rel=0.02)
    assert p.memory(now).again_s == again_s
    p.refused(now + 1, now + 1, None, "429")
    p.refused(now + 2, now + 2, None, "429")
    p.clean(now + 4, now + 4)
    assert p.rate < 4, "the next block is one of its own"


def test_a_reload_keeps_what_was_learnt_and_the_block() -> None:
    """Another budget: the learnt rate stays below it; a rate that is not to learn is the user's."""
    p = pace(adaptive=True)
    p.refused(1, 1, 50, "429")
    p.refused(51, 51, 50, "429")
    p.clean(101, 101)
    assert p.rate == 5
    p.configure(20, 1, 102, adaptive=True)
    assert (p.rate, p.budget) == (5, 20)
    p.refused(103, 103, None, "429")
    rate = p.rate
    p.configure(20, 1, 104, adaptive=True)
    assert p.clean(105, 105) is None, "the block was the old budget's"
    assert p.rate == pytest.approx(rate, rel=0.25)
    p.configure(2, 1, 106, adaptive=True)
    assert (p.rate, p.budget) == (2, 2)
    p.configure(7, 1, 102, adaptive=False)
    assert (p.rate, p.budget) == (7, 7)
    p.refused(110, 110, 90, "429")
    p.configure(8, 1, 111, adaptive=False)
    assert p.reserve(111) == 200
    assert p.clean(112, 112) is None
    assert p.rate == 8
    p.configure(30, 1, 300, adaptive=True)
    assert p.rate == 30, "a rate that was not to learn is nothing that was learnt"
