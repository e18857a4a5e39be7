"""Users, bookmarks and links become ids too; what cannot be had is said; and what is collected can be run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collect_kit import collected, judge_log, log_of, stems, truth, write_collect
from judge import command, judge, lines

from crawler.origin.listing import Listing
from crawler.origin.server import origin_thread
from crawler.origin.work import moment_of, user_of

SEED = 5
SESSION = "1_made_up_for_tests"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=SEED, ca_dir=tmp_path_factory.mktemp("ca"), listing=Listing(scale=0.02)) as origin:
        yield origin


def users(site: Any, count: int) -> list[int]:
    """Authors of works."""
    return [user_of(site.seed, 30_000_000 + 7919 * n) for n in range(count)]


def test_users(tmp_path: Path, site: Any) -> None:
    """One request a user gives all works; one who has left is missing for good, said, and not asked for again."""
    some = users(site, 5)
    named = [str(some[0]), *(f"https://www.pixiv.net/en/users/{uid}" for uid in some[1:]), "999999999999"]
    config = write_collect(tmp_path, site, named, 'kind = "users"')
    before = site.seen.total
    ended = command("collect", config)
    assert ended.code == 3, ended.err
    assert "999999999999: page 1: not_found" in ended.err
    assert set(collected(tmp_path)) == set[int]().union(*(site.world.expected_user(uid) for uid in some))
    judge_log(tmp_path)
    asked = site.seen.total
    assert asked - before == len(named) + 1  # robots.txt
    assert command("collect", config).code == 3
    assert site.seen.total == asked


def test_bookmarks(tmp_path: Path, site: Any) -> None:
    """The works that a user bookmarked, in their order; masked rows are counted and stay out of the list."""
    some = [uid for uid in range(1, 400) if len(site.world.expected_bookmarks(uid, session=False)) > 130][:3]
    config = write_collect(tmp_path, site, map(str, some), 'kind = "bookmarks"', lists=1)
    ended = command("collect", config)
    assert ended.code == 0, ended.err
    wanted = [site.world.expected_bookmarks(uid, session=False) for uid in some]
    assert collected(tmp_path) == list(dict.fromkeys(id for ids in wanted for id in ids))
    shown = [line for line in log_of(tmp_path) if line["event"] == "ended"]
    assert sum(line["masked"] for line in shown) > 0
    before = site.seen.total
    assert command("collect", config, "--since-last").code == 0
    assert site.seen.total - before <= len(some) + 1, "one page a user says that nothing is newer"


def test_links(tmp_path: Path, site: Any) -> None:
    """The works that descriptions link to, in whatever form authors wrote them."""
    works = [id for id in range(20_000_000, 20_003_000) if site.world.expected_links(id)][:40]
    works += [id for id in range(20_000_000, 20_000_100) if not site.world.expected_links(id)][:10]
    config = write_collect(tmp_path, site, map(str, works), 'kind = "links"', lists=1)
    ended = command("collect", config)
    assert ended.code == 0, ended.err
    wanted = [link for id in works for link in site.world.expected_links(id)]
    assert collected(tmp_path) == list(dict.fromkeys(wanted))
    before = site.seen.total
    assert command("collect", config).code == 0
    assert site.seen.total == before


def test_collect_and_run(tmp_path: Path, site: Any) -> None:
    """`crawler collect C && crawler run C`: one config, from tags to files."""
    tags = [f"{stem}20000users入り" for stem in stems(SEED, 20_000, 60_000, 3)]
    config = write_collect(tmp_path, site, tags)
    assert command("status", tmp_path / "collected").code == 2
    early = command("run", config)
    assert early.code == 2
    assert "run `crawler collect` first" in early.err
    assert command("collect", config).code == 0
    ended = command("run", config)
    assert ended.code == 0, ended.err
    ids = collected(tmp_path)
    assert len(ids) > 20
    outcomes = judge(site.world, tmp_path / "out", ids)
    assert outcomes["not_found"] == outcomes["filtered"] == 0, "rows said so before"
    assert lines(tmp_path / "out")[0]["source"]["ids"] == len(ids)
    told = json.loads(command("status", tmp_path / "collected", "--json").out)
    assert (told["lists"], told["over"], told["ids"], told["ended"]) == (3, 3, len(ids), "finished")
    assert "3 read to the end" in command("status", tmp_path / "collected").out
    assert "3 of 3 lists" in command("tail", tmp_path / "collected", "-n", "1").out


def test_the_recipe(tmp_path: Path, site: Any) -> None:
    """config/tags.toml, with lists, folders and the stand-in's address by flag: from tags to ids, as it stands."""
    recipe = Path(__file__).parents[2] / "config" / "tags.toml"
    tags = [f"{stem}1000users入り" for stem in stems(SEED, 20_000, 60_000, 2)]
    (tmp_path / "tags.txt").write_text("\n".join(tags))
    flags = ["--collect.path", str(tmp_path / "tags.txt"), "--collect.out", str(tmp_path / "collected")]
    flags += ["--api-rate", "0", "--network.ca_file", site.ca_file]
    flags += [f"--network.resolve.{host}={address}" for host, address in site.resolve.items()]
    ended = command("collect", recipe, *flags)
    assert ended.code == 0, ended.err
    assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))


def test_a_day_above_the_cap(tmp_path: Path) -> None:
    """A day with more works than the site shows: named with its tag, counted; the rest of the list is whole."""
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(cap_pages=1)) as site:
        tag, day, crowd = "", "", list[int]()
        for stem in stems(SEED, 1500, 9000, 20):
            days: dict[str, list[int]] = {}
            for id in truth(site, f"{stem}1000users入り"):
                days.setdefault(moment_of(id).date().isoformat(), []).append(id)
            day, crowd = max(days.items(), key=lambda item: len(item[1]))
            if len(crowd) > 150:
                tag = f"{stem}1000users入り"
                break
        assert tag
        config = write_collect(tmp_path, site, [tag], f'since = "{day}"\nuntil = "{day}"')
        ended = command("collect", config)
        assert ended.code == 3, ended.err
        assert tag in ended.err
        assert day in ended.err
        found = set(collected(tmp_path))
        assert found < set(crowd)
        assert len(found) > 100, "both ends of the day are read"
        total = len(site.world.expected_tag(tag, "exact", "safe", day, day))
        capped = next(line for line in log_of(tmp_path) if line["event"] == "capped")
        assert (capped["tag"], capped["day"], capped["total"]) == (tag, day, total)
        masked = sum(line["masked"] for line in log_of(tmp_path) if line["event"] == "paged")
        assert capped["reached"] == len(found) + masked


def test_ratings_and_masks(tmp_path: Path) -> None:
    """R-18 is asked for only when wanted; without a session those rows are masked: counted, and no id is listed."""
    tag = f"{stems(SEED, 9000, 60_000, 1)[0]}100users入り"
    listing = Listing(scale=0.1)
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", session=SESSION, listing=listing) as site:
        world = site.world
        safe, every = truth(site, tag), truth(site, tag, mode="all")
        assert safe < every
        config = write_collect(tmp_path, site, [tag])
        assert command("collect", config, "--filter.max_x_restrict", "2").code == 0
        assert set(collected(tmp_path)) == safe
        paged = [line for line in log_of(tmp_path) if line["event"] == "paged"]
        assert sum(line["masked"] for line in paged) == len(world.expected_tag(tag, "exact", "all") - safe) > 0
        flags = ["--filter.max_x_restrict", "1", "--collect.out", str(tmp_path / "adult" / "collected")]
        assert command("collect", config, *flags, env={"CRAWLER_SITE__SESSION": SESSION}).code == 0
        wanted = {id for id in every if world.work(id).x_restrict <= 1}
        assert set(collected(tmp_path / "adult")) == wanted
        assert safe < wanted < every
        log = log_of(tmp_path / "adult")
        assert sum(line["left_out"] for line in log if line["event"] == "paged") == len(every - wanted)


def test_the_list_is_a_view_of_the_log(tmp_path: Path, site: Any) -> None:
    """ids.txt lost, cut or altered: the next run makes it again, and asks nothing. A whole one is left as it is."""
    tags = [f"{stem}1000users入り" for stem in stems(SEED, 20_000, 60_000, 2)]
    config = write_collect(tmp_path, site, tags)
    assert command("collect", config).code == 0
    file = tmp_path / "collected" / "ids.txt"
    whole, asked, inode = file.read_bytes(), site.seen.total, file.stat().st_ino
    assert command("collect", config).code == 0
    assert file.stat().st_ino == inode
    for spoil in (file.unlink, lambda: file.write_bytes(whole[:-3]), lambda: file.write_bytes(whole + b"1\n")):
        spoil()
        assert command("collect", config).code == 0
        assert file.read_bytes() == whole
    assert site.seen.total == asked


def test_what_it_would_cost(tmp_path: Path, site: Any) -> None:
    """--dry-run asks nothing: at least a page a list before its first page, what totals say after; 0 when done."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 20_000, 60_000, 2)]
    config = write_collect(tmp_path, site, tags)
    before = site.seen.total
    first = json.loads(command("collect", config, "--dry-run", "--json", "--api-rate", "0.5").out)
    assert (first["lists"], first["unknown"], first["requests"]) == (2, 2, {"least": 2, "likely": 9})
    assert first["seconds"] == {"least": 4.0, "likely": 18.0}
    assert first["assumed"]["pages_per_list"] == {"value": 4.3, "from": "assumed"}
    planned = command("plan", config, "--json", "--api-rate", "0.5")
    assert (planned.code, json.loads(planned.out)) == (0, first)
    assert site.seen.total == before
    assert not (tmp_path / "collected").exists()
    assert command("collect", config).code == 0
    done = command("collect", config, "--dry-run")
    assert "nothing is left to ask for" in done.out


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        ("猫\n\x07bell\n", 0, "tags.txt:2: "),
        ("..\n", 2, "only dots"),
        ("# nothing\n", 2, "Not one line"),
        ("x" * 300 + "\n", 2, "more than 200 characters"),
    ],
)
def test_names_that_are_none(tmp_path: Path, site: Any, names: str, code: int, said: str) -> None:
    """What is wrong with a line is told with its file and number; the other lines are read."""
    config = write_collect(tmp_path, site, [])
    (tmp_path / "tags.txt").write_text(names)
    ended = command("collect", config)
    assert ended.code == code, ended.err
    assert said in ended.err


def test_nothing_named(tmp_path: Path, site: Any) -> None:
    """No file and no tags is a mistake in the config, with its place."""
    config = write_collect(tmp_path, site, [])
    config.write_text(config.read_text().replace('path = "tags.txt"', ""))
    ended = command("collect", config)
    assert (ended.code, "collect.path: missing" in ended.err) == (2, True)
    config.write_text(config.read_text().replace("[collect]", '[collect]\npath = "no.txt"'))
    ended = command("collect", config)
    assert ended.code == 2
    assert "collect.toml:3: collect.path: no such file" in ended.err


def test_a_session_that_is_refused(tmp_path: Path) -> None:
    """Exit 5: nothing more is asked, and the list is gone on with later."""
    tags = [f"{stem}1000users入り" for stem in stems(SEED, 20_000, 60_000, 2)]
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", session=SESSION, listing=Listing(scale=0.02)) as site:
        config = write_collect(tmp_path, site, tags)
        ended = command("collect", config, env={"CRAWLER_SITE__SESSION": "2_another"})
        assert ended.code == 5, ended.err
        assert "refused the session" in ended.err
        assert SESSION not in (tmp_path / "collected" / "log.jsonl").read_text()
        ended = command("collect", config, env={"CRAWLER_SITE__SESSION": SESSION})
        assert ended.code == 0, ended.err
        assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))


def test_two_at_once(tmp_path: Path, site: Any) -> None:
    """A folder is one process's: the second is told so, exit 2."""
    import fcntl

    config = write_collect(tmp_path, site, ["猫"])
    (tmp_path / "collected" / ".crawl").mkdir(parents=True)
    lock = os.open(tmp_path / "collected" / ".crawl" / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert command("collect", config).code == 2
    finally:
        os.close(lock)
