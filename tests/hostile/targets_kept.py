# ruff: noqa: PT018 - a target is called by a fuzzer, its asserts say which law was broken
"""More of what is fuzzed: what lies in a folder that comes from elsewhere. As `targets`, which holds these too."""

import base64
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
from pyroaring import BitMap64

from crawler.dataset.manifest import Manifest
from crawler.dataset.rewrite import Copies
from crawler.dataset.stops import Refused
from crawler.disk import Disk
from crawler.events import Described, Failed, Line, Listed, Stored
from crawler.log.codec import Glimpse, decode, seal, skim, strange
from crawler.model import Image
from crawler.rules.frozen import pack, unpack
from crawler.rules.listed import listed_events, listed_ids
from crawler.rules.naming import image_path
from crawler.rules.replay import State
from crawler.sources.manifest import Choice, Named, read_manifest
from crawler.within import leads_out

T = "2026-01-02T03:04:05.678Z"


def lines(data: bytes) -> None:
    """A line of anything with a right checksum: read in haste and with care it is the same, and its path is its own."""
    for raw in data.split(b"\n"):
        try:
            fields = orjson.loads(raw)
        except ValueError:
            continue
        if not isinstance(fields, dict):
            continue
        sealed = seal({"seq": 1, "t": T, "event": fields.pop("event", "x"), "log": "ab"} | fields)[:-1]
        line, seen = decode(sealed), skim(sealed)
        told = strange(sealed)
        assert told.isprintable() and len(told) < 400
        if isinstance(seen, Glimpse) and seen.images is not None:  # what a site said is left unread
            continue
        assert (line is None) == (seen is None)
        if line is not None and isinstance(line.event, Stored):
            event = line.event
            assert event.path == image_path(event.id, event.page, event.path.rpartition(".")[2])
            assert not leads_out(event.path)


def listed(data: bytes) -> None:
    """Any bytes as the ids of a list: a set of them, or none."""
    for text in (base64.b64encode(data).decode(), data.decode("latin-1")):
        ids = listed_ids(Listed("d", text))
        assert ids is None or sum(1 for _, _ in zip(ids, range(1000), strict=False)) == min(1000, len(ids))


def snapshots(data: bytes) -> None:
    """Any bytes behind right digests: a state that can be asked, or what a broken snapshot raises."""
    with suppress(ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        frozen = unpack(data)
        for id, facts in frozen.unfinished:
            for fact in () if isinstance(facts, Failed) else facts.values():
                pages = [image.page for image in fact.images] if hasattr(fact, "images") else [fact.page]
                assert all(page in (None, "zip") or (type(page) is int and page >= 0) for page in pages), (id, pages)


def manifests(data: bytes) -> None:
    """Any file as the manifest of an export that is gone on with, or purged: refused, or nothing else is touched."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        secret = Path(folder) / "secret.jsonl"
        secret.write_bytes(b'{"id":34}\n')
        (out / "a.jsonl").write_bytes(b'{"id":34}\n{"id":35}\n')
        uses = (
            lambda: Copies(out).purge(frozenset({34})),
            lambda: Manifest(Disk(sync=False), out, {"to": "x"}, made_by="", replace=True),
        )
        for use in uses:
            (out / "_manifest.json").write_bytes(data)
            with suppress(Refused, OSError):
                use()
        assert secret.read_bytes() == b'{"id":34}\n'
        assert sorted(path.name for path in Path(folder).iterdir()) == ["out", "secret.jsonl"]


def named(data: bytes) -> None:
    """Any lines as a published manifest: images with ids and pages that name files, or problems."""
    choice = Choice()
    for number, found in read_manifest(data.split(b"\n")):
        assert number > 0
        if isinstance(found, Named):
            choice.take(found)
            ext = "zip" if found.page == "zip" else "png"
            assert not leads_out(image_path(found.id, found.page, ext)) and found.bytes >= 0


def _snapshot() -> bytes:
    state = State()
    said = (
        Described(9, (Image(0, "https://i/x"), Image(1, "https://i/y")), {}),
        Stored(9, 0, "images/009/9_p0.png", 10, "0" * 64, "image/png", 9, 9, "original", "https://i/x"),
        Failed(8, None, "idle", None, 1, False),
    )
    for seq, event in enumerate(said, 1):
        state.apply(Line("ab", seq, T, event))
    frozen = state.freeze()
    assert frozen is not None
    return b"".join(pack(frozen))


_STORED = {"event": "stored", "id": 9, "page": 0, "path": "images/009/9_p0.png", "bytes": 10, "sha256": "0" * 64}
_STORED |= {"mime": "image/png", "width": 9, "height": 9, "quality": "original", "url": "https://i/x"}
_FAILED = {"event": "failed", "id": 9, "page": 0, "reason": "idle", "status": None, "attempts": 1, "permanent": False}
_SHARD = {"name": "a.jsonl", "samples": 2, "images": 2, "bytes": 20, "split": "train", "sha256": "0" * 64}
_MANIFEST = {"format": 1, "complete": True, "to": "x", "shards": [_SHARD], "totals": {"splits": {"train": 2}}}
_FILES = _MANIFEST | {"shards": [], "files": {"a.jsonl": {"rows": 2, "bytes": 20, "sha256": "0" * 64}}}
_ZIP = _STORED | {"page": "zip", "path": "images/009/9_ugoira.zip"}
_KEY = _STORED | {"id": "00000000000003e7", "path": "images/999/00000000000003e7.jpg"}
_IDS = BitMap64([*range(1, 90), 2**20, 2**33, 2**40 + 1, *range(2**17, 2**17 + 70_000)])

KEPT: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "lines": (lines, [orjson.dumps(one) for one in (_STORED, _ZIP, _KEY, _FAILED)]),
    "listed": (listed, [base64.b64decode(one.ids) for one in listed_events("d", _IDS)]),
    "snapshots": (snapshots, [_snapshot()]),
    "manifests": (manifests, [orjson.dumps(_MANIFEST), orjson.dumps(_FILES)]),
    "named": (
        named,
        [
            b'{"id":9,"page":0,"sha256":"%b","bytes":7}\n' % (b"0" * 64),
            b'{"id":"k","page":0,"url":"http://a.test/","sha256":"%b"}' % (b"1" * 64),
        ],
    ),
}
