"""A disk that forgets what was not synced: it works on a real folder and remembers what a power cut would leave of it.

What is modelled: a file's bytes are durable as of its last sync; a name (made, changed, removed) as of the last
`sync_folder` of its folder; a rename is atomic. A power cut keeps what is durable, and of the rest whatever chance
wants: writes up to some byte, writes with holes, names in any combination that a file system could have written back
on its own. A kill keeps everything that was written. What goes around the Disk (notes, status.json) was never synced:
after a power cut it is there, cut off or gone.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from crawler.disk import Disk, Name

SECTOR = 512


class Killed(BaseException):
    """The process is dead: whatever it does from here on does not happen."""


@dataclass(eq=False, slots=True)
class Node:
    """A file, whatever its names: what is durable of it, and what was done since: (offset, data), or a new size."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list[tuple[int, bytes] | int])

    def sync(self) -> None:
        """All of it is durable."""
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def after_cut(self, dice: Random) -> bytes:
        """What a power cut leaves of it."""
        found = bytearray(self.durable)
        changes = list(self.pending)
        how = dice.random()
        if how < 0.3 or not changes:
            return bytes(found)  # nothing of it
        if how < 0.85:  # some of it, in order; the last write torn
            changes = changes[: dice.randint(0, len(changes))]
            if changes and isinstance(last := changes[-1], tuple):
                changes[-1] = (last[0], last[1][: dice.randint(0, len(last[1]))])
            for change in changes:
                _apply(found, change)
            return bytes(found) + (_rubbish(dice) if how > 0.7 else b"")
        for change in changes:  # all of its length, but sectors that never came are zeros
            _apply(found, change if isinstance(change, int) else (change[0], _with_holes(change[1], dice)))
        return bytes(found)


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del content[change:]
        content.extend(bytes(change - len(content)))
        return
    offset, data = change
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _rubbish(dice: Random) -> bytes:
    """What may stand behind the end of a torn file: blocks that were reserved and not written."""
    size = dice.randint(1, 2 * SECTOR)
    return bytes(size) if dice.random() < 0.7 else dice.randbytes(size)


def _with_holes(data: bytes, dice: Random) -> bytes:
    out = bytearray(data)
    for start in range(0, len(data), SECTOR):
        if dice.random() < 0.4:
            out[start : start + SECTOR] = bytes(min(SECTOR, len(data) - start))
    return bytes(out)


@dataclass(frozen=True, slots=True)
class Naming:
    """A change of names that is not durable yet: `source` lost its name, `target` became one of `node`."""

    node: Node | None
    source: Path | None
    target: Path | None


Step = Literal["open", "write", "truncate", "sync", "replace", "link", "unlink", "make_folder", "sync_folder"]


class ForgetfulDisk(Disk):
    """See above. Everything under `root` at the start counts as durable.

    `kill_at`: the step (counted in `steps`) in which the process dies: before it, after it, or (a write) in its midst;
    `kill_on`: not before one of that name, or on a file of that name.
    `room`: bytes that can still be written, None for no end. `bad_sync_at`: from that step on the next sync of a file
    fails with EIO. `failed_at`: when the process died, or first heard of an error, on the clock that is given.
    """

    def __init__(self, root: Path, dice: Random, clock: Callable[[], float], *, sync: bool = True) -> None:
        super().__init__(sync=sync)
        self.root = root
        self.dice = dice
        self.clock = clock
        self.failed_at = float("inf")
        self.dead = False
        self.steps = 0
        self.kill_at: int | None = None
        self.kill_on = ""
        self.died_at = ""
        self.on_death: Callable[[], None] = lambda: None
        self.room: int | None = None
        self.bad_sync_at: int | None = None
        self.placed: Callable[[Path], None] = lambda _: None
        self.adopt()

    # -- death and resurrection -------------------------------------------------------------------

    def adopt(self) -> None:
        """Take what lies in the folder as durable: the machine was just started."""
        self._names: dict[Path, Node] = {}
        self._durable: dict[Path, Node] = {}
        self._changes: list[Naming] = []
        self._open: dict[int, tuple[Node, Path]] = {}
        self._folders_made: list[Path] = []
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                self._names[path] = self._durable[path] = Node(bytearray(path.read_bytes()))

    def revive(self) -> None:
        """A new process: what the old one wrote is there, durable or not."""
        self.dead = False
        self.failed_at = float("inf")
        self.kill_at = None
        self._open.clear()

    def die(self, step: str) -> None:
        """From now on nothing changes on this disk, and who tries is told to go."""
        if not self.dead:
            self.dead = True
            self.died_at = step
            self.failed_at = min(self.failed_at, self.clock())
            self.on_death()

    def cut_power(self, dice: Random) -> None:
        """Leave in the folder what a power cut could have left there; then that is all there is."""
        self.die("power cut")
        names = dict(self._durable)
        in_order = dice.random() < 0.5
        kept = dice.randint(0, len(self._changes)) if in_order else 0
        for number, change in enumerate(self._changes):
            if (number < kept) if in_order else dice.random() < 0.5:
                if change.source is not None:
                    names.pop(change.source, None)
                if change.target is not None and change.node is not None:
                    names[change.target] = change.node
        lost = [folder for folder in self._folders_made if dice.random() < 0.5]
        contents: dict[Path, bytes] = {}
        forgotten = {node: node.after_cut(dice) for node in dict.fromkeys(names.values())}
        for path, node in names.items():
            contents[path] = forgotten[node]
        for path in self._strangers():
            if (how := dice.random()) < 0.7:
                data = path.read_bytes()
                contents[path] = data if how < 0.4 else data[: dice.randint(0, len(data))]
        folders = [path for path in sorted(self.root.rglob("*")) if path.is_dir()]
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for folder in folders:
            if not any(_within(folder, gone) for gone in lost):
                folder.mkdir(parents=True, exist_ok=True)
        for path, data in contents.items():
            if not any(_within(path, gone) for gone in lost):
                path.write_bytes(data)
        self.adopt()

    def _strangers(self) -> list[Path]:
        """Files that were made around this disk."""
        return [path for path in sorted(self.root.rglob("*")) if path.is_file() and path not in self._names]

    # -- the steps --------------------------------------------------------------------------------

    def _step(self, name: Step, path: Path | None = None, *, grows: bool = False) -> bool:
        """Before each step; whether the process dies right after it. Raises Killed, OSError."""
        if self.dead:
            raise Killed(self.died_at)
        self.steps += 1
        dies = self.kill_at is not None and self.steps >= self.kill_at
        dies = dies and self.kill_on in ("", name, "" if path is None else path.name)
        if dies and self.dice.random() < 0.4:
            self.die(f"before {name}")
            raise Killed(self.died_at)
        if grows and self.room is not None and self.room <= 0:
            raise self._error(errno.ENOSPC, path)
        return dies

    def _done(self, name: Step, dies: bool) -> None:
        if dies:
            self.die(f"after {name}")
            raise Killed(self.died_at)

    def _node(self, path: Path) -> Node | None:
        """The file of that name; one that was made around this disk was never synced, and becomes known now."""
        node = self._names.get(path)
        if node is None and path.is_file():
            node = self._names[path] = Node(pending=[(0, path.read_bytes())])
            self._changes.append(Naming(node, None, path))
        return node

    def open(self, path: Name, flags: int) -> int:
        path = Path(path)
        before = self._node(path)
        dies = self._step("open", path, grows=before is None)
        descriptor = super().open(path, flags)
        node = before
        if node is None:
            node = self._names[path] = Node()
            self._changes.append(Naming(node, None, path))
        elif flags & os.O_TRUNC:
            node.pending.append(0)
        self._open[descriptor] = (node, path)
        if dies:
            os.close(descriptor)
        self._done("open", dies)
        return descriptor

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        node, path = self._open[descriptor]
        dies = self._step("write", path)
        whole = bytes(data)
        if self.room is not None:
            data = whole[: max(0, self.room)]
            self.room -= len(data)
        if dies and self.dice.random() < 0.5:
            data = data[: self.dice.randint(0, len(data))]
        end = os.lseek(descriptor, 0, os.SEEK_CUR)
        if _appends(descriptor):
            end = os.fstat(descriptor).st_size
        super().write(descriptor, data)
        if data:
            node.pending.append((end, bytes(data)))
        self._done("write", dies)
        if len(data) < len(whole):
            raise self._error(errno.ENOSPC)

    def write_pieces(self, descriptor: int, pieces: Sequence[bytes]) -> None:
        self.write(descriptor, b"".join(pieces))

    def truncate(self, descriptor: int, size: int) -> None:
        node, path = self._open[descriptor]
        dies = self._step("truncate", path)
        self._give(os.fstat(descriptor).st_size - size)
        super().truncate(descriptor, size)
        node.pending.append(size)
        self._done("truncate", dies)

    def sync(self, descriptor: int) -> None:
        if not self.synced:
            return
        node, path = self._open[descriptor]
        dies = self._step("sync", path)
        if self.bad_sync_at is not None and self.steps >= self.bad_sync_at:
            self.bad_sync_at = None
            raise self._error(errno.EIO)
        node.sync()
        self._done("sync", dies)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        super().close(descriptor)

    def path_of(self, descriptor: int) -> Path:
        """The name that an open file was opened by."""
        return self._open[descriptor][1]

    def replace(self, source: Name, target: Name) -> None:
        source, target = Path(source), Path(target)
        node = self._node(source)
        self._node(target)
        dies = self._step("replace")
        super().replace(source, target)
        assert node is not None
        self._names[target] = self._names.pop(source)
        self._changes.append(Naming(node, source, target))
        self.placed(target)
        self._done("replace", dies)

    def link(self, source: Path, target: Path) -> None:
        node = self._node(source)
        dies = self._step("link", target, grows=True)
        super().link(source, target)
        assert node is not None
        self._names[target] = node
        self._changes.append(Naming(node, None, target))
        self._done("link", dies)

    def unlink(self, path: Path) -> None:
        known = self._node(path)
        dies = self._step("unlink")
        if known is not None:
            self._give(path.stat().st_size)
            del self._names[path]
            self._changes.append(Naming(None, path, None))
        super().unlink(path)
        self._done("unlink", dies)

    def make_folder(self, path: Name) -> None:
        path = Path(path)
        if not path.is_dir():
            self._folders_made += [folder for folder in (path, *path.parents) if not folder.exists()]
        dies = self._step("make_folder", path, grows=not path.is_dir())
        super().make_folder(path)
        self._done("make_folder", dies)

    def sync_folder(self, path: Path) -> None:
        if not self.synced:
            return
        dies = self._step("sync_folder")
        self._folders_made = [folder for folder in self._folders_made if folder.parent != path]
        left: list[Naming] = []
        for change in self._changes:
            left += self._settle(change, path)
        self._changes = left
        self._done("sync_folder", dies)

    def _settle(self, change: Naming, folder: Path) -> list[Naming]:
        """Make of a change durable what happens in `folder`; what is left of it."""
        source, target = change.source, change.target
        if target is not None and target.parent == folder and change.node is not None:
            self._durable[target] = change.node
            target = None
        if source is not None and source.parent == folder:
            self._durable.pop(source, None)
            source = None
        if source is None and target is None:
            return []
        return [Naming(change.node if target is not None else None, source, target)]

    def free_bytes(self, path: Path) -> int:
        return 10**12 if self.room is None else max(0, self.room)

    def _error(self, number: int, path: Path | None = None) -> OSError:
        self.failed_at = min(self.failed_at, self.clock())
        return OSError(number, os.strerror(number), None if path is None else str(path))

    def _give(self, size: int) -> None:
        if self.room is not None:
            self.room += max(0, size)


def _appends(descriptor: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
