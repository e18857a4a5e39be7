"""One real crawl of the stand-in, and one of plain URLs, for every test of exports."""

import csv
import random
from pathlib import Path

import pytest
from exports import Crawl
from judge import command, write_config

from crawler.origin.server import origin_thread


@pytest.fixture(scope="session")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """What the real command left of 260 works, their pairs, and 40 URLs. Never to be changed by a test."""
    root = tmp_path_factory.mktemp("crawl")
    ids = random.Random(11).sample(range(258, 61_897_803), 260)
    (root / "ids.txt").write_text("\n".join(map(str, ids)))
    with (root / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*zip(ids[:130], ids[130:], strict=True), (ids[0], ids[1])])
    urls = [f"https://i.pximg.net/plain/{n}.{'jpg' if n % 2 else 'png'}" for n in range(40)]
    (root / "urls.txt").write_text("\n".join(urls))
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard")}
    with origin_thread(seed=7, profile="none", ca_dir=root / "ca") as origin:
        ended = command("run", write_config(root, origin, 'path = "ids.txt"'), env=environment)
        assert ended.code == 0, ended.err
        config = write_config(root, origin, 'kind = "urls"\npath = "urls.txt"')
        ended = command("run", config, "--output.dir", root / "plain", env=environment)
        assert ended.code == 0, ended.err
    return Crawl(root / "out", root / "plain", root / "pairs.csv")
