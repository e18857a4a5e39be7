"""Laws of `crawler pairs find` and `crawler pairs export`: what is found, what is asked for, what goes out."""

import csv
import shutil
from pathlib import Path

import pytest
from find_kit import PLAIN, Found, found, is_true, killed_and_again
from judge import command, lines

from crawler.disk import Disk
from crawler.pairs.judgements import Judged, Pair
from crawler.pairs.ledger import Ledger


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A dozen families of a seed. Never to be changed by a test."""
    return found(tmp_path_factory.mktemp("find"), 71, range(10))


@pytest.fixture
def copy(small: Found, tmp_path: Path) -> Path:
    """The crawl's folder, to be changed; nobody answers any more."""
    shutil.copytree(small.folder, tmp_path / "out")
    return tmp_path / "out"


def test_candidates_are_the_true_pairs(small: Found) -> None:
    """The linked works are fetched, and nearly all that is true is found, and little else; each with its evidence."""
    assert small.ended.code == 0, small.ended.err
    recall, precision = small.measure()
    assert (recall, precision) >= (0.99, 0.95)
    assert precision >= 0.95
    scores = [one["score"] for one in small.candidates()]
    assert scores == sorted(scores, reverse=True)
    described = {line["id"]: line["work"] for line in lines(small.folder) if line["event"] == "described"}
    for one in small.candidates():
        evidence, colored, sketch = one["evidence"], described[one["colored"]], described[one["sketch"]]
        assert evidence["link"] in evidence["words"]
        assert evidence["dates"] == [colored["createDate"], sketch["createDate"]]
        assert evidence["pages"] == [colored["pageCount"], sketch["pageCount"]]
        assert evidence["same_author"] == (colored["userId"] == sketch["userId"])
        assert evidence["older"] == (colored["createDate"] > sketch["createDate"])
        assert set(evidence["tags"]) <= {tag["tag"] for tag in colored["tags"]["tags"]}
        assert one["match"] is None or 0 <= one["match"]["colored_page"] < colored["pageCount"]


def test_a_second_time_nothing_is_asked(small: Found, copy: Path) -> None:
    """With nobody there to answer, the same command comes to the same bytes."""
    before = (copy / "pairs" / "candidates.jsonl").read_bytes()
    shutil.rmtree(copy / ".crawl")  # can be deleted, as always
    (copy / "pairs" / "candidates.jsonl").unlink()
    ended = command("pairs", "find", small.config, "--output.dir", copy, *PLAIN)
    assert ended.code == 0, ended.err
    assert (copy / "pairs" / "candidates.jsonl").read_bytes() == before
    assert len(lines(copy)) == len(lines(small.folder))
    assert command("pairs", "find", copy, "--out", copy / "other.jsonl").code == 0
    assert (copy / "other.jsonl").read_bytes() == before


@pytest.mark.long
def test_metadata_alone(small: Found, tmp_path: Path) -> None:
    """With --no-images no image of a linked work is asked for; they stay to be had. The next command fetches them;
    killed and typed again it comes to what it would have come to at once, and asks for no description."""
    one = found(tmp_path, 71, range(10), "--no-images")
    assert one.ended.code == 0, one.ended.err
    log = lines(one.folder)
    stored = {line["id"] for line in log if line["event"] == "stored"}
    described = {line["id"] for line in log if line["event"] == "described"}
    assert {pair[1] for pair in one.truth} <= described
    assert not {pair[1] for pair in one.truth} & stored
    assert all(line["match"] is None for line in one.candidates())
    recall, _ = one.measure()
    assert recall >= 0.99
    assert one.asked < small.asked
    ended, asked = killed_and_again(one)
    assert ended.code == 0, ended.err
    assert one.candidates() == small.candidates()
    assert set(asked) <= {"/robots.txt"}, "no work is described twice"


def test_a_folder_is_looked_at_and_nobody_asked(small: Found, copy: Path) -> None:
    """Given a folder, what the log does not know is counted, not asked for; what is wrong is said."""
    assert small.before.code == 0
    assert "linked works are not known yet" in small.before.err
    assert "0 candidates" in small.before.out
    ended = command("pairs", "find", copy, "--limits.api.rate", "1")
    assert ended.code == 2
    assert "nobody is asked" in ended.err
    assert command("pairs", "find", copy.parent / "nothing").code == 2
    assert command("pairs", "find", copy.parent).code == 2
    assert command("pairs", "find", copy, "--min-score", "2").code == 2


def test_export(small: Found, copy: Path, tmp_path: Path) -> None:
    """The csv is as the seed's own: what was judged yes, and with --min-score what nobody judged; then a data set."""
    ended = command("pairs", "export", copy)
    assert ended.code == 2
    assert "judged `yes`" in ended.err
    listed = [Pair(one["colored"], one["sketch"]) for one in small.candidates()]
    yes, no, rest = listed[:4], listed[4], listed[5:]
    ledger = Ledger(copy / "pairs" / "judgements.jsonl", Disk())
    for pair in (*yes, no):
        ledger.write(Judged(pair, "no" if pair == no else "yes"))
    ledger.close()
    assert command("pairs", "export", copy, "--out", tmp_path / "some.csv").code == 0
    text = (tmp_path / "some.csv").read_text()
    assert text == "".join(f"{a},{b}\n" for a, b in sorted(yes))
    assert command("pairs", "export", copy, "--min-score", "0.5").code == 0
    with (copy / "pairs" / "pairs.csv").open() as file:
        assert [tuple(map(int, row)) for row in csv.reader(file)] == sorted([*yes, *rest])
    out = tmp_path / "set"
    ended = command("pairs", "export", copy, "--to", "pairs", "--out", out, "--match", "shape")
    assert ended.code == 0, ended.err
    keys = {f"{a}_{b}" for a, b in yes}
    assert {path.stem for path in (out / "train" / "sketch").iterdir()} <= keys
    assert (out / "pairs.jsonl").read_text().count("\n") == len(yes)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_recall_and_precision(tmp_path: Path) -> None:
    """Over seeds that had no part in the weights: recall of 99 % at least, precision of 95 % at least."""
    there, had, missed, wrong = 0, 0, set[tuple[int, int, int]](), list[tuple[int, ...]]()
    for seed in (1009, 2003, 3001, 4001, 5003):
        folder = tmp_path / str(seed)
        folder.mkdir()
        one = found(folder, seed, range(seed, seed + 60))
        assert one.ended.code in (0, 3), one.ended.err
        pairs = {(line["colored"], line["sketch"]) for line in one.candidates()}
        there, had = there + len(one.truth), had + len(pairs)
        missed |= {(seed, *pair) for pair in one.truth - pairs}
        wrong += [(seed, *pair) for pair in sorted(pairs) if not is_true(seed, pair)]
    print(f"{there} true pairs, {had} candidates; missed: {sorted(missed)}; wrong: {wrong}")
    assert len(missed) <= 0.01 * there, missed
    assert len(wrong) <= 0.05 * had, wrong
