"""The configs that come with the project are real: polite, safe, and each runs against the stand-in."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starter import CRAWLER, run

from crawler.cli import demo
from crawler.cli.loading import load
from crawler.origin.server import origin_thread

FOLDER = Path(__file__).parents[2] / "config"
CONFIGS = sorted(path.name for path in FOLDER.glob("*.toml"))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=3, profile="none", ca_dir=tmp_path_factory.mktemp("ca")) as origin:
        yield origin


def a_list(name: str) -> str:
    """A short list of the kind that the config wants."""
    ids = random.Random(5).sample(range(258, 61_897_803), 24)
    if name == "pairs.toml":
        return "".join(f"{a},{b}\n" for a, b in zip(ids[::2], ids[1::2], strict=True))
    if name == "urls.toml":
        return "".join(f"https://img{id % 8}.example/pictures/{id}\n" for id in ids)
    return "".join(f"{id}\n" for id in ids)


def test_they_are_all_here() -> None:
    """The three of the design, one for plain URLs, and one that begins with tags."""
    assert CONFIGS == ["demo.toml", "pairs.toml", "popular.toml", "tags.toml", "urls.toml"]


@pytest.mark.parametrize("name", CONFIGS)
def test_each_is_clean_polite_and_commented(name: str) -> None:
    """They load, hold no session, and ask no real site faster than the defaults do."""
    loaded = load(FOLDER / name, {}, {}, source_needed=False)
    settings, polite = loaded.settings, load(None, {}, {}, source_needed=False).settings
    assert settings.site.session_file == ""
    assert settings.network.robots == "obey"
    assert settings.output.durability == "fsync"
    assert (FOLDER / name).read_text().startswith("# ")
    if name == "demo.toml":
        assert {target.rpartition(":")[0] for target in settings.network.resolve.values()} == {"127.0.0.1"}
        assert set(settings.network.resolve) == {"www.pixiv.net", "i.pximg.net"}
    else:
        assert settings.limits.api.rate <= polite.limits.api.rate
        assert settings.limits.images.rate <= polite.limits.images.rate


def test_the_demo_config_is_what_the_demo_does() -> None:
    """The embedded config of `crawler demo` and config/demo.toml have the same pace."""
    ours, embedded = tomllib.loads((FOLDER / "demo.toml").read_text()), tomllib.loads(demo.CONFIG)
    assert (ours["limits"], ours["retry"]) == (embedded["limits"], embedded["retry"])


@pytest.mark.parametrize("name", CONFIGS)
def test_each_runs_against_the_stand_in(name: str, origin: Any, tmp_path: Path) -> None:
    """With its list, its output and the stand-in's address by flag, each ends with every entry accounted for."""
    (tmp_path / "list").write_text(a_list(name))
    argv = ["run", str(FOLDER / name), "--source.path", "list", "--output.dir", "out", "--progress", "none"]
    argv += ["--network.ca_file", origin.ca_file, "--api-rate", "0", "--image-rate", "0"]
    for host, target in origin.resolve.items():
        argv.append(f"--network.resolve.{host}={target}")
    done = run([*CRAWLER, *argv], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["listed"] == 24
    assert status["done"] + status["gone"] == 24
    assert status["images"] >= status["done"] > 0
