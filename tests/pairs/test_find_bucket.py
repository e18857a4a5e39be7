"""`crawler pairs find` where the images are in a bucket: the same pairs, and a review that shows them."""

import os
from pathlib import Path

import pytest
from find_kit import PATIENT, PLAIN, candidates, is_true, told
from judge import command, write_config
from review_kit import served
from s3_kit import S3

from crawler.origin import families
from crawler.origin.server import origin_thread

SEED, FAMILIES = 71, range(2)


@pytest.mark.long  # six commands and a server: ten seconds and more
@pytest.mark.timeout(240)
def test_in_a_bucket_as_in_a_folder(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked works are fetched into the bucket, pictures are compared out of it; asked again, nothing is; the bucket
    itself can be looked at from elsewhere; the review shows what lies there."""
    (tmp_path / "ids.txt").write_text("\n".join(map(str, told(SEED, FAMILIES))))
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard"), **os.environ}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "caches")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    address = f"s3://tests/{tmp_path.name}"
    with origin_thread(seed=SEED, profile="none", ca_dir=tmp_path / "ca") as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"', "[filter]\nmax_x_restrict = 2")
        config.write_text(config.read_text().replace('dir = "out"', f'dir = "{address}"'))
        ended = command("run", config, "-q", *PATIENT, env=environment)
        assert ended.code == 0, ended.err
        ended = command("pairs", "find", config, *PLAIN, env=environment)
        assert ended.code == 0, ended.err
        (home,) = (tmp_path / ".crawl").iterdir()
        found = candidates(home / "pairs" / "candidates.jsonl")
        there = {id for id in families.ids(SEED, FAMILIES) if origin.world.expected(id).outcome != "gone"}
        total = origin.seen.total
        assert command("pairs", "find", config, *PLAIN, env=environment).code == 0
        assert origin.seen.total == total
    pairs = {(one["colored"], one["sketch"]) for one in found}
    true = {(pair.colored, pair.sketch) for pair in families.true_pairs(SEED, FAMILIES)}
    assert {pair for pair in true if there.issuperset(pair)} <= pairs
    assert all(is_true(SEED, pair) for pair in pairs)
    assert any(one["match"] for one in found), "pictures were compared"
    assert not (home / "images").exists()

    assert command("pairs", "find", address, env=environment).code == 2
    elsewhere = tmp_path / "elsewhere.jsonl"
    ended = command("pairs", "find", address, "--out", elsewhere, "--jobs", "1", env=environment)
    assert ended.code == 0, ended.err
    assert candidates(elsewhere) == found
    for named in ([home], [config], [address, "--candidates", str(elsewhere)]):
        with served(*named) as server:
            id = found[0]["colored"]
            shown = server.ask(f"/image/{id}/0")
            assert (shown.status, shown.headers["Content-Type"][:6]) == (200, "image/")
            assert server.ask(f"/original/{id}/0").status == 200
    assert (home / "pairs" / "judgements.jsonl").exists()
    assert elsewhere.with_name("judgements.jsonl").exists(), "nothing is kept in caches"
