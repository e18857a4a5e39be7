"""Laws of `crawler run --manifest`: exactly the images that a published manifest names, and what differs is told."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, exported
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import command, files, lines, write_config
from starter import CRAWLER, popen

from crawler.fetch.exchange import Request
from crawler.model import Absent, Description, Failure, Image, Kind
from crawler.origin.server import origin_thread
from crawler.sites.chosen import Chosen
from crawler.sources.ids import Problem
from crawler.sources.manifest import Choice, Named, parse_named

SHA = "0" * 64


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The stand-in that the session's crawls were made of."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path_factory.mktemp("ca")) as origin:
        yield origin


def published(crawl: Path, out: Path) -> list[dict[str, Any]]:
    """The lines of a crawl's manifest."""
    exported(crawl, "--to", "manifest", "--out", out)
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def save(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def image_requests(site: Any) -> set[str]:
    return {path for host, path in site.seen.requests if host == "i.pximg.net" and path != "/robots.txt"}


def test_exactly_that_set(crawl: Crawl, tmp_path: Path, site: Any) -> None:
    """Only the pages that are named are asked for and stored, the works' other pages are counted; again: no request."""
    every = published(crawl.works, tmp_path / "recipe")
    pages = {row["id"]: sum(r["id"] == row["id"] for r in every) for row in every}
    some = [row for row in every if row["page"] in (1, "zip") or row["id"] % 3 == 0]
    some += [row for row in every if row["page"] == 0 and pages[row["id"]] > 2 and row["id"] % 3]
    random.Random(1).shuffle(some)  # any order will do
    manifest = save(tmp_path / "m.jsonl", some)
    config = write_config(tmp_path, site, "")
    site.seen.requests.clear()
    ended = command("run", config, "--manifest", manifest)
    assert ended.code == 0, ended.err
    assert f"{len(some)} images named: {len(some)} same" in ended.out
    left_out = sum(pages[id] for id in {row["id"] for row in some}) - len(some)
    assert left_out > 5
    assert f"{left_out} other pages of these works left out" in ended.out
    kept = {(line["id"], line["page"]): line for line in lines(tmp_path / "out") if line["event"] == "stored"}
    assert {key: line["sha256"] for key, line in kept.items()} == {(r["id"], r["page"]): r["sha256"] for r in some}
    assert files(tmp_path / "out") == {line["path"] for line in kept.values()}
    assert len(image_requests(site)) == len(some)
    assert command("verify", tmp_path / "out", "--against", manifest).code == 0

    seen = site.seen.total
    assert command("run", config, "--manifest", manifest, "-q").code == 0
    assert site.seen.total == seen
    assert site.seen.violations == {}


def test_what_differs_is_told(crawl: Crawl, tmp_path: Path, site: Any) -> None:
    """An image with other bytes is kept and counted as changed; a page or a work that is not there any more is gone.

    Exit 3, for the set is not the one that was published; `verify --against` names each. A second run says the same.
    """
    every = published(crawl.works, tmp_path / "recipe")[:30]
    every[0]["sha256"] = SHA
    single = next(row for row in every[1:] if sum(r["id"] == row["id"] for r in every) == 1 and row["page"] == 0)
    single["page"] = 77
    dead = next(line["id"] for line in lines(crawl.works) if line["event"] == "gone" and line["reason"] == "not_found")
    manifest = save(tmp_path / "m.jsonl", [*every, {"id": dead, "page": 0, "sha256": SHA}])
    config = write_config(tmp_path, site, "")
    for _ in range(2):
        ended = command("run", config, "--manifest", manifest)
        assert ended.code == 3, ended.err
        assert "31 images named: 28 same, 1 changed, 2 gone" in ended.out
        assert "Not the same set" in ended.out
    (none_left,) = [line for line in lines(tmp_path / "out") if line["event"] == "gone" and line["id"] == single["id"]]
    assert (none_left["reason"], none_left["rule"]) == ("filtered", "manifest")
    told = command("verify", tmp_path / "out", "--against", manifest, "--json")
    differences = [json.loads(line) for line in told.out.splitlines()[:-1]]
    assert {(d["id"], d["verdict"]) for d in differences} == {
        (every[0]["id"], "changed"),
        (single["id"], "gone"),
        (dead, "gone"),
    }


def test_killed_and_gone_on_with(crawl: Crawl, tmp_path: Path, site: Any) -> None:
    """Killed at random moments, the same command goes on and ends with the same set, nothing stored twice."""
    manifest = save(tmp_path / "m.jsonl", [r for r in published(crawl.works, tmp_path / "recipe") if r["page"] != 1])
    config = write_config(tmp_path, site, "")
    dice = random.Random(5)
    argv = [*CRAWLER, "run", str(config), "--manifest", str(manifest), "-q"]
    for _ in range(3):
        with popen(argv, stderr=subprocess.DEVNULL) as process:
            grown = (tmp_path / "out" / "log.jsonl", len(lines_or_none(tmp_path / "out")))
            until = time.monotonic() + 60
            while process.poll() is None and len(lines_or_none(tmp_path / "out")) == grown[1]:
                assert time.monotonic() < until
            time.sleep(dice.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
    assert command("run", config, "--manifest", manifest).code == 0
    stored = [(line["id"], line["page"]) for line in lines(tmp_path / "out") if line["event"] == "stored"]
    assert len(stored) == len(set(stored))
    assert command("verify", tmp_path / "out", "--against", manifest).code == 0


def lines_or_none(root: Path) -> bytes:
    path = root / "log.jsonl"
    return path.read_bytes() if path.exists() else b""


def test_plain_urls(crawl: Crawl, tmp_path: Path, site: Any) -> None:
    """A manifest of plain URLs brings its URLs and names along, and the site follows from it."""
    every = published(crawl.urls, tmp_path / "recipe")
    every[0]["id"] = "a-key"
    manifest = save(tmp_path / "m.jsonl", every[:25])
    ended = command("run", write_config(tmp_path, site, ""), "--manifest", manifest)
    assert ended.code == 0, ended.err
    stored = {line["id"]: line["sha256"] for line in lines(tmp_path / "out") if line["event"] == "stored"}
    assert stored == {row["id"]: row["sha256"] for row in every[:25]}
    assert "a-key" in stored


def test_planned_as_named(crawl: Crawl, tmp_path: Path, site: Any) -> None:
    """`plan --manifest` counts the images and bytes that are named, and asks for nothing; so does --dry-run."""
    every = published(crawl.works, tmp_path / "recipe")
    manifest = save(tmp_path / "m.jsonl", [*every, every[0]])
    config = write_config(tmp_path, site, "")
    seen = site.seen.total
    told = json.loads(command("plan", config, "--manifest", manifest, "--json").out)
    assert told["requests"]["images"] == len(every)
    assert told["disk"]["bytes"] == pytest.approx(sum(row["bytes"] for row in every), rel=0.01)
    assert (told["duplicates"], told["ids"]) == (1, len({row["id"] for row in every}))
    assert command("run", config, "--manifest", manifest, "--dry-run").code == 0
    assert site.seen.total == seen
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 3}', "m.jsonl:2: {"),
        ("x", "m.jsonl:2: x: no line of a manifest"),
        ('{"id": 3, "page": true, "sha256": "' + SHA + '"}', "needs page"),
        ('{"id": 2, "page": 0, "sha256": "' + "1" * 64 + '"}', "another digest"),
        ('{"id": "../x", "page": 0, "sha256": "' + SHA + '", "url": "https://a.example/"}', "a key is"),
        ('{"id": "x", "page": 0, "sha256": "' + SHA + '", "url": "file:///etc/passwd"}', "not an http"),
        ('{"id": "x", "page": 0, "sha256": "' + SHA + '", "url": "https://a.example/"}', "not both"),
    ],
)
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """One line that is none, and nothing is asked: FILE:LINE, exit 2."""
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"id": 2, "page": 0, "sha256": "' + SHA + '"}\n' + text + "\n")
    ended = command("run", "--manifest", manifest, "--output.dir", tmp_path / "out")
    assert ended.code == 2
    assert "m.jsonl:2: " in ended.err
    assert said in ended.err


def test_mistaken_uses(crawl: Crawl, tmp_path: Path) -> None:
    """Standard input, another source beside it, the other site, no file: each is a mistake, told with exit 2."""
    published(crawl.urls, tmp_path / "recipe")
    manifest = tmp_path / "recipe" / "manifest.jsonl"
    out = ("--output.dir", tmp_path / "out")
    for argv, said in (
        (("--manifest", "-"), "must be a file"),
        (("--manifest", manifest, "--source.path", "ids.txt"), "leave out --source.path"),
        (("--manifest", manifest, "--site.name", "pixiv"), 'site.name = "urls"'),
        (("--manifest", tmp_path / "none.jsonl"), "no such file"),
    ):
        ended = command("run", *argv, *out)
        assert ended.code == 2, argv
        assert said in ended.err
    assert not (tmp_path / "out").exists()


@settings(deadline=None, max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["id", "page", "sha256", "url", "bytes"]),
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from([SHA, "zip", 0, 1])),
        ).map(lambda told: json.dumps(told).encode(errors="replace")),
    )
)
def test_any_line_is_an_image_or_a_problem(raw: bytes) -> None:
    """Whatever a line is, it names an image that can be asked for, or says why not."""
    found = parse_named(raw)
    assert isinstance(found, Problem | Named)
    if isinstance(found, Named):
        choice = Choice()
        assert choice.take(found) == "id"
        assert choice.take(found) == "again"
        assert (found.id, found.page) in choice


class Told:
    """A site that answers the second question with these images, and may have another end."""

    def __init__(self, end: Description | Absent | Failure) -> None:
        self.end = end
        self.asked = 0

    def describe(self, id: int | str) -> "Told":
        return self

    def request(self) -> Request:
        return Request("https://a.example/", "api", {})

    def image_request(self, image: Image) -> Request:
        return Request(image.url, "images", {})

    def read(self, status: int, content_type: str, body: bytes) -> Any:
        self.asked += 1
        return self if self.asked == 1 else self.end


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9)))
def test_of_an_answer_what_is_wanted_stays(there: set[int], wanted: set[int]) -> None:
    """Through any number of questions: the wanted images in their order; a work with none of them is filtered."""
    images = tuple(Image(page, f"https://a.example/{page}") for page in sorted(there))
    site = Chosen(Told(Description(images, {"title": "x"})), lambda id, page: page in wanted)
    further = site.describe(1).read(200, "", b"")
    answer = further.read(200, "", b"")  # type: ignore[union-attr]
    if there & wanted:
        assert answer == Description(tuple(i for i in images if i.page in wanted), {"title": "x"})
    else:
        assert answer == Absent("filtered", "manifest")
    for end in (Absent("restricted"), Failure(Kind.RESET)):
        told = Told(end)
        told.asked = 1
        assert Chosen(told, lambda id, page: False).describe(1).read(200, "", b"") == end
