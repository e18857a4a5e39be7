"""Room: shared first come, first served, never overdrawn, never lost."""

import asyncio

import pytest
from fetch_kit import real
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.fetch.memory import Room
from crawler.stop import Draining, Gate


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=25))
def test_it_is_never_overdrawn_and_all_comes_back(total: int, wishes: list[tuple[int, int, bool]]) -> None:
    """Whatever is wished, held and cancelled: what is held never exceeds the total, everybody else gets a turn in
    the order of asking, and in the end nothing is held."""

    async def body() -> None:
        room, order = Room(total, Gate()), []

        async def worker(index: int, amount: int, turns: int) -> None:
            held = await room.take(amount)
            order.append(index)
            assert not total or room.used <= total
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                room.give(held)

        tasks = [asyncio.create_task(worker(i, amount, turns)) for i, (amount, turns, _) in enumerate(wishes)]
        await asyncio.sleep(0)
        for task, (_, _, cancelled) in zip(tasks, wishes, strict=True):
            if cancelled:
                task.cancel()
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == sorted(order)
        assert set(order) >= {i for i, wish in enumerate(wishes) if not wish[2]}
        assert (room.used, room.waiting) == (0, 0)

    asyncio.run(body())


@real
async def test_a_large_wish_is_not_overtaken() -> None:
    """A small wish behind a large one waits, so the large one is not starved; more than all there is means all."""
    room = Room(10, Gate())
    first = await room.take(6)
    large = asyncio.create_task(room.take(1_000))
    await asyncio.sleep(0)
    assert room.take_nowait(1) is None
    small = asyncio.create_task(room.take(1))
    await asyncio.sleep(0)
    room.give(first)
    assert await large == 10
    assert not small.done()
    room.give(10)
    assert await small == 1


@real
async def test_cancelling_the_head_lets_the_next_one_in() -> None:
    """A large wish that goes away does not leave those behind it asleep."""
    room = Room(10, Gate())
    await room.take(6)
    large, small = asyncio.create_task(room.take(8)), asyncio.create_task(room.take(4))
    await asyncio.sleep(0)
    large.cancel()
    assert await small == 4


@real
async def test_a_turn_granted_while_cancelled_is_given_back() -> None:
    """Granted and cancelled in the same moment: nothing leaks."""
    room = Room(1, Gate())
    await room.take(1)
    waiter = asyncio.create_task(room.take(1))
    await asyncio.sleep(0)
    room.give(1)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert room.used == 0


@real
async def test_a_drain_sends_everybody_home() -> None:
    """Closing the gate wakes all who wait with Draining; what is held stays held."""
    gate = Gate()
    room = Room(1, gate)
    await room.take(1)
    waiters = [asyncio.create_task(room.take(1)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.close()
    for waiter in waiters:
        with pytest.raises(Draining):
            await waiter
    assert (room.used, room.waiting) == (1, 0)
    with pytest.raises(Draining):
        await room.take(1)


@real
async def test_resizing_wakes_and_never_strands() -> None:
    """More room lets waiters in; less room strands nobody, not even a wish larger than all there is now."""
    room = Room(4, Gate())
    held = await room.take(4)
    waiters = [asyncio.create_task(room.take(3)) for _ in range(2)]
    await asyncio.sleep(0)
    room.resize(7)
    assert await waiters[0] == 3
    room.resize(2)
    room.give(held)
    room.give(3)
    assert await waiters[1] == 3
    room.give(3)
    assert room.used == 0


@real
async def test_no_bound_is_no_bound() -> None:
    """total 0: every wish is granted at once."""
    room = Room(0, Gate())
    assert room.take_nowait(10**12) == 10**12
    assert await room.take(5) == 5
