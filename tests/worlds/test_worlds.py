"""Whole crawls in made-up worlds: hundreds of seeds, each with faults, kills and power cuts of its own.

A failure names the seeds; `crawler simulate --seed N` plays one again, and `--kills K` with it where that was given.
Classes, because pytest-xdist gives each to one process: pictures and certificates are made once in it.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.main import main
from crawler.cli.simulate import play_seed
from crawler.engine import work as lives
from crawler.fetch.daily import Account
from crawler.fetch.hosts import Host
from crawler.log import writer
from crawler.rules.rate import Gcra
from crawler.rules.replay import State, Todo
from crawler.simulate.disk import ForgetfulDisk
from crawler.simulate.scenario import scenario
from crawler.simulate.witness import Told
from crawler.sinks.folder import Folder

BATCH = 20


def play(seeds: Iterable[int], kills: int | None = None) -> list[Told]:
    """Play worlds; any broken law fails, with the command that shows it again."""
    stories: list[Told] = []
    for seed in seeds:
        told = play_seed(seed, kills=kills)
        more = "" if kills is None else f" --kills {kills}"
        assert not told.broken, "\n".join([f"crawler simulate --seed {seed}{more}", *told.broken[:5], *told.runs])
        stories.append(told)
    return stories


class TestOneHalf:
    @pytest.mark.parametrize("start", range(0, 80, BATCH))
    def test_every_law_holds(self, start: int) -> None:
        """Whatever a seed brings, it ends, with exactly what the site has, within the budget, and nothing lost."""
        play(range(start, start + BATCH))


class TestOtherHalf:
    @pytest.mark.parametrize("start", range(80, 160, BATCH))
    def test_every_law_holds(self, start: int) -> None:
        """As the other half."""
        play(range(start, start + BATCH))


@pytest.mark.long
@pytest.mark.timeout(1200)
class TestManyKills:
    def test_five_hundred_kills(self) -> None:
        """And more: of processes and of the power, at any step towards the disk and at any time."""
        kills = cuts = 0
        seed = 100_000
        while kills < 600:
            for told in play(range(seed, seed + BATCH), kills=6):
                kills, cuts = kills + told.kills, cuts + told.cuts
            seed += BATCH
        assert cuts > 100

    @pytest.mark.parametrize("start", [160, *range(200_000, 201_000, 250)])
    def test_a_thousand_more_seeds(self, start: int) -> None:
        """As in every run, with others."""
        play(range(start, start + 250))


class TestTheSimulationItself:
    def test_a_seed_is_one_story(self) -> None:
        """Twice the same seed: the same requests at the same times, the same log; another seed, another story."""
        seeds = (4, 7, 15, 19, 23)
        first, second = ([play_seed(seed, kills=3) for seed in seeds] for _ in range(2))
        assert [told.trace for told in first] == [told.trace for told in second]
        assert [told.virtual_s for told in first] == [told.virtual_s for told in second]
        assert len({told.trace for told in first}) == len(seeds)

    def test_seeds_are_worth_playing(self) -> None:
        """Over some of them everything happens that can: a world where nothing goes wrong proves nothing."""
        stories = play(range(500, 540))
        assert sum(told.virtual_s for told in stories) > 3600 * 10
        assert sum(told.faults for told in stories) > 400
        for what in ("kills", "cuts", "drains", "full", "again"):
            assert sum(getattr(told, what) for told in stories) > 0, what

    def test_a_budget_of_the_day_makes_days_of_it(self) -> None:
        """A run that may ask for 15 requests a day waits them out, day after day, through kills, and ends complete."""
        seeds = [seed for seed in range(120) if scenario(seed).daily == 15]
        stories = play(seeds) + play(seeds, kills=6)
        assert max(told.virtual_s for told in stories) > 3 * 86_400
        assert sum(told.kills for told in stories) > 5

    def test_the_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """One world in a few lines; a range in one; a wrong range is a usage error."""
        assert main(["simulate", "--seed", "3", "--works", "8", "--kills", "1"]) == 0
        out = capsys.readouterr().out
        assert "seed 3: 8 works" in out
        assert "trace" in out
        assert main(["simulate", "--seeds", "3..5", "--works", "6"]) == 0
        assert "3 worlds" in capsys.readouterr().out
        assert main(["simulate", "--seeds", "5..3"]) == 2


# -- lies: a law that nothing can break is no law -------------------------------------------------


def no_file_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = ForgetfulDisk.sync

    def lie(self: ForgetfulDisk, descriptor: int) -> None:
        if self.path_of(descriptor).suffix != ".part":
            sync(self, descriptor)

    monkeypatch.setattr(ForgetfulDisk, "sync", lie)


def the_log_is_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = ForgetfulDisk.sync

    def lie(self: ForgetfulDisk, descriptor: int) -> None:
        if self.path_of(descriptor).name != "log.jsonl":
            sync(self, descriptor)

    monkeypatch.setattr(ForgetfulDisk, "sync", lie)


def no_name_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    sync_folder = ForgetfulDisk.sync_folder

    def lie(self: ForgetfulDisk, path: Path) -> None:
        if path.parent.name != "images":
            sync_folder(self, path)

    monkeypatch.setattr(ForgetfulDisk, "sync_folder", lie)


def a_torn_tail_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    truncate = ForgetfulDisk.truncate

    def lie(self: ForgetfulDisk, descriptor: int, size: int) -> None:
        if self.path_of(descriptor).name != "log.jsonl":
            truncate(self, descriptor, size)

    monkeypatch.setattr(ForgetfulDisk, "truncate", lie)
    monkeypatch.setattr(writer.files, "keep_tail", lambda *_: Path())


def lines_come_before_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Folder.place

    def lie(self: Folder, *where: Any) -> None:
        asyncio.get_running_loop().call_later(2, place, self, *where)

    monkeypatch.setattr(Folder, "place", lie)


def a_run_begins_with_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Gcra.__init__

    def lie(self: Gcra, rate: float, burst: int, now: float) -> None:
        begin(self, rate, burst, now)
        self._tat = now - 1e6

    monkeypatch.setattr(Gcra, "__init__", lie)


def answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    todo = State.todo
    monkeypatch.setattr(State, "todo", lambda self, id: None if todo(self, id) is None else Todo(None))


def some_images_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = lives.fetch

    async def lie(id: Any, image: Any, tools: Any) -> Any:
        return None if image.page == 3 else await fetch(id, image, tools)

    monkeypatch.setattr(lives, "fetch", lie)


def who_leaves_keeps_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Host.leave

    def lie(self: Host, *rest: Any) -> None:
        if self.requests % 7:
            leave(self, *rest)

    monkeypatch.setattr(Host, "leave", lie)


def what_is_spent_is_not_written_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "_covered", lambda *_: True)


LIES = {
    no_file_is_synced: "its bytes are others",
    the_log_is_not_synced: "its line is lost",
    no_name_is_synced: "and missing",
    a_torn_tail_stays: "exit 7, and the disk was well",
    lines_come_before_their_names: "and missing",
    a_run_begins_with_a_burst: "requests above",
    answers_are_forgotten: "is asked for again, though",
    some_images_are_forgotten: "should be stored",
    who_leaves_keeps_the_turn: "did not end within",
    what_is_spent_is_not_written_ahead: "in 24 h, the budget is",
}


class TestLies:
    @pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
    def test_a_lie_is_found(self, monkeypatch: pytest.MonkeyPatch, lie: Callable[[pytest.MonkeyPatch], None]) -> None:
        """Take away one thing that keeps the promise, and a seed says so before long, in the right words."""
        lie(monkeypatch)
        found: list[str] = []
        for seed in range(80):
            found += play_seed(seed, works=10, kills=4).broken
            if any(LIES[lie] in law for law in found):
                return
        raise AssertionError(found[:10])
