"""Laws of counting and streaming a list."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import bit_of
from crawler.sites.urls import identity
from crawler.sources.lines import LONG, SourceError, Tally, read_lines
from crawler.sources.settings import SourceSettings
from crawler.sources.source import Census, Item, Source, open_source

SHARED = Path(__file__).parents[3] / "shared" / "data"
POPULAR = SHARED / "popular_pixiv_image_ids.txt"
PAIRS = SHARED / "colored_sketch_pair.csv"


def take(path: Path | tuple[Path, ...] | str, spool: Path | None = None, **keys: str) -> tuple[Census, list[Item]]:
    """Both passes over a list."""
    name = path if isinstance(path, str) else str(path) if isinstance(path, Path) else tuple(map(str, path))
    source = open_source(SourceSettings(path=name, **keys), spool or Path("/nonexistent"))  # type: ignore[arg-type]
    census = asyncio.run(source.count())
    return census, list(source.items())


def write(folder: Path, content: bytes | str, name: str = "list.txt") -> Path:
    """A list on disk."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(items: list[Item]) -> list[object]:
    """Just the ids."""
    return [item.id for item in items]


def test_numbers_links_comments_and_blanks_may_be_mixed(tmp_path: Path) -> None:
    """BOM, CRLF, blank lines and comments are tolerated; repeats and malformed lines are counted, with their place."""
    text = (
        "\ufeff12\r\n\r\n# a comment\r\nhttps://www.pixiv.net/en/artworks/34 # another\r\n  56  \r\n12\r\nnonsense\r\n"
        "www.pixiv.net/i/34\r\n９\r\n0\r\n78"
    )
    path = write(tmp_path, text)
    census, items = take(path)
    assert ids(items) == [12, 34, 56, 78]
    assert all(item.url is None for item in items)
    assert (census.ids, census.well_formed, census.duplicates, census.malformed) == (4, 6, 2, 3)
    assert list(census.bitmap) == [12, 34, 56, 78]
    assert [p.line for p in census.problems] == [7, 9, 10]
    assert str(census.problems[0]) == f"{path}:7: nonsense: neither a number nor a link to a work"
    assert not census.hopeless


def test_several_files_are_one_list(tmp_path: Path) -> None:
    """Files follow each other in the order given; each has its own line numbers and byte order mark."""
    a = write(tmp_path, "1\n2", "a.txt")
    b = write(tmp_path, "\ufeff3\n2\nx", "b.txt")
    census, items = take((a, b))
    assert ids(items) == [1, 2, 3]
    assert [(p.file, p.line) for p in census.problems] == [(str(b), 3)]
    assert take((b, a))[0].digest != census.digest


def test_text_and_csv_may_stand_side_by_side(tmp_path: Path) -> None:
    """Whether a file is a table is told by its own name."""
    census, items = take((write(tmp_path, "1\n2\n"), write(tmp_path, "id,title\n3,a\n", "b.csv")))
    assert ids(items) == [1, 2, 3]
    assert census.malformed == 0


def test_an_empty_list_is_no_error(tmp_path: Path) -> None:
    """Nothing listed is a list of nothing; only malformed lines alone are hopeless."""
    for content in ("", "\n\n# none yet\n", "\ufeff"):
        census, items = take(write(tmp_path, content))
        assert (census.ids, census.hopeless, items) == (0, False, [])
    assert take(write(tmp_path, "a\nb\n"))[0].hopeless


def test_only_the_first_malformed_lines_are_kept(tmp_path: Path) -> None:
    """Twenty are shown, the others are counted."""
    census, _ = take(write(tmp_path, "x\n" * 50 + "7\n"))
    assert (len(census.problems), census.more_problems, census.malformed) == (20, 30, 50)


def test_bytes_that_are_no_text_spoil_their_line_only(tmp_path: Path) -> None:
    """Undecodable bytes, NULs, lone carriage returns and endless lines are malformed lines, not crashes."""
    parts = [b"1", b"\xff\xfe12", b"2\x003", b"4\r5", b"6" * (LONG + 1), b"y" * 3_000_000, b"7", b"\xe3\x81"]
    census, items = take(write(tmp_path, b"\n".join(parts)))
    assert ids(items) == [1, 7]
    assert [p.line for p in census.problems] == [2, 3, 4, 5, 6, 8]
    assert [("KB" in p.why) for p in census.problems] == [False, False, False, True, True, False]
    assert all(len(str(p)) < 400 and str(p).isprintable() for p in census.problems)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_named(tmp_path: Path, codec: str) -> None:
    """A list saved as UTF-16 is refused with what to do, not reported as a thousand malformed lines."""
    with pytest.raises(SourceError, match=r"UTF-16.*save it as UTF-8"):
        take(write(tmp_path, "123\n456\n".encode(codec)))


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=30), st.integers(1, 40))
@settings(deadline=None, max_examples=100)
def test_lines_do_not_depend_on_chunks(lines: list[bytes], chunk: int) -> None:
    """Wherever reads cut the file, the lines are those between the LFs."""

    class Slow:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            out, self.data = self.data[: min(size, chunk)], self.data[min(size, chunk) :]
            return out

    data = b"first\n" + b"\n".join(lines)
    if chunk < 5:  # the byte order mark is looked for in the first read, which a disk fills
        data = b"a" * 5 + data
    want = data.split(b"\n")
    tally = Tally()
    assert list(read_lines(Slow(data), "x", tally)) == (want if want[-1] else want[:-1])  # type: ignore[arg-type]
    assert tally.bytes == len(data)


@given(
    st.lists(
        st.integers(1, 50).map(lambda n: (str(n), n))
        | st.integers(1, 50).map(lambda n: (f"https://www.pixiv.net/artworks/{n}", n))
        | st.sampled_from(["", "# c", "junk", "-1"]).map(lambda t: (t, None)),
        max_size=40,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None, max_examples=80)
def test_both_passes_agree(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, int | None]], end: str
) -> None:
    """The second pass gives each id that the first counted exactly once, in the order of its first line."""
    path = write(tmp_path_factory.mktemp("s"), end.join(text for text, _ in lines))
    census, items = take(path)
    want = list(dict.fromkeys(n for _, n in lines if n is not None))
    assert ids(items) == want
    assert set(census.bitmap) == set(want)
    assert census.well_formed == sum(n is not None for _, n in lines)
    assert census.malformed == sum(text in ("junk", "-1") for text, _ in lines)


def test_standard_input_is_spooled(tmp_path: Path) -> None:
    """`-` reads a pipe once and keeps it, so that it can be counted and then streamed."""
    read, write_end = os.pipe()
    try:
        source = open_source(SourceSettings(path="-"), tmp_path / "deep" / "spool", stdin=read)

        def feed() -> None:
            os.write(write_end, b"1\n2\n")
            os.write(write_end, b"x\n3")
            os.close(write_end)

        thread = threading.Thread(target=feed)
        thread.start()
        census = asyncio.run(source.count())
        thread.join()
    finally:
        os.close(read)
    assert (tmp_path / "deep" / "spool" / "stdin.txt").read_bytes() == b"1\n2\nx\n3"
    assert [f.name for f in (tmp_path / "deep" / "spool").iterdir()] == ["stdin.txt"]
    assert str(census.problems[0]).startswith("<stdin>:3: x: ")
    assert ids(list(source.items())) == [1, 2, 3]
    assert ids(list(source.items())) == [1, 2, 3]


def test_a_named_pipe_is_spooled_too(tmp_path: Path) -> None:
    """What can be read only once is copied first, whatever its name."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: fifo.write_bytes(b"8\n9\n"))
    thread.start()
    census, items = take(fifo, tmp_path / "spool")
    thread.join()
    assert (census.ids, ids(items)) == (2, [8, 9])


def test_counting_can_be_cancelled(tmp_path: Path) -> None:
    """A count that waits for a silent pipe ends when its task does."""
    read, write_end = os.pipe()
    source = open_source(SourceSettings(path="-"), tmp_path, stdin=read)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await source.count()

    try:
        asyncio.run(main())  # joins the thread: would hang for ever
    finally:
        os.close(write_end)
        os.close(read)


def test_the_loop_goes_on_while_a_list_is_counted(tmp_path: Path) -> None:
    """Counting happens in a thread."""
    path = write(tmp_path, "\n".join(map(str, range(1, 200_000))))

    async def main() -> int:
        turns = 0
        source = open_source(SourceSettings(path=str(path)), tmp_path)
        counting = asyncio.ensure_future(source.count())
        while not counting.done():
            await asyncio.sleep(0)
            turns += 1
        assert counting.result().ids == 199_999
        return turns

    assert asyncio.run(main()) > 3


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "not set"),
        (("-", "-"), "only once"),
        ("/nonexistent/list.txt", "/nonexistent/list.txt: no such file"),
        ("/", "is a folder"),
        ("a\0b", "cannot be read"),
    ],
)
def test_a_list_that_is_not_there_is_refused_at_once(path: str, why: str, tmp_path: Path) -> None:
    """The path is checked before anything runs; the exit code is 2."""
    with pytest.raises(SourceError, match=why) as error:
        open_source(SourceSettings(path=path), tmp_path)
    assert error.value.code == 2


def test_lines_added_later_wait_for_the_next_run(tmp_path: Path) -> None:
    """A list that grows while it is in use is taken as it was counted."""
    path = write(tmp_path, "1\n2\n3")
    source = open_source(SourceSettings(path=str(path)), tmp_path)
    asyncio.run(source.count())
    with path.open("a") as more:
        more.write("4\n5\n")
    assert ids(list(source.items())) == [1, 2, 3]


def test_a_list_that_is_rewritten_is_told(tmp_path: Path) -> None:
    """What was not counted is not given, and in the end it is said that the list changed."""
    path = write(tmp_path, "1\n2\n3\n")
    source = open_source(SourceSettings(path=str(path)), tmp_path)
    asyncio.run(source.count())
    path.write_text("1\n9\n3\n")
    given_ids: list[object] = []
    with pytest.raises(SourceError, match="changed while it was in use"):
        given_ids.extend(item.id for item in source.items())
    assert given_ids in ([], [1, 3])
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        list(source.items())


def test_items_need_a_count(tmp_path: Path) -> None:
    """The second pass without the first is a bug, not an empty list."""
    source: Source = open_source(SourceSettings(path=str(write(tmp_path, "1"))), tmp_path)
    with pytest.raises(RuntimeError):
        next(source.items())


def test_the_digest_is_of_meaning_and_bytes(tmp_path: Path) -> None:
    """Same bytes read the same way: same digest, whatever the name; another byte, kind or column: another one."""
    a, b = write(tmp_path, "1,2\n", "a.csv"), write(tmp_path, "1,2\n", "b.csv")
    digests = [
        take(a)[0].digest,
        take(a, column="0")[0].digest,
        take(a, column="1")[0].digest,
        take(a, kind="pairs")[0].digest,
        take(write(tmp_path, "1,2\n\n", "c.csv"))[0].digest,
    ]
    assert take(b)[0].digest == digests[0]
    assert len(set(digests)) == len(digests)
    assert len(digests[0]) == 64


@pytest.mark.skipif(not POPULAR.exists(), reason="the popular list lies beside the repository only")
def test_the_popular_list() -> None:
    """The list of March 2017: 268,118 ids, all different."""
    census, items = take(POPULAR)
    assert (census.ids, census.well_formed, census.malformed, len(items)) == (268_118, 268_118, 0, 268_118)
    assert (census.bitmap.min(), census.bitmap.max()) == (258, 61_897_803)


@pytest.mark.skipif(not PAIRS.exists(), reason="the pair list lies beside the repository only")
def test_the_pair_list() -> None:
    """The pair csv: 6,192 rows, 10,737 different ids."""
    census, items = take(PAIRS, kind="pairs")
    assert (census.ids, census.well_formed, census.malformed, len(items)) == (10_737, 12_384, 0, 10_737)
    assert ids(items)[:2] == [14646322, 14577906]


MEMORY = """
import asyncio, random, resource, sys
from crawler.sources.settings import SourceSettings
from crawler.sources.source import open_source
source = open_source(SourceSettings(path=sys.argv[1]), None)
census = asyncio.run(source.count())
given = sum(1 for _ in source.items())
print(census.ids, given, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """A million ids take no more room than ten, but for two bitmaps of a few megabytes."""
    small, large = write(tmp_path, "1\n2\n", "small.txt"), tmp_path / "large.txt"
    with large.open("w") as out:
        out.writelines(f"{n * 131 % 150_000_001}\n" for n in range(1, 1_000_001))
    peak: list[int] = []
    for path in (small, large):
        run = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
        counted, streamed, rss = map(int, run.stdout.split())
        assert counted == streamed
        peak.append(rss if sys.platform != "darwin" else rss // 1024)
    assert counted == 1_000_000
    assert peak[1] - peak[0] < 24 * 1024  # kB; a set of the ids alone would take 60 MB


def test_urls_have_their_digest_as_identity(tmp_path: Path) -> None:
    """A plain list of URLs: each URL once, named by 16 hex digits."""
    a, b = "https://a.example/1.png", "http://b.example/x,y.jpg?z=1#f"
    census, items = take(write(tmp_path, f"# urls\n{a}\n\n{b} # again\n{a}\n123\n"), kind="urls")
    assert items == [Item(identity(a), a), Item(identity(b), b)]
    assert (census.ids, census.duplicates, census.malformed) == (2, 1, 1)
    assert set(census.bitmap) == {bit_of(identity(a)), bit_of(identity(b))}
