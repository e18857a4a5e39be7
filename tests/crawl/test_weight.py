"""What a crawl weighs, by the benchmark's own runs in small: real processes and sockets, memory as the kernel says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench" / "memory.py"
MOST_MB = 120


def told(tmp_path: Path, *arguments: str) -> str:
    command = [sys.executable, BENCH, *arguments, "--dir", tmp_path, "--svg", tmp_path]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout


def growth(text: str) -> dict[int, int]:
    """Resident MB by percent of the works that had ended."""
    return {int(part): int(mb) for mb, part in re.findall(r"(\d+) MB at (\d+)%", text)}


@pytest.mark.long
def test_many_hosts_in_flat_memory(tmp_path: Path) -> None:
    """20,000 URLs over 5,000 hosts in any order, each with its robots.txt: flat once it is warm."""
    text = told(tmp_path, "hosts")
    assert "20,000 URLs on 5,000 hosts" in text
    assert "exit 0, 20,000 ended" in text
    weight = growth(text)
    assert weight[100] < MOST_MB
    assert weight[100] - weight[25] < 8
    assert (tmp_path / "memory-hosts.svg").read_text().startswith("<svg")


@pytest.mark.long
def test_many_works_in_flat_memory(tmp_path: Path) -> None:
    """Metadata, image, checks and log of 6,000 works: what comes after the first quarter weighs nothing."""
    weight = growth(told(tmp_path, "works", "--works", "6000"))
    assert weight[100] < MOST_MB
    assert weight[100] - weight[25] < 8


@pytest.mark.long
def test_long_lists_cost_their_ids_and_no_more(tmp_path: Path) -> None:
    """A million lines: ids cost a few bytes each, URLs some twenty; tables that grow at an odd moment included."""
    text = told(tmp_path, "lists", "--list", "1000000")
    ids, urls = (float(n) for n in re.findall(r"(-?[0-9.]+) bytes each", text))
    assert ids < 15
    assert urls < 40


@pytest.mark.long
def test_the_peak_of_the_whole_job(tmp_path: Path) -> None:
    """64 works in flight, 64 connections, images of 20 KB, 300 KB and 1.5 MB."""
    rows = re.findall(r"\| (\d+) MB \| (\d+) MB \| 0 0 \|", told(tmp_path, "sizes"))
    assert len(rows) == 3
    assert max(int(mb) for row in rows for mb in row) < MOST_MB
