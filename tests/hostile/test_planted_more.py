"""A folder of anybody's, and what lies in .crawl/, in pairs/ and in an unfinished export of it: no link leads a write
out, nothing waits for a pipe, and odd types with right checksums end no command as a bug."""

import hashlib
import os
from pathlib import Path

import orjson
import pytest
from planted import SECRET, cli, look, picture, run_of, untouched

from crawler import __version__
from crawler.audit.look import audit
from crawler.collect.idfile import IdFile
from crawler.dataset.manifest import Manifest
from crawler.dataset.matching import Matched, Notes
from crawler.dataset.rewrite import Copies
from crawler.dataset.takedown import Choice, purge
from crawler.disk import Disk
from crawler.log import snapshot
from crawler.log.reader import replay
from crawler.pairs.candidates import read_candidates, write_candidates
from crawler.pairs.chosen import write_pairs
from crawler.pairs.find import Folder, write_ids
from crawler.rules.frozen import pack
from crawler.store.mirror import images_of
from crawler.within import make_private


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Somebody's own files, one named as a half-fetched image of work 34 would be."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    (folder / "34_p0.png").write_bytes(picture())
    (folder / "34_0.part").write_bytes(SECRET)
    return folder


@pytest.mark.parametrize("name", ["parts", "quarantine"])
def test_a_purge_empties_no_other_folder(name: str, tmp_path: Path, outside: Path) -> None:
    """A link in place of what is half fetched, or set aside: nothing behind it is of the data set."""
    root = run_of(tmp_path / "run")
    (root / ".crawl" / name).symlink_to(outside)
    with untouched(outside):
        assert purge(root, Choice(ids=frozenset({34}))).files == 1
    assert not (root / "images/034/34_p0.png").exists()


@pytest.mark.parametrize("make", [os.symlink, os.link, None], ids=["link", "second-name", "pipe"])
def test_what_is_written_aside_is_a_new_file(make, tmp_path: Path, outside: Path) -> None:
    """Whatever has the name of a file that is written aside, it loses that name, and nobody waits for it."""
    root = run_of(tmp_path / "run")
    private, state = root / ".crawl", replay(root / "log.jsonl")
    asides = {
        private / "reserve": lambda: cli("verify", root, "--repair"),
        private / "snapshot.new": lambda: snapshot.save(Disk(), root / "log.jsonl", state.freeze(), 9, {}),
        private / "purged.jsonl.part": lambda: purge(root, Choice(ids=frozenset({34}))),
        root / ".ids.txt.new": lambda: IdFile(root, Disk()).rebuild([1, 2]),
        root / "pairs" / "works.txt.part": lambda: write_ids(root / "pairs" / "works.txt", [1]),
        root / "pairs" / "pairs.csv.part": lambda: write_pairs(root / "pairs" / "pairs.csv", []),
        root / "pairs" / "candidates.jsonl.part": lambda: write_candidates(root / "pairs" / "candidates.jsonl", []),
    }  # fmt: skip
    (root / "pairs").mkdir()
    for aside, write in asides.items():
        aside.unlink(missing_ok=True)
        os.mkfifo(aside) if make is None else make(outside / "secret", aside)
        with untouched(outside):
            write()
        assert not aside.is_symlink()
        assert not aside.is_fifo()


@pytest.mark.parametrize("link", [".export", ".export/train", ".export/train/{image}", "train"])
def test_an_unfinished_export_leads_nowhere(link: str, tmp_path: Path, outside: Path) -> None:
    """A link in the folder of an export that is gone on with: refused, or it loses its name; nothing is written
    behind it."""
    root, out = run_of(tmp_path / "run"), tmp_path / "out"
    assert cli("export", root, "--to", "imagefolder", "--out", out, "--copy")[0] == 0
    manifest = orjson.loads((out / "_manifest.json").read_bytes())
    (out / "_manifest.json").write_bytes(orjson.dumps(manifest | {"complete": False, "shards": []}))
    image = orjson.loads((out / "train" / "metadata.jsonl").read_bytes())["file_name"]
    os.rename(out / "train", out / "was")
    place = out / link.format(image=image)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with untouched(outside):
        code, said = cli("export", root, "--to", "imagefolder", "--out", out, "--copy")
        assert "Traceback" not in said
    if code == 0:
        assert not (out / "train").is_symlink()
        assert (out / "train" / image).resolve().is_relative_to(out)


def test_a_manifest_of_odd_types(tmp_path: Path) -> None:
    """Asked to go on with it, an export refuses what is no manifest, and does not end as a bug."""
    root, out = run_of(tmp_path / "run"), tmp_path / "out"
    assert cli("export", root, "--to", "imagefolder", "--out", out)[0] == 0
    whole = orjson.loads((out / "_manifest.json").read_bytes())
    shard = whole["shards"][0]
    for odd in ([], {"shards": 5}, whole | {"shards": [{}]}, whole | {"shards": [shard | {"name": 7, "split": []}]}):
        (out / "_manifest.json").write_bytes(orjson.dumps(odd))
        code, said = cli("export", root, "--to", "imagefolder", "--out", out)
        assert (code, "not an export's manifest" in said or "differ" in said) == (2, True), said


def test_copies_with_links_inside(tmp_path: Path, outside: Path) -> None:
    """Purging copies goes through no link in place of the scratch folder or of a table."""
    root, out = run_of(tmp_path / "run"), tmp_path / "out"
    assert cli("export", root, "--to", "imagefolder", "--out", out, "--copy")[0] == 0
    (outside / "table").write_bytes((out / "train" / "metadata.jsonl").read_bytes())
    (out / "train" / "metadata.jsonl").unlink()
    (out / "train" / "metadata.jsonl").symlink_to(outside / "table")
    with untouched(outside), pytest.raises(OSError, match="symbolic"):
        Copies(out).purge(frozenset({34}))
    (out / ".export").rmdir() if (out / ".export").is_dir() else None
    (out / ".export").symlink_to(outside)
    with untouched(outside), pytest.raises(OSError, match="symbolic"):
        Copies(out).purge(frozenset({34}))


def test_matches_noted_by_somebody_else(tmp_path: Path, outside: Path) -> None:
    """A link is not appended to; what does not fit the pages is forgotten and found anew."""
    root = run_of(tmp_path / "run")
    notes = root / ".crawl" / "pairs-matches.jsonl"
    notes.symlink_to(outside / "secret")
    with untouched(outside), pytest.raises(OSError, match=r"symbolic|Too many"):
        Notes(notes)
    notes.unlink()
    whole = {"score": 0.5, "scale": 1.0, "left": 0, "top": 0, "width": 1, "height": 1, "flip": False}
    odd = [
        {"found": [whole | {"colored": 1, "sketch": 0}], "compared": 1, "unread": 0},
        {"found": [whole | {"colored": 0, "sketch": -1}], "compared": 1, "unread": 0},
        {"found": [whole | {"colored": 0, "sketch": 0, "score": "x"}], "compared": 1, "unread": 0},
        {"found": [whole | {"colored": "0", "sketch": 0}], "compared": 1, "unread": 0},
        {"found": [7], "compared": 1, "unread": 0},
        {"found": 7, "compared": 1, "unread": 0},
        {"found": [], "compared": [], "unread": 0},
        {"found": []},
    ]
    keys = [hashlib.sha256(bytes([n])).digest() for n in range(len(odd) + 1)]
    right = {"found": [whole | {"colored": 0, "sketch": 0}], "compared": 1, "unread": 0}
    lines = [{"key": key.hex()} | said for key, said in zip(keys, [right, *odd], strict=True)]
    notes.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    with Notes(notes) as opened:
        assert [opened.get(key, (1, 1)) is None for key in keys] == [False] + [True] * len(odd)
        opened.add(keys[1], Matched([], 3, 0))
        assert opened.get(keys[1], (1, 1)) == Matched([], 3, 0)


def test_a_crawl_folder_that_is_a_link(tmp_path: Path, outside: Path) -> None:
    """Looking for pairs and marking a store make nothing behind a link in place of .crawl/."""
    root = run_of(tmp_path / "run")
    for path in sorted((root / ".crawl").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (root / ".crawl").rmdir()
    (root / ".crawl").symlink_to(outside)
    with untouched(outside):
        with pytest.raises(OSError, match="symbolic"):
            make_private(root)
        with pytest.raises(OSError, match="symbolic"):
            Folder(root)
        code, said = cli("pairs", "find", root)
        assert (code != 0, "Traceback" in said) == (True, False), said


SNAPSHOTS = {
    "head": lambda head, body: b"no json\n" + body,
    "no-line": lambda head, body: b"x" * 50,
    "empty": lambda head, body: b"",
    "list": lambda head, body: b"[]\n" + body,
    "offset": lambda head, body: orjson.dumps(head | {"offset": "x"}) + b"\n" + body,
    "negative": lambda head, body: orjson.dumps(head | {"offset": -5}) + b"\n" + body,
    "last": lambda head, body: orjson.dumps(head | {"last": {"ab": "x"}}) + b"\n" + body,
    "none": lambda head, body: orjson.dumps(head | {"last": 5}) + b"\n" + body,
    "cut": lambda head, body: orjson.dumps(head) + b"\n" + body[:-3],
    "parts": lambda head, body: orjson.dumps(head) + b"\n" + (2).to_bytes(8, "little") + b"{}",
    "long": lambda head, body: orjson.dumps(head) + b"\n" + b"\xff" * 8 + b"{}",
    "bitmap": lambda head, body: orjson.dumps(head) + b"\n" + body.replace(b":0", b"\xff\xff", 5)[:-8] + b"\xff" * 8,
}


@pytest.mark.parametrize("name", sorted(SNAPSHOTS))
def test_a_snapshot_with_right_digests(name: str, tmp_path: Path) -> None:
    """Whatever it holds, it is passed over: the log is read instead."""
    root = run_of(tmp_path / "run")
    log = root / "log.jsonl"
    honest = replay(log)
    size = log.stat().st_size
    snapshot.save(Disk(), log, honest.freeze(), size, {"ab": 3})
    path = root / ".crawl" / "snapshot"
    assert snapshot.load(log) is not None
    data = path.read_bytes()
    start = len(snapshot._MAGIC) + snapshot._DIGEST
    head = orjson.loads(data[start : data.index(b"\n", start)])
    made = SNAPSHOTS[name](head, b"".join(pack(honest.freeze())))
    digest = hashlib.blake2b(made, digest_size=snapshot._DIGEST).digest()
    path.write_bytes(snapshot._MAGIC + digest + made)
    assert head["version"] == __version__
    assert snapshot.load(log) is None
    assert replay(log).totals() == honest.totals()


@pytest.mark.parametrize("name", ["log.jsonl", ".crawl/snapshot", ".crawl/store.json", "pairs/judgements.jsonl"])
@pytest.mark.parametrize("what", ["pipe", "device"])
def test_nothing_waits_for_what_is_no_file(name: str, what: str, tmp_path: Path) -> None:
    """A pipe, or a link to a device without end, under the name of a file of ours: an answer at once."""
    root = run_of(tmp_path / "run")
    place = root / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place) if what == "pipe" else place.symlink_to("/dev/zero")
    asked = [["status", root], ["verify", root], ["tail", root], ["export", root, "--to", "manifest", "--out", "{out}"]]
    asked += [["pairs", "export", root, "--out", "{out}.csv"]] if name.startswith("pairs") else [["report", root]]
    for number, words in enumerate(asked):
        code, said = cli(*(str(word).replace("{out}", str(tmp_path / f"out{number}")) for word in words))
        assert "Traceback" not in said, (words, said)
        assert code in ((2, 3, 7) if name == "log.jsonl" or "pairs" in words else (0,)), (words, code, said)


@pytest.mark.parametrize(
    "address",
    [
        5,
        None,
        [],
        {},
        "",
        "file:///etc",
        "http://127.0.0.1/x",
        "memory://x",
        "s3://",
        "s3://b/../c",
        "s3://b/a\nb",
        "s3:b",
    ],
)
def test_a_mark_of_a_store_that_is_none(address: object, tmp_path: Path) -> None:
    """`.crawl/store.json` names a bucket in the one form that a config may, or nothing: the images are here then."""
    root = run_of(tmp_path / "run")
    (root / ".crawl" / "store.json").write_bytes(orjson.dumps({"address": address}))
    assert images_of(root) == ""
    assert audit(root).findings == []
    (root / ".crawl" / "store.json").write_bytes(b"[1]")
    assert images_of(root) == ""


def test_a_new_export_takes_no_scratch_for_its_own(tmp_path: Path, outside: Path) -> None:
    """A folder that holds nothing but a link where the scratch folder would be."""
    out = tmp_path / "out"
    out.mkdir()
    (out / ".export").symlink_to(outside)
    with untouched(outside), pytest.raises(OSError, match="symbolic"):
        Manifest(Disk(), out, {"to": "manifest"}, made_by="", replace=False)


def test_the_report_writes_its_tables_through_no_link(tmp_path: Path, outside: Path) -> None:
    """A link in place of the folder of its tables, or of one of them."""
    root = run_of(tmp_path / "run")
    (root / "report_tables").symlink_to(outside)
    with untouched(outside):
        code, said = cli("report", root)
        assert (code != 0, "Traceback" in said) == (True, False), said
    (root / "report_tables").unlink()
    assert cli("report", root)[0] == 0
    for table in sorted((root / "report_tables").iterdir()):
        table.unlink()
        table.symlink_to(outside / "secret")
    with untouched(outside):
        assert cli("report", root)[0] == 0
    assert all(not path.is_symlink() for path in (root / "report_tables").iterdir())
    assert look(root / "report_tables")


def test_a_candidate_without_a_score(tmp_path: Path) -> None:
    """A match that says nothing, in a file of candidates beside a list of pairs: told by its line."""
    for match in (b'{"flip":1}', b'{"score":"x"}', b"[]", b"7"):
        path = tmp_path / "candidates.jsonl"
        path.write_bytes(b'{"colored":9,"sketch":8,"score":0.5,"match":%b,"evidence":{}}\n' % match)
        with pytest.raises(ValueError, match=r"candidates.jsonl:1"):
            read_candidates(path)
