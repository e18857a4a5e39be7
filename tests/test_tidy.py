"""House rules that no linter has, each with its reason."""

import ast
import functools
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "crawler").rglob("*.py"))


@functools.cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(), str(path)) for path in SOURCES}


def test_there_is_something_to_check() -> None:
    """A check of nothing would pass for ever."""
    assert len(SOURCES) > 30


def test_a_file_is_small_and_says_what_it_is_for() -> None:
    """Under 400 lines, and a docstring first: a reader finds the room to touch."""
    assert [path for path in SOURCES if len(path.read_text().splitlines()) >= 400] == []
    assert [path for path, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_a_function_is_small() -> None:
    """Under 60 lines each."""
    lengths = {
        f"{path}: {node.name}": (node.end_lineno or sys.maxsize) - node.lineno
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines >= 60} == {}


def calls(tree: ast.Module) -> set[str]:
    return {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}


def test_tasks_have_owners_and_the_loop_is_the_clock() -> None:
    """No task outside a TaskGroup, no sleep that blocks the loop."""
    banned = {"asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "asyncio.shield", "time.sleep"}
    assert {path: found for path, tree in trees().items() if (found := calls(tree) & banned)} == {}


def imports(tree: ast.Module) -> set[str]:
    """What a file imports, by its top name; nothing for what lies beside it."""
    return {
        name.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    } | {(node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_decisions_read_no_clock_and_throw_no_dice() -> None:
    """rules/ and sites/ are told the time and the dice."""
    pure = [
        path
        for path in SOURCES
        if path.relative_to(ROOT / "crawler").parts[0] in ("rules", "sites", "model.py", "events.py")
    ]
    assert len(pure) > 10
    banned = {"time", "random", "socket", "asyncio", "aiohttp", "aiofiles", "os", "secrets"}
    assert {path: found for path in pure if (found := imports(trees()[path]) & banned)} == {}


def test_no_path_of_a_machine_in_any_file() -> None:
    """What is committed runs anywhere."""
    folders = ("crawler", "config", "docs", "scripts", "tests")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in [*paths, *(path for path in ROOT.iterdir() if path.is_file())]:
        if path.suffix in (".py", ".toml", ".sh", ".md", ".txt", "") and path != Path(__file__):
            text = path.read_text(errors="replace")
            assert not [name for name in ("root", "work") if f"/{name}/" in text], path


def test_what_is_shipped_is_there() -> None:
    """Each name in the list of the source distribution stands for something; the licence is the metadata's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for pattern in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]:
        assert list(ROOT.glob(pattern)), pattern
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['project']['license']} License")


def test_modules_of_tests_have_names_of_their_own() -> None:
    """Two of one name cannot be collected in one round."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)
