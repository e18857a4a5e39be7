"""Second names, pipes, devices, sockets and folders wherever something is read or written; masks; foreign exports."""

import asyncio
import os
import shutil
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from planted import SECRET, cli, look, note, picture, run_of, stored, untouched

from crawler.audit.look import audit
from crawler.audit.mend import repair
from crawler.dataset.rewrite import Copies
from crawler.dataset.stops import Refused
from crawler.dataset.takedown import Choice, purge
from crawler.disk import Disk
from crawler.events import Gone
from crawler.log.reader import replay
from crawler.pairs.judgements import Judged, Pair
from crawler.pairs.ledger import Ledger
from crawler.sinks.folder import Folder
from crawler.sinks.replaced import Replaced
from crawler.stop import StorageFailed

IMAGE = "images/034/34_p0.png"
OURS = [
    "log.jsonl", "status.json", "report.html", "images", "images/034", IMAGE, ".crawl", ".crawl/lock",
    ".crawl/parts", ".crawl/reserve", ".crawl/snapshot", ".crawl/store.json", ".crawl/page-token", ".crawl/quarantine",
    ".crawl/replacing", ".crawl/replaced", "purged.jsonl", "report_tables", "pairs", "pairs/candidates.jsonl",
    "pairs/judgements.jsonl",
]  # fmt: skip
"""Every name that a data set's folder has for its commands."""
LATER = ("second name", "socket", "folder", "device")
ODD = ["pipe", *(pytest.param(what, marks=pytest.mark.long) for what in LATER)]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Somebody's own file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    return folder


def plant(place: Path, what: str, outside: Path) -> None:
    """Put such a thing under a name, whatever has it."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    match what:
        case "pipe":
            os.mkfifo(place)
        case "socket":
            here = Path.cwd()
            os.chdir(place.parent)  # a path of a socket may have a hundred characters only
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(place.name)
            os.chdir(here)
        case "folder":
            place.mkdir()
            (place / "inner").write_bytes(SECRET)
        case "device":
            if os.geteuid() != 0:
                pytest.skip("device nodes are made by root")
            try:
                os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 7))  # /dev/full: whatever is written fails
            except PermissionError:
                pytest.skip("device nodes are not to be made here")
        case _:
            os.link(outside / "secret", place)


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("name", OURS)
def test_odd_things_in_every_place(name: str, what: str, tmp_path: Path, outside: Path) -> None:
    """Each command ends at once with a code that it has, and not as a bug; what lies outside is as it was."""
    if what == "second name" and name in ("images", "images/034", ".crawl", ".crawl/parts", "report_tables", "pairs"):
        what = "folder"
    root = run_of(tmp_path / "run")
    plant(root / name, what, outside)
    (tmp_path / "ids.txt").write_text("34\n")
    config = tmp_path / "crawler.toml"
    config.write_text(
        f'[source]\npath = "{tmp_path}/ids.txt"\n[output]\ndir = "{root}"\nreserve_mb = 0\n[network]\n'
        'resolve = { "www.pixiv.net" = "127.0.0.1:9", "i.pximg.net" = "127.0.0.1:9" }\n[retry]\nattempts = 1\n'
    )
    asked = [
        ["status", root], ["report", root], ["export", root, "--to", "imagefolder", "--out", tmp_path / "out"],
        ["run", config], ["verify", root], ["verify", root, "--repair"], ["purge", root, "--ids", tmp_path / "ids.txt"],
    ]  # fmt: skip
    with untouched(outside):
        for words in asked:
            code, said = cli(*words)
            assert "Traceback" not in said, (words, said)
            assert "bug" not in said, (words, said)
            assert code in (0, 1, 2, 3, 4, 5, 7), (words, code, said)


def test_a_log_with_a_second_name(tmp_path: Path, outside: Path) -> None:
    """What is appended, and a torn tail that is cut off, are in a file of its own; the other name keeps its bytes."""
    root = run_of(tmp_path / "run")
    for body in (SECRET, (root / "log.jsonl").read_bytes()):
        other = outside / "other"
        other.unlink(missing_ok=True)
        other.write_bytes(body)
        (root / "log.jsonl").unlink()
        os.link(other, root / "log.jsonl")
        with untouched(outside):
            note(root, Gone(5, "not_found"))
        assert (root / "log.jsonl").stat().st_nlink == 1
        assert replay(root / "log.jsonl").totals().gone == 1
    assert replay(root / "log.jsonl").totals().done == 1


def test_a_lock_with_a_second_name(tmp_path: Path, outside: Path) -> None:
    """It locks, and is not written to."""
    root = run_of(tmp_path / "run")
    (root / ".crawl" / "lock").unlink()
    os.link(outside / "secret", root / ".crawl" / "lock")
    with untouched(outside):
        note(root, Gone(5, "not_found"))
    assert replay(root / "log.jsonl").totals().gone == 1


def test_judgements_with_a_second_name(tmp_path: Path, outside: Path) -> None:
    """Refused: two reviews might each write to one of the two."""
    place = tmp_path / "judgements.jsonl"
    os.link(outside / "secret", place)
    with untouched(outside), pytest.raises(StorageFailed, match="second name"):
        Ledger(place, Disk())
    place.unlink()
    ledger = Ledger(place, Disk())
    ledger.write(Judged(Pair(9, 8), "yes"))
    ledger.close()
    assert place.stat().st_size > 50


def test_an_image_with_a_second_name(tmp_path: Path, outside: Path) -> None:
    """A new image is a new file that takes the name; what is removed or set aside keeps its other name."""
    root = tmp_path / "run"
    (root / "images" / "034").mkdir(parents=True)
    (root / ".crawl" / "parts").mkdir(parents=True)
    os.link(outside / "secret", root / IMAGE)
    os.link(outside / "secret", root / ".crawl" / "parts" / "34_0.part")
    (root / ".crawl" / "parts" / "34_0.json").write_bytes(
        orjson.dumps({"url": "https://i/x", "version": "v", "bytes": len(SECRET), "total": 900})
    )

    async def work() -> None:
        part = await Folder(root, Disk()).part(34, 0)
        await part.begin("https://i/x", "v")
        await part.write(picture())
        await part.keep("png")

    with untouched(outside):
        asyncio.run(work())
        assert (root / IMAGE).read_bytes().endswith(picture())
        (root / IMAGE).unlink()
        os.link(outside / "secret", root / IMAGE)
        note(root, stored(IMAGE, picture()))
        assert {f.what for f in audit(root).findings} == {"truncated"}
        assert repair(root).moved == 1
        os.link(outside / "secret", root / IMAGE)
        assert purge(root, Choice(ids=frozenset({34}))).files == 2
    assert not (root / IMAGE).exists()


@pytest.mark.parametrize("name", ["replacing", "replaced"])
def test_files_of_edited_works_behind_a_link(name: str, tmp_path: Path, outside: Path) -> None:
    """A link in place of where an edited work's old files wait, or are kept: nothing behind it is moved or removed."""
    root = run_of(tmp_path / "run")
    waiting = f"034_34_p9.{'0' * 16}.png"
    (outside / waiting).write_bytes(SECRET)
    (root / ".crawl" / "replacing").mkdir()
    (root / ".crawl" / "replacing" / waiting).write_bytes(SECRET)
    if name == "replacing":
        shutil.rmtree(root / ".crawl" / name)
    (root / ".crawl" / name).symlink_to(outside)
    kept = Replaced(root, Disk())
    with untouched(outside), pytest.raises(OSError, match="symbolic link"):
        kept.settle(kept.pending(), {})


def test_what_waits_for_an_edited_work(tmp_path: Path) -> None:
    """The control, and a pipe under an image's name: what waits is kept, and nobody waits for the pipe."""
    root = run_of(tmp_path / "run")
    waiting = f"034_34_p9.{'0' * 16}.png"
    (root / ".crawl" / "replacing").mkdir()
    (root / ".crawl" / "replacing" / waiting).write_bytes(SECRET)
    os.mkfifo(root / "images/034/34_p9.png")
    kept = Replaced(root, Disk())
    kept.settle(kept.pending(), {})
    assert [path.read_bytes() for path in kept.folder.iterdir()] == [SECRET]


def test_an_output_folder_that_is_a_link(tmp_path: Path) -> None:
    """The folder that somebody names is theirs to choose: a link to another disk is followed, and stays a link."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    root = run_of(tmp_path / "run")
    assert (tmp_path / "disk" / IMAGE).is_file()
    assert audit(root).sound
    (tmp_path / "disk" / IMAGE).write_bytes(b"x")
    assert repair(root).moved == 1
    assert cli("status", root)[0] == 0
    assert cli("report", root)[0] == 0
    assert purge(root, Choice(ids=frozenset({34}))).files == 1
    assert (tmp_path / "run").is_symlink()


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_modes_under_odd_masks(mask: int, tmp_path: Path) -> None:
    """No file is for all to write but where the mask asks for it, none can be run, and the token is for its owner."""
    from crawler.watch.web import kept_token

    root = tmp_path / "run"
    old = os.umask(mask)
    try:
        if mask == 0o777 and os.geteuid() != 0:
            pytest.skip("nobody but root can write below a folder without modes")
        run_of(root)
        kept_token(root / ".crawl" / "page-token")
        for words in (["status", root], ["report", root], ["export", root, "--to", "webdataset", "--out", root / "o"]):
            assert cli(*words)[0] == 0
        assert repair(root).moved == 0
        assert purge(root, Choice(ids=frozenset({34}))).files == 1
    finally:
        os.umask(old)
    for path in (p for p in root.rglob("*") if p.is_file()):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o111 == 0, path
        assert mode & mask & 0o666 == 0 or path.name == "page-token", (path, oct(mode))
        assert path.name != "page-token" or mode & 0o077 == 0


ROWS: dict[str, Callable[[dict[str, object]], object]] = {
    "another image": lambda row: row | {"file_name": "{other}"},
    "leads up": lambda row: row | {"file_name": "../../../outside/secret"},
    "absolute": lambda row: row | {"file_name": "{outside}/secret"},
    "the table": lambda row: row | {"file_name": "metadata.jsonl"},
    "NUL": lambda row: row | {"file_name": "a\0b"},
    "newline": lambda row: row | {"file_name": "a\nb"},
    "long": lambda row: row | {"file_name": "x" * 5000},
    "look-alike": lambda row: row | {"file_name": str(row["file_name"]).replace("_", "\uff3f")},
    "a number": lambda row: row | {"file_name": 7},
    "a list": lambda row: [row],
    "nothing": lambda _: None,
    "an id of a list": lambda row: row | {"id": [34]},
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_table_that_names_other_files(name: str, tmp_path: Path, outside: Path) -> None:
    """Purging copies removes the files of rows that go, and no file that a row that stays names; or refuses."""
    root, out = run_of(tmp_path / "run"), tmp_path / "out"
    (root / "images/035").mkdir()
    (root / "images/035/35_p0.png").write_bytes(picture())
    note(root, stored("images/035/35_p0.png", picture(), 35))
    assert cli("export", root, "--to", "imagefolder", "--out", out, "--copy")[0] == 0
    table = out / "train" / "metadata.jsonl"
    rows = sorted(map(orjson.loads, table.read_bytes().splitlines()), key=lambda row: row["id"])
    other = out / "train" / rows[1]["file_name"]
    said = orjson.dumps(ROWS[name](rows[0]))
    said = said.replace(b"{other}", rows[1]["file_name"].encode()).replace(b"{outside}", str(outside).encode())
    table.write_bytes(said + b"\n" + orjson.dumps(rows[1]) + b"\n")
    with untouched(outside):
        with suppress(Refused, OSError):
            Copies(out).purge(frozenset({34}))
        assert other.read_bytes() == picture()
        assert table.is_file()


@pytest.mark.parametrize("what", ["pipe", "folder", "words", "empty", "huge", "negative", "other kind"])
def test_an_export_of_odd_files(what: str, tmp_path: Path, outside: Path) -> None:
    """Pipes, folders and anything else under a shard's name, and numbers that are none: refused at once, not a bug."""
    root, out = run_of(tmp_path / "run"), tmp_path / "out"
    assert cli("export", root, "--to", "webdataset", "--out", out)[0] == 0
    manifest = orjson.loads((out / "_manifest.json").read_bytes())
    shard = manifest["shards"][0]
    tar = out / shard["name"]
    if what in ("pipe", "folder"):
        plant(tar, what, outside)
    elif what in ("words", "empty"):
        tar.write_bytes(b"no tar at all" * 200 if what == "words" else b"")
    elif what == "other kind":
        tar.rename(out / "shard.exe")
        shard["name"] = "shard.exe"
    else:
        shard["samples"] = "9" * 400 if what == "huge" else [-1]
    (out / "_manifest.json").write_bytes(orjson.dumps(manifest))
    (tmp_path / "ids.txt").write_text("34\n")
    with untouched(outside):
        code, said = cli("purge", root, "--ids", tmp_path / "ids.txt", "--export", out)
    assert "Traceback" not in said
    assert code in (2, 7), (code, said)
    assert look(outside)
