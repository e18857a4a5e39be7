"""How many requests at once: averages over whole windows, one step at a time."""

from crawler.rules.width import Width


def answered(width: Width, count: int, latency_s: float, *, busy: bool = True) -> list[int]:
    """After which of so many replies the width changed."""
    return [n for n in range(1, count + 1) if width.answered(latency_s, busy=busy)]


def test_a_window_is_twenty_replies_or_two_for_each_connection() -> None:
    """Nothing changes within one; the next is as long as the width that it found."""
    small = Width(8)
    assert answered(small, 20, 0.1) == []
    assert answered(small, 20, 1.0) == [20]
    wide = Width(100)
    assert answered(wide, 200, 0.1) == []
    assert answered(wide, 199, 1.0) == []
    assert wide.answered(1.0, busy=True)
    assert wide.now == 80
    assert answered(wide, 160, 1.0) == [160]
    assert wide.now == 64


def test_twice_the_best_is_still_no_queue() -> None:
    """More than twice is one: a fifth fewer at once; else one more, if there was work for it, up to what is set."""
    width = Width(10)
    answered(width, 20, 1.0)
    assert answered(width, 40, 2.0) == []  # the best is let go a little: 1.02
    assert answered(width, 20, 2.2) == [20]
    assert width.now == 8
    assert answered(width, 20, 1.0, busy=False) == []
    assert answered(width, 20, 1.0) == [20]
    assert width.now == 9
    assert answered(width, 60, 1.0) == [20]
    assert width.now == 10


def test_the_first_window_is_the_usual_one() -> None:
    """However slow the host is: that is what it takes."""
    width = Width(10)
    assert answered(width, 20, 30.0) == []
    assert answered(width, 20, 59.0) == []


def test_a_queue_that_nobody_waits_in_is_none() -> None:
    """Without more work than connections slow replies shrink nothing."""
    width = Width(10)
    answered(width, 20, 1.0)
    assert answered(width, 40, 9.0, busy=False) == []
    assert width.now == 10


def test_it_never_falls_below_two_unless_set_so() -> None:
    """However long the queue; one connection stays one."""
    for most, least in ((10, 2), (2, 2), (1, 1)):
        width = Width(most)
        answered(width, 20, 0.001)
        for _ in range(25):
            answered(width, 20, 50.0)
        # A fiftieth of the way to what is seen each window: so long no other latency passes for the usual one.
        assert width.now == least


def test_the_best_is_let_go_by_a_fiftieth_a_window() -> None:
    """Three times as slow for good: after 35 windows (1 - 0.98^n of the way, half of it needed) it is the usual."""
    width = Width(4)
    answered(width, 20, 1.0)
    shrunk = [width.now for _ in range(40) if answered(width, 20, 3.0) or True]
    best, usual = 1.0, 0
    while 2 * best < 3.0:
        best += 0.02 * (3.0 - best)
        usual += 1
    assert shrunk[0] == 3
    assert min(shrunk[: usual - 1]) == shrunk[usual - 2] == 2
    assert shrunk[usual + 1] > 2
    quick = Width(4)
    answered(quick, 20, 1.0)
    answered(quick, 20, 0.1)  # a better one counts at once
    assert answered(quick, 20, 0.3) == [20]
