"""Results that go to an object store: written to a scratch folder on this machine first, then sent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crawler.cli.errors import UsageError
from crawler.store.address import is_address, missing_extra, name_of, problem, tidy
from crawler.store.mirror import caches

if TYPE_CHECKING:
    from crawler.store.objects import Objects

SENDERS = 16
MANIFEST = "_manifest.json"
T = TypeVar("T")


@contextmanager
def scratch_for(address: str, path: str) -> Generator[Path]:
    """Where to write one file: `path`; or, if there is an `address` for it, a scratch file, which is sent at the end.

    What was written beside it is sent too, and it itself last. Raises StorageFailed.
    """
    if not address:
        yield Path(path)
        return
    folder, _, name = tidy(address).rpartition("/")
    with tempfile.TemporaryDirectory(prefix="crawler-out-") as scratch:
        yield Path(scratch) / name
        send(Path(scratch), folder, last=(name,))


def send(folder: Path, address: str, *, last: Sequence[str]) -> None:
    """Send every file in a folder, those named in `last` when all others are there. Raises StorageFailed."""
    from crawler.store.objects import Objects

    objects = Objects.at(address)
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as threads:
        others = [name for name in names if name not in last]
        for _ in threads.map(objects.upload_now, others, [folder / name for name in others]):
            pass
    for name in last:
        objects.upload_now(name, folder / name)


class Sending:
    """Sends finished shards to an object store, one at a time and beside the work on the next; closes with `with`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="send")
        self._last: Future[None] | None = None

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def holds(self, name: str, size: int) -> bool:
        """Whether a shard is there. Raises StorageFailed."""
        try:
            return self._objects.size_now(name) == size
        except FileNotFoundError:
            return False

    def send(self, path: Path) -> None:
        """Begin to send a shard, when the one before it is there. Raises StorageFailed, also for that one."""
        self.settle()
        self._last = self._thread.submit(self._go, path)

    def settle(self) -> None:
        """Wait until all that was begun is there. Raises StorageFailed."""
        if self._last is not None:
            self._last.result()

    def _go(self, path: Path) -> None:
        self._objects.upload_now(path.name, path)
        path.unlink()


def into(out: str, replace: bool, write: Callable[[Path, Sending | None], T]) -> T:
    """Have a data set written to the folder `out`; or, for an address, to a folder of this machine and sent.

    Shards are sent as they are finished, so that this machine has room for those in work only; folders of images are
    sent at the end. The manifest is sent last, so that an export is complete where there is one. What a kill left here
    is gone on with by the next attempt. Raises UsageError, StorageFailed, and what `write` raises.
    """
    if not is_address(out):
        return write(Path(out), None)
    from crawler.store.objects import Objects

    if wrong := problem(out) or missing_extra():
        raise UsageError(f"--out {out}: {wrong}")
    if replace or Objects.at(out, retry_s=15).get_now(MANIFEST) is not None:
        raise UsageError(
            f"--out {out}: an export in an object store is not replaced. Remove the old one, or name another place."
        )
    scratch = caches() / "exports" / name_of(out)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    with Sending(Objects.at(tidy(out))) as sending:
        done = write(scratch, sending)
        sending.settle()
    send(scratch, tidy(out), last=(MANIFEST,))
    shutil.rmtree(scratch)
    return done
