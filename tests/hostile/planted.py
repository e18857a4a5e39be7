"""A data set of anybody's: real files, a real log whose lines say what a test wants, and links where none belong."""

import asyncio
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

from PIL import Image as Picture

from crawler.cli.main import main
from crawler.disk import Disk
from crawler.events import Described, Event, Opened, Stored
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image

SECRET = b"what a stranger must not get, change or remove"
OUTSIDE = ("outside", "images", "034")


def picture() -> bytes:
    """A picture that decodes."""
    out = io.BytesIO()
    Picture.new("RGB", (40, 30), "teal").save(out, "PNG")
    return out.getvalue()


def note(root: Path, *events: Event) -> None:
    """Write lines with the real log."""

    async def go() -> None:
        log = await Log.open(root, LogSettings(), Disk(sync=False))
        for event in events:
            log.note(replace(event, log=log.id) if isinstance(event, Opened) else event)
        await log.close()

    asyncio.run(go())


def stored(path: str, body: bytes, id: int = 34) -> Stored:
    """A line that says that `path` is page 0 of a work."""
    digest = hashlib.sha256(body).hexdigest()
    return Stored(id, 0, path, len(body), digest, "image/png", 40, 30, "original", f"https://i.pximg.net/{id}.png")


def run_of(root: Path, path: str = "images/034/34_p0.png", *, id: int = 34, title: str = "a title") -> Path:
    """A crawl of one work, whose image the log says lies at `path`; the file is at its right place."""
    place = root / f"images/{id % 1000:03d}/{id}_p0.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(picture())
    work = {"illustTitle": title, "userName": title, "userId": "7", "illustType": 0, "xRestrict": 0, "pageCount": 1}
    note(
        root,
        Opened("", 1, "0", {"path": title, "digest": "d", "ids": 1}, "s"),
        Described(id, (Image(0, f"https://i.pximg.net/{id}.png"),), work),
        stored(path, picture(), id),
    )
    return root


def cli(*argv: object) -> tuple[int, str]:
    """Run a command in this process: exit code, all that it said."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main([str(arg) for arg in argv])
    return code, said.getvalue()


def look(root: Path) -> dict[str, bytes]:
    """Every file below a folder, links not followed."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@contextmanager
def untouched(outside: Path) -> Iterator[None]:
    """Nothing in a folder is read into something, changed, added or removed."""
    before = look(outside)
    yield
    assert look(outside) == before
