"""Laws of the loop whose clock jumps, with real sockets, real TLS and work for threads."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiofiles
import aiohttp
import pytest
from aiohttp import web

from crawler.fetch.byway import tls_context
from crawler.origin.limits import Limits
from crawler.origin.server import Origin
from crawler.simulate.loop import EPOCH, Stuck, VirtualLoop, run_virtual
from crawler.simulate.network import Weather, WorldLoop


def test_hours_pass_in_no_time() -> None:
    """Sleeps, timeouts and the wall clock agree on a day that took no time; afterwards the wall clock is real again."""

    async def a_day() -> tuple[float, float]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        await asyncio.sleep(23 * 3600)
        return asyncio.get_running_loop().time(), time.time()

    began = time.perf_counter()
    passed, wall = run_virtual(a_day())
    assert time.perf_counter() - began < 60  # and not a day
    assert passed == pytest.approx(86_400)
    assert wall == pytest.approx(EPOCH + passed)
    assert time.time() > EPOCH + 86_400 * 365


def test_timers_come_in_their_order() -> None:
    """Whatever the order in which they are set."""

    async def main() -> list[int]:
        came: list[int] = []

        async def one(delay: int) -> None:
            await asyncio.sleep(delay)
            came.append(delay)

        async with asyncio.TaskGroup() as group:
            for delay in (500, 3, 77, 1000, 12):
                group.create_task(one(delay))
        return came

    assert run_virtual(main()) == [3, 12, 77, 500, 1000]


def test_time_does_not_pass_over_work_for_threads(tmp_path: Path) -> None:
    """to_thread, an executor's one thread and aiofiles are done before the clock moves, and errors reach the caller."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done: list[int] = []
        with ThreadPoolExecutor(1) as one:
            async with asyncio.timeout(0.001):
                await asyncio.to_thread(time.sleep, 0.02)
                async with aiofiles.open(tmp_path / "file", "wb") as file:
                    await file.write(b"bytes")
                await asyncio.wait([loop.run_in_executor(one, done.append, n) for n in range(50)])
                with pytest.raises(ZeroDivisionError):
                    await asyncio.to_thread(divmod, 1, 0)
        assert done == list(range(50))

    run_virtual(main())
    assert (tmp_path / "file").read_bytes() == b"bytes"


def test_work_for_threads_can_take_made_up_time() -> None:
    """Of one thread it stays in order however long each piece takes; of many it need not."""
    waits = iter([3.0, 1.0, 2.0, 3.0, 1.0, 2.0])

    async def main() -> tuple[list[int], list[int]]:
        loop, one, many = asyncio.get_running_loop(), list[int](), list[int]()
        with ThreadPoolExecutor(1) as thread:
            await asyncio.wait([loop.run_in_executor(thread, one.append, n) for n in range(3)])
        await asyncio.wait([loop.run_in_executor(None, many.append, n) for n in range(3)])
        assert loop.time() == pytest.approx(6, abs=0.01)
        return one, many

    assert run_virtual(main(), VirtualLoop(lambda: next(waits))) == ([0, 1, 2], [1, 2, 0])


def test_waiting_for_ever_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for which nothing can ever happen again does not hang."""
    monkeypatch.setattr("crawler.simulate.loop.STUCK_S", 0.01)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_virtual(main())


async def visit(origin: Origin, count: int) -> list[float]:
    """When `count` requests, one a minute, were answered."""
    connector = aiohttp.TCPConnector(ssl=tls_context(origin.ca_file))
    times: list[float] = []
    async with aiohttp.ClientSession(connector=connector) as session:
        for number in range(count):
            url = f"https://{origin.resolve['www.pixiv.net']}/ajax/illust/{1000 + number}"
            async with session.get(url, headers={"Host": "www.pixiv.net"}, server_hostname="www.pixiv.net") as reply:
                await reply.read()
                assert reply.status in (200, 404)
            times.append(asyncio.get_running_loop().time())
            await asyncio.sleep(60)
    return times


@pytest.mark.parametrize("network", ["sockets", "memory"])
def test_aiohttp_and_tls_run_under_made_up_time(tmp_path: Path, network: str) -> None:
    """aiohttp's client and server with TLS, over the kernel's sockets or in memory: half an hour, to the second."""

    async def main() -> list[float]:
        async with Origin(seed=1, ca_dir=tmp_path, limits=Limits(api_rate=1 / 50, api_bucket=3)) as origin:
            return await visit(origin, 30)

    began = time.perf_counter()
    loop = VirtualLoop() if network == "sockets" else WorldLoop(Weather(tls=True))
    times = run_virtual(main(), loop)
    assert time.perf_counter() - began < 120  # and not half an hour
    assert times == pytest.approx([60 * number for number in range(30)], abs=1e-6)


def test_real_sockets_bring_large_bodies(tmp_path: Path) -> None:
    """Megabytes through the kernel's buffers, while a clock that is eager to jump has an hour's timer to jump to."""
    body = bytes(range(256)) * 20_000

    async def answer(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(1)
        return web.Response(body=body)

    async def main() -> float:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        asyncio.get_running_loop().call_later(3600, lambda: None)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
            for _ in range(5):
                async with session.get(f"http://127.0.0.1:{port}/") as reply:
                    assert await reply.read() == body
        await runner.cleanup()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(5, abs=0.1)
