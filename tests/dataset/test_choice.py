"""Laws of which images an export has: --where, --splits, names."""

from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, export, exported, read
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.dataset.columns import COLUMNS, key_of, split_of, utc
from crawler.dataset.splits import parse_splits
from crawler.dataset.stops import Refused
from crawler.dataset.where import Where
from crawler.sites.pixiv import work_of

ROW: dict[str, Any] = dict.fromkeys(column.name for column in COLUMNS)


def test_where_chooses(crawl: Crawl, tmp_path: Path) -> None:
    """Exactly the images for which all expressions hold; how many did not is told."""
    works = {id: work_of(raw) for id, raw in crawl.described().items()}
    tag = next(tag for work in works.values() for tag in work.tags if tag.translation)
    wanted = {
        key
        for key, line in crawl.stored().items()
        if works[line["id"]].bookmarks >= 500
        and tag.name in [t.name for t in works[line["id"]].tags]
        and line["page"] != "zip"
    }
    assert wanted
    told = exported(
        *(crawl.works, "--to", "parquet", "--out", tmp_path / "out", "--where", "bookmarks >= 500"),
        *("--where", f"tag('{tag.translation.upper()}') and page != 'zip'"),
    )
    assert {row["key"] for row in read("arrow", tmp_path / "out", tmp_path)} == wanted
    assert told["totals"]["left_out"] == {"where": len(crawl.stored()) - len(wanted)}


def test_nothing_chosen(crawl: Crawl, tmp_path: Path) -> None:
    """An export of nothing is complete and says so."""
    for to in ("webdataset", "parquet", "imagefolder"):
        told = exported(crawl.works, "--to", to, "--out", tmp_path / to, "--where", "0")
        assert (told["shards"], told["totals"]["images"]) == ([], 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from(["<", "<=", "=", "<>", ">", ">="]), st.booleans())
def test_where_is_arithmetic(value: int, other: int, sign: str, known: bool) -> None:
    """An expression holds as it would in Python; one about what is not known does not hold."""
    python = {"=": "==", "<>": "!="}.get(sign, sign)
    where = Where([f"likes {sign} {other}"])
    holds = eval(f"{value} {python} {other}")
    assert where({**ROW, "likes": value if known else None}) is (known and holds)
    where.close()


@pytest.mark.parametrize(
    "expression",
    [
        "bokmarks > 1",
        "",
        "likes >",
        "(SELECT count(*) FROM sqlite_master)",
        "load_extension('x')",
        "1); DROP TABLE x; SELECT (1",
        "1), 0) ; SELECT ((1",
        "1 IN (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
        " AND 1 = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)",
        "likes = random()",
        "likes > :limit OR \udc80",
    ],
)
def test_where_is_shut_in(crawl: Crawl, tmp_path: Path, expression: str) -> None:
    """What is no expression over a row's columns is a mistake: told, exit 2, nothing written; it reaches nothing."""
    code, _, err = export(crawl.works, "--to", "webdataset", "--out", tmp_path / "out", "--where", expression)
    assert code == 2
    assert "--where" in err
    assert not (tmp_path / "out").exists()


def test_a_mistyped_column_is_named() -> None:
    """The nearest column is told."""
    with pytest.raises(Refused, match="did you mean bookmarks"):
        Where(["bokmarks > 1"])


def test_no_artist_is_in_two_parts(crawl: Crawl, tmp_path: Path) -> None:
    """All images of an artist are in one part, about as many in each as asked."""
    told = exported(crawl.works, "--to", "parquet", "--out", tmp_path / "out", "--splits", "train=.7,val=.2,test=.1")
    parts: dict[int, set[str]] = {}
    for row in read("arrow", tmp_path / "out", tmp_path):
        parts.setdefault(row["user_id"], set()).add(row["split"])
    assert all(len(some) == 1 for some in parts.values())
    splits = told["totals"]["splits"]
    assert splits["train"] > splits["val"] > splits["test"] > 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=20), max_size=50), st.floats(0.01, 0.98))
def test_a_group_stays_where_it_is(groups: list[str], share: float) -> None:
    """The part of a group is a function of its name; a larger share only ever takes from the others."""
    for group in groups:
        part = split_of(group, (("a", share), ("b", 1 - share)))
        assert part == split_of(group, (("a", share), ("b", 1 - share)))
        if part == "a":
            assert split_of(group, (("a", share + 0.01), ("b", 0.99 - share))) == "a"


def test_shares_are_kept() -> None:
    """Of many groups, each part has its share."""
    splits = parse_splits("train=.9, val=.1")
    found = [split_of(f"user {n}", splits) for n in range(20_000)]
    assert abs(found.count("val") / len(found) - 0.1) < 0.01


@pytest.mark.parametrize("text", ["train", "train=.5", "a=.5,a=.5", "A=1", "a=0,b=1", "a=nan", "a=1,b=x", "../x=1"])
def test_splits_that_are_none(text: str) -> None:
    """Shares are positive and make one, names are plain."""
    with pytest.raises(Refused, match="--splits"):
        parse_splits(text)


@settings(deadline=None, max_examples=100)
@given(st.sets(st.one_of(st.integers(1, 99), st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,9}", fullmatch=True))))
def test_keys_are_unique_and_have_no_dot(ids: set[int | str]) -> None:
    """Readers of tars cut at the first dot: a key has none, and different images have different keys."""
    keys = {key_of(id, page) for id in ids for page in ((0, 1, "zip") if isinstance(id, int) else (0,))}
    plain = {id for id in ids if isinstance(id, str)}
    clash = {key_of(id, p) for id in ids if isinstance(id, int) for p in (0, 1, "zip")} & plain
    assert len(keys) == sum(3 if isinstance(id, int) else 1 for id in ids) - len(clash)
    assert not any("." in key for key in keys)


def test_times_are_utc() -> None:
    """Whatever zone the site gives, and nothing for what is no time."""
    assert utc("2017-03-01T09:30:00+09:00") == "2017-03-01T00:30:00Z"
    assert utc("2026-01-02T03:04:05.678Z") == "2026-01-02T03:04:05.678Z"
    assert utc("soon") is None
    assert utc("") is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--to", "webdataset", "--images"), "--images is for --to parquet"),
        (("--to", "parquet", "--copy"), "--copy is for"),
        (("--to", "pairs"), "--pairs FILE"),
        (("--to", "pairs", "--pairs", "nowhere.csv"), "nowhere.csv"),
        (("--to", "webdataset", "--format", "webp"), "--resize"),
        (("--to", "webdataset", "--resize", "10", "--format", "gif"), "webp, jpeg, png"),
        (("--to", "webdataset", "--resize", "-3"), "--resize"),
        (("--to", "webdataset", "--shard-mb", "0"), "--shard-mb"),
        (("--to", "webdataset", "--splits", "x"), "--splits"),
        (("--to", "wds"), "--to"),
    ],
)
def test_mistakes(crawl: Crawl, tmp_path: Path, wrong: tuple[str, ...], says: str) -> None:
    """Each mistake is told with its option, exit 2, and nothing is written."""
    code, out, err = export(crawl.works, *wrong, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert says in err
    assert not (tmp_path / "out").exists()


def test_no_log(tmp_path: Path) -> None:
    """A folder without a log is told, exit 2."""
    code, _, err = export(tmp_path, "--to", "webdataset", "--out", tmp_path / "out")
    assert code == 2
    assert "no log" in err
