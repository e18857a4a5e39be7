"""The laws of every place for images, held against all of them: a folder, a store in memory, a real S3 server."""

import asyncio
import hashlib
import random
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import obstore
import pytest

from crawler.disk import Disk
from crawler.sinks import folder, objects
from crawler.sinks.folder import Folder
from crawler.sinks.objects import ObjectReplaced, ObjectSink
from crawler.sinks.replaced import Replaced
from crawler.sinks.sink import Held, Replacing, Sink
from crawler.store.objects import Objects

KINDS = ["folder", "memory", "s3"]


class Files(Protocol):
    """What a place shows to others."""

    def __call__(self) -> dict[str, bytes]: ...


@dataclass
class Place:
    """A place, by what one asks of it: the sink, made in a running loop; who keeps old files; and what is there."""

    root: Path
    sink: Callable[[], Sink]
    replacing: Callable[[], Replacing]
    files: Files


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Each of them, empty, with small buffers."""
    monkeypatch.setattr(folder, "BUFFER_BYTES", 4096)
    monkeypatch.setattr(objects, "BUFFER_BYTES", 4096)
    if request.param == "folder":
        disk = Disk()

        def on_disk() -> dict[str, bytes]:
            found = [p for name in ("images", ".crawl/replaced") for p in (tmp_path / name).rglob("*") if p.is_file()]
            return {str(p.relative_to(tmp_path)): p.read_bytes() for p in found}

        return Place(tmp_path, lambda: Folder(tmp_path, disk), lambda: Replaced(tmp_path, disk), on_disk)
    if request.param == "memory":
        store = Objects.in_memory()
    else:
        request.getfixturevalue("s3")
        store = Objects.at(f"s3://tests/{secrets.token_hex(4)}")

    def in_store() -> dict[str, bytes]:
        names = [one.key for name in ("images", ".crawl/replaced") for one in store.listing_now(name)]
        return {name: store.get_now(name) or b"" for name in names}

    return Place(tmp_path, lambda: ObjectSink(store, tmp_path), lambda: ObjectReplaced(store), in_store)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def write(sink: Sink, body: bytes, *, page: int = 0, step: int = 3000) -> Any:
    part = await sink.part(1234567, page)
    await part.begin("https://i/x", "v1")
    for at in range(0, len(body), step):
        await part.write(body[at : at + step])
    return part


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 50_000, (8 << 20) + 17])
def test_what_is_kept_is_what_was_written(place: Place, size: int) -> None:
    """Bytes, size, digest and name of what is kept are those of the chunks, however large; no name comes before."""
    body = random.Random(size).randbytes(size)

    async def work() -> None:
        part = await write(place.sink(), body, page=2, step=max(3000, size // 7))
        assert place.files() == {}
        kept = await part.keep("png")
        assert kept.path == "images/567/1234567_p2.png"
        assert (kept.bytes, kept.sha256) == (size, hashlib.sha256(body).hexdigest())

    run(work())
    assert place.files() == {"images/567/1234567_p2.png": body}
    assert list((place.root / ".crawl" / "parts").iterdir()) == []


@pytest.mark.parametrize("size", [1, 4096, 4097, 300_000])
@pytest.mark.parametrize("left", [False, True])
def test_a_body_that_came_whole_is_kept_as_one_that_was_written(place: Place, size: int, left: bool) -> None:
    """Taken in one call, after an attempt that got nowhere too; or not taken at all, and then as if never offered."""
    body = random.Random(size).randbytes(size)

    async def work() -> None:
        sink = place.sink()
        part = await write(sink, b"x" * 900)
        if left:
            await part.leave()
            part = await place.sink().part(1234567, 0)
        if not part.whole("https://i/x", "v2", body):
            assert left or size > 4096
            assert part.held is None or part.held.bytes == 900
            await part.begin("https://i/x", "v2")
            await part.write(body)
        part.pause()
        assert part.held == Held(size, "https://i/x", "v2")
        kept = await part.keep("jpg")
        assert (kept.bytes, kept.sha256) == (size, hashlib.sha256(body).hexdigest())
        assert getattr(sink, "held_bytes", 0) <= 900 * left

    run(work())
    assert place.files() == {"images/567/1234567_p0.jpg": body}
    assert list((place.root / ".crawl" / "parts").iterdir()) == []


def test_what_is_dropped_was_never_there(place: Place) -> None:
    """A part that is dropped, small or large, leaves nothing anywhere."""

    async def work() -> None:
        for size in (10, 9000):
            await (await write(place.sink(), b"x" * size)).drop()

    run(work())
    assert place.files() == {}
    assert list((place.root / ".crawl" / "parts").iterdir()) == []


@pytest.mark.parametrize("size", [100, 9000])
@pytest.mark.parametrize("again", [False, True])
def test_an_attempt_goes_on_where_one_ended(place: Place, size: int, again: bool) -> None:
    """In this process or a later one: what is held is read back as it was, and the whole has the right bytes."""
    body = random.Random(size).randbytes(size)
    cut = size * 2 // 3

    async def work() -> None:
        part = await write(place.sink(), body[:cut])
        if again:
            await part.leave()
            part = await place.sink().part(1234567, 0)
        else:
            part.pause()
        assert part.held == Held(cut, "https://i/x", "v1")
        assert b"".join([block async for block in part.reread()]) == body[:cut]
        await part.write(body[cut:])
        kept = await part.keep("jpg")
        assert kept.sha256 == hashlib.sha256(body).hexdigest()

    run(work())
    assert place.files() == {"images/567/1234567_p0.jpg": body}
    assert list((place.root / ".crawl" / "parts").iterdir()) == []


@pytest.mark.parametrize("sizes", [(50, 60), (9000, 50), (50, 9000)])
def test_begun_anew_is_begun_with_nothing(place: Place, sizes: tuple[int, int]) -> None:
    """Bytes of an attempt that was thrown away are not in the next one."""
    first, second = sizes

    async def work() -> None:
        part = await write(place.sink(), b"a" * first)
        await part.begin("https://i/y", "")
        await part.write(b"b" * second)
        await part.keep("gif")

    run(work())
    assert place.files() == {"images/567/1234567_p0.gif": b"b" * second}


def test_the_same_image_again_takes_its_own_place(place: Place) -> None:
    """A kill between bytes and line has the image fetched again: there is one, with the later bytes."""

    async def work() -> None:
        for body in (b"old", b"new and longer"):
            await (await write(place.sink(), body)).keep("png")

    run(work())
    assert place.files() == {"images/567/1234567_p0.png": b"new and longer"}


def test_many_at_once(place: Place) -> None:
    """A hundred images at a time, each under its own name."""
    bodies = {page: random.Random(page).randbytes(3000 + 40 * page) for page in range(100)}

    async def work() -> None:
        sink = place.sink()

        async def one(page: int) -> None:
            await (await write(sink, bodies[page], page=page)).keep("webp")

        async with asyncio.TaskGroup() as group:
            for page in bodies:
                group.create_task(one(page))
        assert getattr(sink, "held_bytes", 0) == 0

    run(work())
    assert place.files() == {f"images/567/1234567_p{page}.webp": body for page, body in bodies.items()}


@pytest.mark.parametrize("after", ["same name", "other name", "nothing", "the line stands"])
def test_old_bytes_are_kept(place: Place, after: str) -> None:
    """Whatever takes the place of an image, the old bytes are under .crawl/replaced; unless the old line stands."""
    old, new = "images/567/1234567_p0.png", "images/567/1234567_p0.jpg"
    digest = hashlib.sha256(b"old").hexdigest()
    name = f".crawl/replaced/1234567_p0.{digest[:16]}.png"

    async def put(body: bytes, ext: str) -> None:
        await (await write(place.sink(), body)).keep(ext)

    run(put(b"old", "png"))
    place.replacing().keep([(old, digest)])
    assert place.files() == {old: b"old"}
    claims = {}
    if after == "same name":
        run(put(b"new", "png"))
        claims = {old: hashlib.sha256(b"new").hexdigest()}
    elif after == "other name":
        run(put(b"new", "jpg"))
        claims = {new: hashlib.sha256(b"new").hexdigest()}
    elif after == "the line stands":
        claims = {old: digest}
    place.replacing().settle(place.replacing().pending(), claims)
    assert place.replacing().pending() == []
    expected = {old: b"old"} if after == "the line stands" else {name: b"old"} | dict.fromkeys(claims, b"new")
    assert place.files() == expected


def test_every_foreign_error_has_a_place() -> None:
    """Whatever obstore can raise, `store.objects` knows: a newcomer fails here, not in somebody's run."""
    from crawler.store import objects as border

    named = {getattr(obstore.exceptions, name) for name in dir(obstore.exceptions) if name.endswith("Error")}
    assert named - set(border.KNOWN) == {obstore.exceptions.BaseError, obstore.exceptions.NotFoundError}
