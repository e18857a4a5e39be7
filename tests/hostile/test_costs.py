"""What one hostile reply of metadata may cost, whatever it is made of."""

import asyncio
import time
import tracemalloc

import pytest
from targets import SITE

from crawler.engine.exchanges import ANSWER_BYTES, Question
from crawler.fetch.exchange import Head
from crawler.model import Failure, Kind

MOST_BYTES = 200_000_000
PIECES = {"objects": b'{"a":0},', "lists": b"[],", "deep": b"["}


@pytest.mark.parametrize("name", sorted(PIECES))
def test_the_largest_answer_costs_a_moment(name: str) -> None:
    """As much JSON as is taken, of the smallest parts: a value, in bounded memory, and none of it stays."""
    body = b'{"error":false,"body":{"x":[' + PIECES[name] * ((ANSWER_BYTES - 100) // len(PIECES[name])) + b"0]}}"

    async def read() -> Failure | None:
        question = Question(SITE.describe(9))
        await question.start(Head(200, {"content-type": "application/json"}, "https://a.test/", None))
        for at in range(0, len(body), 1 << 18):
            await question.feed(body[at : at + (1 << 18)])
        return await question.finish()

    tracemalloc.start()
    since = time.process_time()
    try:
        got = asyncio.run(read())
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(got, Failure)
    assert got.kind is Kind.BAD_REPLY
    assert peak < MOST_BYTES
    assert now < 10_000_000
    assert time.process_time() - since < 20


def test_a_larger_answer_is_not_read() -> None:
    """Beyond the bound nothing more is held: TOO_LARGE, before any of it is parsed."""

    async def read() -> Failure | None:
        question = Question(SITE.describe(9))
        await question.start(Head(200, {}, "https://a.test/", None))
        for _ in range(40):
            await question.feed(b"[" * (1 << 20))
        return await question.finish()

    tracemalloc.start()
    try:
        got = asyncio.run(read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(got, Failure)
    assert got.kind is Kind.TOO_LARGE
    assert peak < 4 * ANSWER_BYTES
