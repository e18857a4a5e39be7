"""What a user installs: the built wheel, alone in an empty environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, guard: bool) -> str:
    """`guard` False: for pip, which may reach the package registry."""
    env = {k: v for k, v in os.environ.items() if guard or k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `crawler` command of a fresh environment with nothing but the pinned dependencies and the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT, guard=False)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "env", cwd=folder, guard=False)
    pip = (folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.txt", cwd=folder, guard=False)
    run(*pip, "--no-deps", wheel, cwd=folder, guard=False)
    return folder / "env" / "bin" / "crawler"


@pytest.mark.timeout(300)
def test_the_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    """With the wheel alone: the demo crawls, a second run asks nothing, and every file is as the log says."""
    out = run(installed, "demo", tmp_path / "demo", "--works", "60", "--progress", "none", cwd=tmp_path, guard=True)
    assert "every id has its outcome" in out
    again = run(installed, "run", tmp_path / "demo" / "demo.toml", "--progress", "none", cwd=tmp_path, guard=True)
    assert "every id has its outcome" in again
    assert "sound" in run(installed, "verify", tmp_path / "demo" / "data", cwd=tmp_path, guard=True)


def test_the_module_is_the_command(installed: Path, tmp_path: Path) -> None:
    """`python -m crawler` and `crawler` are the same."""
    version = run(installed, "--version", cwd=tmp_path, guard=True)
    assert run(installed.parent / "python", "-m", "crawler", "--version", cwd=tmp_path, guard=True) == version


def test_the_package_is_a_typed_library(installed: Path, tmp_path: Path) -> None:
    """The names of docs/python.md are there, and a type checker may believe them."""
    code = "import crawler; from crawler import Settings, crawl; print(crawler.__path__[0])"
    package = run(installed.parent / "python", "-c", code, cwd=tmp_path, guard=True)
    assert (Path(package.strip()) / "py.typed").is_file()
