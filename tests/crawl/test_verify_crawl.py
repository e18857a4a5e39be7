"""`verify` on what a crawl left, from broken to sound, counted at the site's side."""

import json
import os
import random
from collections import Counter
from pathlib import Path

from judge import command, files, judge_lines, lines, write_config

from crawler.origin.server import origin_thread


def test_what_is_broken_is_fetched_again_and_nothing_else(tmp_path: Path) -> None:
    """Six files broken in six ways and one that nobody knows: exit 3; --repair 0; the run asks for those six images
    alone, without a question; then all is sound, and every bad byte is kept."""
    ids = random.Random(1).sample(range(258, 61_897_803), 40)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        assert command("run", config).code == 0
        root = tmp_path / "out"
        paths = sorted(files(root))[::5][:6]
        missing, short, long, flipped, folder, pipe = (root / path for path in paths)
        missing.unlink()
        os.truncate(short, short.stat().st_size - 1)
        long.write_bytes(long.read_bytes() + b"x")
        data = bytearray(flipped.read_bytes())
        data[len(data) // 2] ^= 1
        flipped.write_bytes(data)
        folder.unlink()
        folder.mkdir()
        pipe.unlink()
        os.mkfifo(pipe)
        (root / "images" / "stray.png").write_bytes(b"nobody knows me")

        before = Counter(origin.seen.requests)
        ended = command("verify", root, "--json")
        assert ended.code == 3
        told = json.loads(ended.out)
        assert told["found"] == {
            "missing": 1, "truncated": 1, "wrong_size": 1, "wrong_digest": 1, "misplaced": 2, "orphan": 1,
        }  # fmt: skip
        assert {problem["path"] for problem in told["problems"]} == {*paths, "images/stray.png"}
        ended = command("verify", root, "--repair")
        assert ended.code == 0, ended.err
        assert "6 images queued again" in ended.out
        assert command("verify", root).code == 0

        assert Counter(origin.seen.requests) == before
        assert command("run", config).code == 0
        urls = {line["url"] for line in lines(root) if line["event"] == "stored" and line["path"] in paths}
        asked = Counter(origin.seen.requests) - before
        assert {f"https://{host}{path}" for host, path in asked if path != "/robots.txt"} == urls
        assert set(asked.values()) == {1}
        assert len(urls) == 6

        assert command("verify", root, "--decode").code == 0
        voided = {(v["line"]["log"], v["line"]["seq"]) for v in lines(root) if v["event"] == "voided"}
        judge_lines(origin.world, root, [x for x in lines(root) if (x["log"], x["seq"]) not in voided], ids)
        kept = {p.name for p in (root / ".crawl" / "quarantine").iterdir()}
        assert kept == {path.rpartition("/")[2] for path in paths[1:]} | {"stray.png"}
