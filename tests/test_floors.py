"""What we depend on: pinned by hash, nothing that is not needed, and no release with a hole that is known.

The table is kept by hand from the advisories named in it, so that it holds without a network. It was made on
2026-11-22; what came to light since is for `pip-audit` or your forge's own alerts to say.
"""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    "aiohttp": (
        "3.14.5",
        "CVE-2026-128131, PYSEC-2026-4392 (3.14.4), CVE-2026-54278 (3.14.1), CVE-2026-47265 (3.14.0)",
    ),
    "cryptography": ("50.0.0", "CVE-2026-69247; CVE-2026-39892 (46.0.7)"),
    "idna": ("3.7", "CVE-2024-3651"),
    "orjson": ("3.11.6", "CVE-2025-67221; CVE-2024-27454 (3.9.15)"),
    "pillow": ("12.3.0", "CVE-2026-59197, -59199, -59204, -59205 and ten more; CVE-2026-40192 (12.2.0)"),
    "pyarrow": ("17.0.0", "CVE-2024-52338; CVE-2023-47248 (14.0.1)"),
    "pygments": ("2.20.0", "CVE-2026-4539"),
    "urllib3": ("2.6.3", "CVE-2026-21441, CVE-2025-66471, CVE-2025-66418"),
}
"""The first release without the holes named, of what we depend on ourselves or through others."""


def numbers(version: str) -> tuple[int, ...]:
    """A release as numbers, to compare."""
    return tuple(int(part) for part in [*re.findall(r"[0-9]+", version), 0, 0, 0][:4])


def pinned(name: str) -> dict[str, tuple[str, int]]:
    """The packages of a requirements file: version, and how many hashes there are for it."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        match = re.match(r"([a-z0-9._-]+)==(\S+)", line)
        assert match or not line.strip(), f"{name}: {line[:80]} is not pinned"
        if match:
            found[match[1]] = (match[2], line.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_all_is_pinned_by_hash(name: str) -> None:
    """Every package has one version and its hashes; nothing comes from an address, a folder or a repository."""
    found = pinned(name)
    assert len(found) > 20
    assert all(hashes for _, hashes in found.values()), [p for p, (_, hashes) in found.items() if not hashes]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_nothing_below_a_floor_is_pinned(name: str) -> None:
    """No version with a hole that the table knows."""
    for package, (version, _) in pinned(name).items():
        floor = FLOORS.get(package)
        assert floor is None or numbers(version) >= numbers(floor[0]), (package, version, floor)


def test_nothing_below_a_floor_may_be_installed() -> None:
    """Who installs without the pinned versions gets none either, of what we name ourselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    named = [*project["project"]["dependencies"], *(one for extra in extras for one in extra)]
    for requirement in named:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)", requirement)
        assert match, f"{requirement}: has no floor"
        floor = FLOORS.get(match[1].lower())
        assert floor is None or numbers(match[2]) >= numbers(floor[0]), (requirement, floor)


def test_what_runs_here_is_not_below_a_floor() -> None:
    """The packages that these tests ran with."""
    for package, (floor, why) in FLOORS.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        assert numbers(version) >= numbers(floor), (package, version, why)


def test_a_version_below_is_seen() -> None:
    """The control: releases are compared as numbers."""
    assert numbers("3.9.15") < numbers("3.11.6") < numbers("3.13.0")
    assert numbers("12.2.0") < numbers("12.3.0") <= numbers("12.3.0.post1")
