"""A data set unpacked from somebody's archive: no link in it and no line of its log leads out of the folder."""

import asyncio
import json
import os
import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import SECRET, cli, look, note, picture, run_of, stored, untouched

from crawler import within
from crawler.audit.look import audit
from crawler.audit.mend import repair
from crawler.dataset.bodies import Body, Left, Wanted, read
from crawler.dataset.rewrite import Copies
from crawler.dataset.stops import Refused
from crawler.dataset.takedown import Choice, purge
from crawler.disk import Disk
from crawler.events import Described, Event, Failed, Gone, Line
from crawler.log.codec import decode, encode, skim
from crawler.log.files import lock, make_folder
from crawler.log.reader import LogDamaged
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image
from crawler.rules.frozen import pack, unpack
from crawler.rules.naming import EXTENSIONS, image_path
from crawler.rules.replay import State
from crawler.sinks.folder import Folder
from crawler.stop import StorageFailed
from crawler.watch.report import replace
from crawler.watch.thumbs import Thumbs
from crawler.watch.wall import _made
from crawler.watch.web import kept_token


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Somebody's own files: among them a picture, and one that is named as an image of the data set would be."""
    folder = tmp_path / "outside"
    (folder / "034").mkdir(parents=True)
    (folder / "secret").write_bytes(SECRET)
    (folder / "secret.png").write_bytes(picture())
    for place in (folder, folder / "034"):
        (place / "34_p0.png").write_bytes(picture())
    return folder


PATHS = [
    "../outside/secret.png",
    "images/../../outside/secret.png",
    "images/034/../../../outside/secret.png",
    "{outside}/secret.png",
    "images//{outside}/secret.png",
    "images/./034/34_p0.png",
    "./images/034/34_p0.png",
    ".crawl/lock",
    "log.jsonl",
    "",
    "images",
    "images/",
    "images/034/34_p0.png\0.png",
    "images/002/2_p0.png",
    "images/034/34_p1.png",
    "images/34/34_p0.png",
    "images/034/034_p0.png",
    "images/034/34_p0.PNG",
    "images/034/34_p0.svg",
    "images/034/34_p0",
    "images/034/34_p0.png/",
    "images/034/34_p0.png\n",
]
"""What a line of image 34 p0 may say, other than `images/034/34_p0.png`. The work 2 has its own file."""
COMMANDS = [
    ["status", "{root}"],
    ["verify", "{root}"],
    ["report", "{root}"],
    ["export", "{root}", "--to", "webdataset", "--out", "{root}/out"],
    ["export", "{root}", "--to", "imagefolder", "--out", "{root}/out", "--copy"],
    ["export", "{root}", "--to", "manifest", "--out", "{root}/out.jsonl"],
    ["pairs", "find", "{root}"],
    ["purge", "{root}", "--ids", "{root}/ids.txt"],
    ["run", "{root}/crawler.toml"],
    ["run", "{root}/crawler.toml", "--recheck", "all"],
    ["plan", "{root}/crawler.toml"],
]


def two_works(root: Path, path: str, last: bool) -> Path:
    """A data set of works 2 and 34, each with its file; the line of 34 p0, in the middle or at the end, says `path`."""
    run_of(root, "images/002/2_p0.png", id=2)
    place = root / "images/034/34_p0.png"
    place.parent.mkdir()
    place.write_bytes(picture())
    (root / "images/034/34_p1.png").write_bytes(picture())
    said = [
        Described(34, (Image(0, "https://i.pximg.net/34.png"),), {}),
        stored(path, picture()),
        Gone(35, "not_found"),
    ]
    with (root / "log.jsonl").open("ab") as log:
        for number, event in enumerate(said[: -1 if last else None], 1):
            log.write(encode("e15e", number, "2026-01-02T03:04:05.678Z", event))
    (root / "ids.txt").write_text("2\n34\n35\n")
    (root / "crawler.toml").write_text(
        f'[source]\npath = "{root}/ids.txt"\n[output]\ndir = "{root}"\nreserve_mb = 0\n[network]\n'
        'resolve = { "www.pixiv.net" = "127.0.0.1:9", "i.pximg.net" = "127.0.0.1:9" }\n'
    )
    return root


@pytest.mark.parametrize("last", [False, pytest.param(True, marks=pytest.mark.long)], ids=["middle", "end"])
@pytest.mark.parametrize("path", PATHS)
def test_a_line_that_names_another_place(path: str, last: bool, tmp_path: Path, outside: Path) -> None:
    """`..`, absolute and odd paths, and those of another image: the line is damage, told by file, byte and line. No
    image is read, moved or removed on its word, and a repair voids the line alone."""
    path = path.format(outside=outside)
    root = two_works(tmp_path / "run", path, last)
    thumbs = Thumbs()
    try:
        assert (_made(thumbs, root, path) is None) == (path not in ("images/002/2_p0.png", "images/034/34_p1.png"))
    finally:
        thumbs.close()
    before = look(root / "images")
    with untouched(outside):
        for damaged in (lambda: audit(root), lambda: purge(root, Choice(ids=frozenset({34})))):
            with pytest.raises(LogDamaged, match=r"log\.jsonl: damaged at byte [0-9]+: line 2 of log e15e has a right"):
                damaged()
        assert look(root / "images") == before
        mended = repair(root)
        assert mended.salvaged is not None
        assert mended.salvaged.lost == 1 - last
        # What no line names is aside: of work 34 two files. That of work 2 is where it was.
        assert (mended.queued, mended.moved) == (0, 2)
        assert audit(root).sound
        assert look(root / "images") == {"002/2_p0.png": picture()}
        assert purge(root, Choice(ids=frozenset({34}))).files == 2  # those that the repair had set aside
        assert look(root / "images") == {"002/2_p0.png": picture()}
    assert (root / "log.jsonl").is_file()


def test_what_commands_do_with_such_a_line(tmp_path: Path, outside: Path) -> None:
    """Each command refuses the log with the line's place, code 7, and changes no file but its own status and lock."""
    root = two_works(tmp_path / "run", "images/002/2_p0.png", last=True)
    before = look(root)
    for words in COMMANDS:
        code, said = cli(*(word.replace("{root}", str(root)) for word in words))
        assert (code, "Traceback" in said) == (7, False), (words, code, said)
        assert "log.jsonl: damaged at byte" in said, (words, said)
        assert "images/002/2_p0.png" in said, (words, said)
        after = {name: body for name, body in look(root).items() if not name.startswith((".crawl/", "status"))}
        assert after == {name: body for name, body in before.items() if not name.startswith(".crawl/")}, words
    assert cli("tail", root)[0] == 0


@given(st.integers(0, 2**63 - 1) | st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True), st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_line_is_believed_for_its_own_place_only(id: int | str, text: str) -> None:
    """Of all paths a line of an image may name those that naming gives it, and `skim` and `decode` agree."""
    page = 0
    right = {image_path(id, page, ext) for ext in EXTENSIONS - {"zip"}}
    near = {path.replace("images/", "images/0"): 0 for path in right} | {path + text: 0 for path in right} | {text: 0}
    near |= {path.replace(str(id), f"{id}{text or '0'}"): 0 for path in right}
    for path in (*right, *near):
        raw = encode("ab", 1, "t", stored(path, b"")._replace(id=id))
        assert (decode(raw) is not None) == (skim(raw[:-1]) is not None) == (path in right), path


@pytest.mark.parametrize("page", ["..", "../../x", "", "0", "x", -1, 1.0, True, None, [0]])
@pytest.mark.parametrize("kind", ["described", "stored", "failed"])
def test_a_page_that_no_image_has(kind: str, page: object, tmp_path: Path) -> None:
    """What is half fetched is named by its page: a page is a number or `zip`; in a snapshot, too."""
    said: Event = Described(34, (Image(page, "https://i/x"),), {})  # type: ignore[arg-type]
    if kind == "stored":
        said = stored(f"images/034/34_p{page}.png", b"")._replace(page=page)
    if kind == "failed":
        said = Failed(34, page, "reset", None, 1, False)  # type: ignore[arg-type]
    raw = encode("ab", 1, "t", said)
    fine = kind == "failed" and page is None
    assert (decode(raw) is not None) == (skim(raw[:-1]) is not None) == fine
    if isinstance(page, list) or page is None:
        return
    state = State()
    state.apply(Line("ab", 1, "t", said))
    frozen = state.freeze()
    assert frozen is not None
    with pytest.raises(ValueError, match="a page that no image has"):
        unpack(memoryview(b"".join(pack(frozen))))


@pytest.mark.parametrize("way", ["webdataset", "imagefolder", "manifest"])
def test_no_export_follows_a_link_out(way: str, tmp_path: Path, outside: Path) -> None:
    """The bytes of a file outside reach no export, whatever link stands under an image's name; nor the report."""
    secret = outside / "secret.png"
    root = run_of(tmp_path / "run")
    (root / "images" / "035").mkdir()
    (root / "images" / "035" / "35_p0.png").symlink_to(secret)
    (root / "images" / "034" / "34_p0.png").unlink()
    (root / "images" / "034" / "34_p0.png").symlink_to(secret)
    note(root, stored("images/035/35_p0.png", picture(), 35))
    cli("export", root, "--to", way, "--out", tmp_path / "out")
    found = b"".join(body for name, body in look(tmp_path / "out").items() if name != "_manifest.json")
    assert picture()[20:] not in found
    assert cli("report", root)[0] == 0
    assert "data:image/jpeg" not in (root / "report.html").read_text()


def plant(root: Path, link: str, outside: Path) -> None:
    """Put a link to the files outside in the place of a folder or file of the data set."""
    place = root / link
    if place.is_dir() and not place.is_symlink():
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        place.rmdir()
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside if not place.suffix else outside / "034" / "34_p0.png")


@pytest.mark.parametrize("link", ["images", "images/034", "images/034/34_p0.png"])
def test_links_below_images(link: str, tmp_path: Path, outside: Path) -> None:
    """A link in the place of images/, of a folder or of a file: not followed, to read, to move, or to remove."""
    root = run_of(tmp_path / "run")
    plant(root, link, outside)
    with untouched(outside):
        wanted = Wanted("images/034/34_p0.png", len(picture()), stored("", picture()).sha256)
        assert isinstance(read(str(root), wanted, "bytes"), Left)
        thumbs = Thumbs()
        try:
            assert _made(thumbs, root, wanted.path) is None
        finally:
            thumbs.close()
        found = {finding.what for finding in audit(root).findings}
        assert "misplaced" in found or "missing" in found
        repair(root)
        purge(root, Choice(ids=frozenset({34})))


@pytest.mark.parametrize("link", ["images", "images/034", ".crawl", ".crawl/parts"])
def test_a_run_writes_through_no_link(link: str, tmp_path: Path, outside: Path) -> None:
    """Each is StorageFailed, exit 7, before an image has its name; nothing appears elsewhere."""
    root = tmp_path / "run"
    root.mkdir()
    plant(root, link, outside)

    async def work() -> None:
        log = await Log.open(root, LogSettings(), Disk())
        try:
            part = await Folder(root, Disk()).part(34, 0)
            await part.begin("https://i/x", "v")
            await part.write(picture())
            await part.keep("png")
        finally:
            await log.close()

    with untouched(outside), pytest.raises(StorageFailed, match="symbolic link"):
        asyncio.run(work())


@pytest.mark.parametrize("name", ["log.jsonl", ".crawl/lock"])
def test_a_log_or_lock_that_is_a_link(name: str, tmp_path: Path, outside: Path) -> None:
    """What it points at is neither emptied nor appended to."""
    root = tmp_path / "run"
    (root / ".crawl").mkdir(parents=True)
    (root / name).symlink_to(outside / "secret")
    with untouched(outside), pytest.raises(StorageFailed):
        note(root)
    with untouched(outside):
        repair_code, _ = cli("verify", root, "--repair")
        assert repair_code != 0
        cli("status", root)
    if name == ".crawl/lock":
        with untouched(outside), pytest.raises(OSError, match="symbolic"):
            lock(root, make_folder(Disk(), root))


@pytest.mark.parametrize("name", ["status.json", ".crawl/status.json.new", "report.html", ".report.html.new"])
def test_files_that_are_replaced(name: str, tmp_path: Path, outside: Path) -> None:
    """A link, or a second name of a file, in the place of what is written aside or replaced: it loses that place."""
    root = tmp_path / "run"
    (root / ".crawl").mkdir(parents=True)
    for make in (os.symlink, os.link):
        (root / name).unlink(missing_ok=True)
        make(outside / "secret", root / name)
        with untouched(outside):
            if "status" in name:
                within.replace(root / "status.json", root / ".crawl" / "status.json.new", b"{}")
            else:
                replace(root / "report.html", b"<html>")
        assert (outside / "secret").read_bytes() == SECRET


def test_a_note_of_a_part_that_is_a_link(tmp_path: Path, outside: Path) -> None:
    """Left for the next run, a part's note is a new file."""
    root = tmp_path / "run"

    async def work() -> None:
        part = await Folder(root, Disk()).part(5, 0)
        (root / ".crawl" / "parts" / "5_0.json").symlink_to(outside / "secret")
        await part.begin("https://i/x", '"v"')
        await part.write(b"x" * 10)
        await part.leave()

    with untouched(outside):
        asyncio.run(work())
    assert json.loads((root / ".crawl" / "parts" / "5_0.json").read_bytes())["bytes"] == 10


def test_the_token_of_a_page(tmp_path: Path, outside: Path) -> None:
    """Mode 0600, whatever the umask; one that others may have read, or a link to a secret, is not used."""
    path = tmp_path / "run" / ".crawl" / "page-token"
    path.parent.mkdir(parents=True)
    old = os.umask(0)
    try:
        first = kept_token(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_token(path) == first
    path.chmod(0o644)
    second = kept_token(path)
    assert second != first
    path.unlink()
    (outside / "private").write_text("a-secret-of-somebody-else")
    path.symlink_to(outside / "private")
    with untouched(outside):
        assert kept_token(path) not in ("a-secret-of-somebody-else", second)
    assert not path.is_symlink()


@pytest.mark.parametrize("name", ["..", "../outside", "../outside/x.jsonl", "/etc", "a/b.tar", "", ".", "link.tar"])
@pytest.mark.parametrize("where", ["shards", "files"])
def test_a_manifest_that_names_other_places(name: str, where: str, tmp_path: Path, outside: Path) -> None:
    """Purging copies touches the files of an export only: any other name in its manifest is refused."""
    out = tmp_path / "export"
    out.mkdir()
    (out / "link.tar").symlink_to(outside / "secret")
    (outside / "metadata.jsonl").write_bytes(b'{"id":34,"file_name":"034/34_p0.png"}\n')
    (outside / "x.jsonl").write_bytes(b'{"id":34}\n')
    told = {"sha256": "", "bytes": 1, "rows": 1}
    shard = {"name": name, "folder": True, "samples": 1, "images": 1, "split": "", "table_bytes": 1, **told}
    data = {"format": 1, "complete": True, "to": "imagefolder", "shards": [], "files": {}}
    data |= {"shards": [shard]} if where == "shards" else {"files": {name: told}}
    (out / "_manifest.json").write_bytes(orjson.dumps(data | {"totals": {"splits": {}}}))
    with untouched(outside), pytest.raises(Refused):
        Copies(out).purge(frozenset({34}))


@given(st.lists(st.sampled_from(["..", ".", "", "images", "034", "x.png", "\0", "a\\b", "é"]), max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_path_leads_nowhere_else(parts: list[str]) -> None:
    """Whatever names a path is made of: it leads out, or its normal form is itself and lies below the folder."""
    path = "/".join(parts)
    assert within.leads_out(path) or (os.path.normpath(path) == path and not path.startswith(("/", "..")))


def test_pipes_keep_nobody_waiting(tmp_path: Path) -> None:
    """A pipe in the place of an image, of the lock or of the token is an answer at once."""
    root = run_of(tmp_path / "run")
    image = root / "images/034/34_p0.png"
    image.unlink()
    os.mkfifo(image)
    wanted = Wanted("images/034/34_p0.png", 10, "0" * 64)
    assert isinstance(read(str(root), wanted, "bytes"), Left)
    assert {f.what for f in audit(root).findings} == {"misplaced"}
    (root / ".crawl" / "lock").unlink()
    os.mkfifo(root / ".crawl" / "lock")
    assert cli("status", root)[0] == 0
    token = root / ".crawl" / "page-token"
    os.mkfifo(token)
    assert len(kept_token(token)) >= 20


def test_what_is_right_is_read(tmp_path: Path) -> None:
    """The control: the same calls on an honest data set see and give its image."""
    root = run_of(tmp_path / "run")
    got = read(str(root), Wanted("images/034/34_p0.png", len(picture()), stored("", picture()).sha256), "bytes")
    assert isinstance(got, Body)
    assert got.data == picture()
    assert audit(root).findings == []
    assert cli("report", root)[0] == 0
    assert "data:image/jpeg" in (root / "report.html").read_text()
    mode = stat.S_IMODE((root / "log.jsonl").stat().st_mode)
    assert mode & 0o133 == 0
