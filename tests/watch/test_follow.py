"""Laws of following a file: every whole line once, in order, however the bytes arrive."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.watch.follow import Piece, follow, last_lines

LINES = st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=40)


@settings(max_examples=60, deadline=None)
@given(LINES, st.binary(max_size=10).filter(lambda b: b"\n" not in b), st.integers(0, 12))
def test_the_last_lines_are_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes, n: int
) -> None:
    """The last n whole lines with their offsets; what follows the last newline is not a line yet."""
    path = tmp_path_factory.getbasetemp() / "last.jsonl"
    body = b"".join(line + b"\n" for line in lines)
    path.write_bytes(body + torn)
    pieces, after = last_lines(path, n, lambda _: True)
    assert [piece.raw for piece in pieces] == (lines[-n:] if n else [])
    assert after == len(body)
    for piece in pieces:
        assert body[piece.offset :].startswith(piece.raw + b"\n")


def test_the_end_of_a_large_file_is_read_alone(tmp_path: Path) -> None:
    """A file with a hole of a gigabyte is answered at once; lines longer than a block are whole."""
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.seek(1 << 30)
        file.write(b"\nfirst\n" + b"x" * 200_000 + b"\nlast\n")
    pieces, after = last_lines(path, 3, lambda _: True)
    assert [len(piece.raw) for piece in pieces] == [5, 200_000, 4]
    assert after == path.stat().st_size


def test_the_last_wanted_lines_are_found_however_far_back(tmp_path: Path) -> None:
    """A filter is applied while reading backwards."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(b"%d %s\n" % (i, b"x" * 50) for i in range(20_000)))
    pieces, _ = last_lines(path, 2, lambda raw: raw.startswith((b"17 ", b"18 ", b"19 ")))
    assert [piece.raw[:3] for piece in pieces] == [b"18 ", b"19 "]


class Enough(Exception):
    """The test has seen what it waited for."""


def followed(path: Path, steps: list[Callable[[], object]], wanted: int, at: int = 0) -> list[Piece]:
    """What is seen of the file while the steps are done to it, one after each look."""
    left = list(steps)
    seen: list[Piece] = []

    def idle() -> None:
        if left:
            left.pop(0)()
        elif len(seen) >= wanted:
            raise Enough

    async def main() -> None:
        async with asyncio.timeout(60):
            async for piece in follow(path, at, poll_s=0.001, idle=idle):
                seen.append(piece)

    with pytest.raises(Enough):
        asyncio.run(main())
    return seen


def append(path: Path, data: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(data)

    return step


@settings(max_examples=25, deadline=None)
@given(LINES.filter(bool), st.lists(st.integers(1, 40), max_size=20))
def test_every_line_once_however_it_arrives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int]
) -> None:
    """A file that is not there yet, then grows by any pieces: each line once it is whole, with its offset."""
    path = tmp_path_factory.getbasetemp() / "grow.jsonl"
    path.unlink(missing_ok=True)
    body = b"".join(line + b"\n" for line in lines)
    steps: list[Callable[[], object]] = [lambda: None]
    rest = body
    for cut in cuts:
        steps.append(append(path, rest[:cut]))
        rest = rest[cut:]
    steps.append(append(path, rest))
    seen = followed(path, steps, len(lines))
    assert [piece.raw for piece in seen] == lines
    assert all(body[piece.offset :].startswith(piece.raw) for piece in seen)


def test_a_healed_file_is_followed_from_its_new_end(tmp_path: Path) -> None:
    """A torn line that is cut off, with whole ones written in its place, is never shown in part."""
    path = tmp_path / "log.jsonl"
    steps = [
        append(path, b"one\ntwo\nto"),
        lambda: os.truncate(path, 8),
        append(path, b"three\n"),
        lambda: os.truncate(path, 8),  # a whole line may be cut as well
        append(path, b"four\n"),
    ]
    assert [piece.raw for piece in followed(path, steps, 4)] == [b"one", b"two", b"three", b"four"]


def test_a_heal_between_two_looks_is_noticed(tmp_path: Path) -> None:
    """Cut and grown past the old end before the next look: it goes on at the beginning of a line."""
    path = tmp_path / "log.jsonl"

    def heal() -> None:
        os.truncate(path, 4)
        append(path, b"a line much longer than before\nlast\n")()

    seen = followed(path, [append(path, b"one\ntwo\n"), heal], 4)
    assert [piece.raw for piece in seen][-2:] == [b"a line much longer than before", b"last"]


def test_a_new_file_in_its_place_is_read_from_the_beginning(tmp_path: Path) -> None:
    """Removed and made again, or replaced by a rename: another file."""
    path, other = tmp_path / "log.jsonl", tmp_path / "other"
    other.write_bytes(b"uno\ndue\n")
    steps = [append(path, b"one\n"), lambda: other.replace(path)]
    assert [piece.raw for piece in followed(path, steps, 3)] == [b"one", b"uno", b"due"]
