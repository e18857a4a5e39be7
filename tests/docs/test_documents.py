"""What the documents say is so: their commands run, their examples run, their links lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from commands import ENDLESS, LEFT_OUT, ROOT, SESSION, Reader, blocks, commands, left_out

from crawler.cli.keys import keys
from crawler.cli.main import COMMANDS
from crawler.cli.parser import Parser
from crawler.origin.server import origin_thread

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RUN = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("recipes", "dataset", "tuning", "comparison"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`(crawler [a-z][^`]*)`")
_FLAG = re.compile(r"--[a-z][a-z0-9_.-]*")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=3, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), session=SESSION) as origin:
        yield origin


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("document", RUN, ids=name)
def test_every_command_runs(document: Path, tmp_path: Path, site: Any) -> None:
    """Typed one after the other, as written, beginning in an empty folder; each ends with 0."""
    folder = tmp_path / "empty"
    folder.mkdir()
    reader = Reader(folder, site, forks=document.name != "README.md")  # its commands start as they do for a user
    for command in commands(document):
        if left_out(command):
            continue
        text = command.text.split("  #")[0].strip()
        if text.startswith("curl -LO "):
            ended = reader.fetch(text.split()[-1])
        elif text.startswith(ENDLESS):
            ended = reader.type_and_interrupt(text)
            assert ended.code in (0, 130), f"{name(document)}:{command.line}: {text}\n{ended.output}"
            continue
        else:
            ended = reader.type(command.text)
        assert ended.code == 0, f"{name(document)}:{command.line}: {text}\nexit {ended.code}\n{ended.output}"
    assert site.seen.violations == {}


def test_the_readme_has_what_a_new_user_types() -> None:
    """The check above is of something: first run, going on; and nothing is left out that is not there."""
    texts = [command.text for command in commands(ROOT / "README.md")]
    for start in (*LEFT_OUT, "crawler init", "crawler plan", "crawler run", "crawler tail", "crawler verify"):
        assert any(text.startswith(start) for text in texts), start
    assert all(reason for reason in LEFT_OUT.values())


def test_a_wrong_command_is_found(tmp_path: Path, site: Any) -> None:
    """A command that the program does not have fails the check, as does a flag, or a file that is not there."""
    reader = Reader(tmp_path, site)
    for wrong in ("crawler status nowhere", "crawler runn x.toml", "crawler plan --limits.api.rat 2", "cd nowhere"):
        assert reader.type(wrong).code != 0, wrong


def flags_of(command: str) -> set[str]:
    """Every flag that a command takes."""
    parser = Parser(prog=command, description="")
    parser.add_argument("-v", "--verbose", action="count")
    parser.add_argument("-q", "--quiet", action="store_true")
    import_module(f"crawler.cli.{command}").add_arguments(parser)
    return set(parser._options())  # of its own commands, too


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    """Also those within a sentence: the command, and each flag of it."""
    tables = tuple(f"--{key.name}." for key in keys().values() if key.shape == "table")
    for mention in _INLINE.findall(document.read_text()):
        words = mention.split()
        if words[1] == "crawler" or not words[1].isidentifier():
            continue
        assert words[1] in COMMANDS, f"{name(document)}: {mention}"
        known = flags_of(words[1]) | {"--help"}
        for flag in _FLAG.findall(mention):
            assert flag in known or any(flag.startswith(table + ".") for table in tables), (
                f"{name(document)}: {mention}"
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    """To a file of the project and a heading of it; addresses elsewhere are left alone."""
    for target in _LINK.findall(document.read_text()):
        path, _, heading = target.partition("#")
        if "://" in path:
            continue
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{name(document)}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}
            assert heading in anchors, f"{name(document)}: {target}"


@pytest.mark.timeout(200)
def test_every_python_example_runs(tmp_path: Path, site: Any) -> None:
    """One after the other, each a script of its own, in a folder that has a config and a list."""
    reader = Reader(tmp_path, site)
    reader.fetch("https://example.test/ids.txt")
    (tmp_path / "popular.toml").write_text('[source]\npath = "ids.txt"\n[output]\ndir = "data/popular"\n')
    examples = [block for block in blocks(ROOT / "docs" / "python.md") if block.language == "python"]
    examples += [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert len(examples) > 3
    for block in examples:
        text = block.text
        if "Settings.model_validate(" in text:  # `Settings` reads no environment, so the stand-in is named to it
            network = {"ca_file": site.ca_file, "resolve": dict(site.resolve)}
            text = text.replace('"output": {', f'"network": {network!r},\n        "output": {{', 1)
            text = text.replace(
                '"output": {', '"limits": {"api": {"rate": 0}, "images": {"rate": 0}},\n        "output": {', 1
            )
        (tmp_path / "example.py").write_text(text)
        ended = reader.type(f"{sys.executable} -W error example.py")
        assert ended.code == 0, f"line {block.line}\n{ended.output}"
        assert ended.output, f"line {block.line} shows nothing"


@pytest.mark.long
def test_the_python_examples_are_typed(tmp_path: Path) -> None:
    """What the package says of its types lets an example pass the strict checker."""
    examples = [block for block in blocks(ROOT / "docs" / "python.md") if block.language == "python"]
    for at, block in enumerate(examples[:2]):
        (tmp_path / f"example{at}.py").write_text(block.text)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout
