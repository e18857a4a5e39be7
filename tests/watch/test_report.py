"""The report: the same numbers as the log's own fold, everything escaped, nothing loaded, tables beside it."""

import base64
import csv
import gzip
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs
from report_kit import NOON, described, opened, run_of, stamp, stored, write

from crawler.cli.main import main
from crawler.events import Event, Voided
from crawler.log.codec import encode
from crawler.log.reader import LogDamaged
from crawler.watch.report import as_csv, read, write_report
from crawler.watch.report_charts import merged
from crawler.watch.tables import Table
from crawler.watch.tally import Bins, Tally, edge, half_octave


class Sources(HTMLParser):
    """Everything that a page loads or runs: addresses, kinds of elements, what stands in scripts, by their type."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self.policy = ""
        self.scripts: dict[str, list[str]] = {}
        self._type: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        said = dict(attrs)
        self._type = said.get("type") or "" if tag == "script" else None
        if said.get("http-equiv") == "Content-Security-Policy":
            self.policy = said["content"] or ""
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        if self._type is not None:
            self.scripts.setdefault(self._type, []).append(data)
            self._type = None


def test_one_file_that_needs_nothing_else(tmp_path: Path) -> None:
    """Two scripts, known by their digests; no address but data: and the tables beside it; the site's words are text."""
    written = write_report(run_of(tmp_path / "run"), tmp_path / "out" / "r.html", NOON.timestamp())
    text = written.page.read_text("utf-8")
    page = Sources(text)
    library = gzip.decompress(base64.b64decode(page.scripts["text/plain"][0])).decode()
    own = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in (*page.scripts[""], library)
    ]
    assert page.policy.rpartition("script-src ")[2] == " ".join(f"'sha256-{digest}'" for digest in own)
    assert library == get_plotlyjs()
    assert {name: len(bodies) for name, bodies in page.scripts.items()} == {
        "": 1,
        "text/plain": 1,
        "application/json": 1,
    }
    figures = json.loads(page.scripts["application/json"][0])
    assert set(figures) == set(re.findall(r'data-plot="([^"]+)"', text))
    assert "alert(1)" in text
    assert "<script>alert" not in json.dumps(figures)
    assert "\u202e" not in text
    assert all(url.startswith("data:image/") or re.fullmatch(r"r_tables/\w+\.csv", url) for url in page.loaded)
    assert re.findall(r"url\(|@import", text) == []
    linked = {url.partition("/")[2] for url in page.loaded if url.endswith(".csv")}
    assert (
        linked == {path.name for path in written.tables} == {p.name for p in (tmp_path / "out" / "r_tables").iterdir()}
    )


def test_its_tables_say_what_the_log_says(tmp_path: Path) -> None:
    """Outcomes as `status` has them; runs, sizes, years, ratings, tags and ids as the lines have them."""
    written = write_report(run_of(tmp_path), tmp_path / "report.html", NOON.timestamp())
    tables = {path.stem: list(csv.reader(io.StringIO(path.read_text("utf-8"))))[1:] for path in written.tables}
    counts = {row[0]: row[2] for row in tables["outcomes"] if not row[1]}
    assert counts == {"listed": "6", "done": "2", "gone": "2", "failed": "1", "to do": "1"}
    assert ["gone", "not_found", "1"] in tables["outcomes"]
    assert [row[1:5] for row in tables["runs"]] == [
        ["23 s", "interrupted", "5", "3"],
        ["10 s", "finished", "0", "0"],
    ]
    assert tables["images_of_a_work"] == [["1", "1"], ["2", "1"]]
    assert tables["years"] == [["2016", "2"]]
    assert tables["ratings"] == [["all ages", "1"], ["R-18", "1"]]
    assert tables["kinds"] == [["illust", "1"], ["manga", "1"]]
    assert tables["formats"] == [["image/jpeg", "3"]]
    assert ["海", "", "2"] in tables["tags"]
    assert ["'=1+1", "", "2"] in tables["tags"]
    assert sum(int(row[4]) for row in tables["alive_by_id"]) == 1
    assert sum(int(row[1]) for row in tables["throughput"]) == 5
    assert tables["hosts"][0][3] == "10 s"
    assert len(tables["failures"]) == 1


def test_rated_works_are_blurred_on_the_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be shown to everybody is blurred in the bytes themselves, not by a style."""
    from crawler.watch import report

    asked: dict[str, bool] = {}

    class Noting(report.Thumbs):
        def make(self, path: str, edge: int, *, blur: bool = False) -> bytes | None:
            asked[Path(path).name] = blur
            return super().make(path, edge, blur=blur)

    monkeypatch.setattr(report, "Thumbs", Noting)
    write_report(run_of(tmp_path), tmp_path / "report.html", NOON.timestamp())
    assert asked == {"1_p0.jpg": False, "1_p1.jpg": False, "2_p0.jpg": True}


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, the extra named, and nothing written."""
    run_of(tmp_path / "run")
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "out" / "r.html")]) == 2
    assert "pip install 'crawler[report]'" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.csv"))
    assert not list(tmp_path.rglob("*.html"))


def test_the_same_log_makes_the_same_page(tmp_path: Path) -> None:
    """Byte for byte, as of the same moment."""
    log = run_of(tmp_path / "run")
    pages = [write_report(log, tmp_path / name / "r.html", NOON.timestamp()).page.read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted).map(tuple), max_size=30), st.floats(0, 1e6))
def test_merged_spans_hold_the_same_moments(spans: list[tuple[float, float]], gap: float) -> None:
    """In order, further apart than the gap; each span lies in one of them, and each begins and ends where spans do."""
    out = merged(spans, gap)
    assert all(one[1] + gap < other[0] for one, other in pairwise(out))
    assert all(any(a <= begin and end <= b for a, b in out) for begin, end in spans)
    assert {a for a, _ in out} <= {begin for begin, _ in spans}
    assert {b for _, b in out} <= {end for _, end in spans}


def test_voided_and_repeated_lines_do_not_count(tmp_path: Path) -> None:
    """As in the fold: what no longer holds is not reported, what is said twice counts once."""
    log = write(
        tmp_path,
        (0, opened(2)),
        (1, described(1)),
        (2, stored(1)),
        (3, stored(1)),
        (4, described(2, 3)),
        (5, stored(2)),
        (6, Voided("abc", 5, "repair")),
        (7, Voided("abc", 6, "repair")),
    )
    tally, _, totals = read(log)
    assert (tally.images, totals.images) == (1, 1)
    assert dict(tally.pages_of_works) == {1: 1}


def test_a_run_may_be_on(tmp_path: Path) -> None:
    """A line that is being written is no damage; a log with nothing in it makes a page too."""
    log = run_of(tmp_path / "a")
    with log.open("ab") as file:
        file.write(b'{"seq":14,"t":"20')
    write_report(log, tmp_path / "a.html", NOON.timestamp())
    empty = write(tmp_path / "b", (0, opened(0)))
    assert write_report(empty, tmp_path / "b.html", NOON.timestamp()).page.exists()


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    """As everywhere: a number from a log with holes would be a guess."""
    log = run_of(tmp_path)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(LogDamaged):
        write_report(log, tmp_path / "report.html", NOON.timestamp())
    assert not (tmp_path / "report.html").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writes DIR/report.html unless told otherwise and prints its path; exit 2 where there is no log."""
    run_of(tmp_path / "run")
    assert main(["report", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'report.html'}\n"
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "x" / "y.html"), "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "x" / "y_tables" / "outcomes.csv").exists()
    assert main(["report", str(tmp_path)]) == 2
    assert "there is no log here" in capsys.readouterr().err
    assert not list(tmp_path.rglob(".*.new"))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 4e9), st.integers(0, 5), st.integers(0, 9)), max_size=200))
def test_bins_lose_nothing(events: list[tuple[float, int, int]]) -> None:
    """However far apart: the sums are the sums, and there are only so many bins."""
    bins = Bins()
    for t, works, images in events:
        bins.add(t, works, images, 10)
    assert sum(b[0] for b in bins.sums.values()) == sum(works for _, works, _ in events)
    assert sum(b[1] for b in bins.sums.values()) == sum(images for _, _, images in events)


def test_many_bins_become_wider() -> None:
    """A year of seconds fits."""
    bins = Bins()
    for t in range(0, 365 * 86400, 3600):
        bins.add(t, 1, 0, 0)
    assert len(bins.sums) <= 4096
    assert sum(b[0] for b in bins.sums.values()) == 365 * 24


@given(st.integers(1, 10**6))
def test_half_octaves_hold_their_numbers(n: int) -> None:
    """A number lies between the edge of its step and the next."""
    step = half_octave(n)
    assert edge(step) <= n < edge(step + 1)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_csv_is_read_back_and_is_no_formula(values: list[str]) -> None:
    """Any text comes back as one cell of one line, and none begins like a formula."""
    out = list(csv.reader(io.StringIO(as_csv(Table("t", ("a",), [(v,) for v in values])))))
    assert len(out) == len(values) + 1
    assert all(not row or row[0][:1] not in ("=", "+", "-", "@") for row in out)


def test_the_contact_sheet_is_a_fair_draw() -> None:
    """At most sixty, from the whole run and not from its beginning."""
    tally = Tally(set())
    for n in range(1000):
        tally.add(line_of(n, stored(n)))
    drawn = [int(sample.id) for sample in tally.sheet]
    assert len(drawn) == len(set(drawn)) == 60
    assert sum(id >= 500 for id in drawn) > 15


def line_of(n: int, event: Event) -> Any:
    from crawler.log.codec import decode

    return decode(encode("abc", n + 1, stamp(n), event))
