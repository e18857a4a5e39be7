"""`crawler tune`: against the stand-in it finds a knee; the live site it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.origin.server import origin_thread
from crawler.rules.knee import WORTH, flat, knee


@given(st.dictionaries(st.integers(1, 1000), st.floats(0.1, 1e6), min_size=1))
def test_the_knee_is_the_smallest_that_is_good_enough(curve: dict[int, float]) -> None:
    """Within 5 % of the best, and nothing smaller is."""
    found = knee(curve)
    assert curve[found] >= WORTH * max(curve.values())
    assert all(rate < WORTH * max(curve.values()) for setting, rate in curve.items() if setting < found)


def test_a_curve_is_flat_after_two_doublings_for_nothing() -> None:
    """One step without gain may be chance; two are not."""
    assert not flat({1: 10, 2: 10})
    assert not flat({1: 10, 2: 10, 4: 20})
    assert not flat({1: 10, 2: 20, 4: 20})
    assert flat({1: 10, 2: 20, 4: 20, 8: 20})


def tune(folder: Path, config: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "c.toml").write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "crawler", "tune", str(folder / "c.toml"), *more],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize(
    ("source", "network", "more"),
    [
        ("", "", ()),
        ("", '[network]\nresolve = { "www.pixiv.net" = "127.0.0.1:1", "i.pximg.net" = "93.184.216.34:443" }', ()),
        ('kind = "urls"', "", ("--own", "i.pximg.net")),
    ],
)
def test_the_live_site_is_refused(tmp_path: Path, source: str, network: str, more: tuple[str, ...]) -> None:
    """Exit 2 before any request, whatever the user says he owns."""
    line = "https://i.pximg.net/x.png" if source else "1234"
    (tmp_path / "list.txt").write_text(line)
    ended = tune(tmp_path, f'[source]\npath = "list.txt"\n{source}\n{network}', *more)
    assert ended.returncode == 2
    assert "stand-in" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_connections_count_where_the_host_is_far(tmp_path: Path) -> None:
    """At 50 ms a reply throughput grows with connections; the curve and the config lines are told, nothing is left."""
    (tmp_path / "list.txt").write_text("".join(f"https://img1.example/plain/{n}.png\n" for n in range(500)))
    with origin_thread(seed=3, ca_dir=tmp_path, latency_s=0.05) as origin:
        config = f'[source]\npath = "list.txt"\nkind = "urls"\n{origin.toml()}'
        ended = tune(tmp_path, config, "--items", "30", "--most", "4", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["connections"]["4"] > 1.8 * told["connections"]["1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "ca.pem", "list.txt"]
