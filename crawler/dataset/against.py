"""Holds a crawl against a published manifest: which of its images are here and the same, changed, or gone."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from crawler.dataset.bodies import Bodies, Got, Left, Wanted
from crawler.dataset.index import Index
from crawler.dataset.stops import Refused
from crawler.log.files import LOG
from crawler.model import Page, WorkId
from crawler.sources.ids import Problem
from crawler.sources.lines import LONG
from crawler.sources.manifest import parse_named

Verdict = Literal["same", "changed", "gone", "lost"]
"""`changed`: other bytes were stored; `gone`: nothing was; `lost`: stored the same, but the file is not so any more."""
VERDICTS: tuple[Verdict, ...] = ("same", "changed", "gone", "lost")


@dataclass(frozen=True, slots=True)
class Difference:
    """An image of the manifest that is not here as it was there, and why."""

    id: WorkId
    page: Page
    verdict: Verdict
    why: str


@dataclass(slots=True)
class Comparison:
    """Images of the manifest by verdict; `extra`: images here that it does not name; `others`: pages that the works
    have beside, and that no manifest of a run named."""

    counts: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    extra: int = 0
    others: int = 0

    @property
    def same(self) -> bool:
        """Whether everything that the manifest names is here, byte for byte."""
        return self.counts.total() == self.counts["same"]


def compare(
    directory: Path, manifests: Sequence[Path], tell: Callable[[Difference], None], *, files: bool = True
) -> Comparison:
    """Hold the crawl in `directory` against `manifests`; `tell` hears of each difference, in their order.

    Without `files` the log is believed, so nothing is `lost`: right after a run there is no reason to read it all.
    Blocking; memory does not know how long the manifest is. Raises Refused for a manifest that cannot be read,
    LogDamaged, OSError.
    """
    found = Comparison()
    with (
        tempfile.TemporaryDirectory() as scratch,
        Index(directory / LOG, Path(scratch) / "index.sqlite") as index,
        Bodies(directory, "check") as bodies,
    ):
        jobs = (job for manifest in manifests for job in _jobs(index, manifest))
        nothing: list[Got] = []
        for known, got in bodies.load(jobs) if files else ((known, nothing) for known, _ in jobs):
            difference = _held(known, got[0]) if got else known
            found.counts[difference.verdict] += 1
            if difference.verdict != "same":
                found.reasons[difference.why] += 1
                tell(difference)
        here = found.counts.total() - found.counts["gone"]
        found.extra = max(0, index.counts()[1] - here)
        found.others = index.others()
    return found


def _jobs(index: Index, manifest: Path) -> Iterator[tuple[Difference, tuple[Wanted, ...]]]:
    """What the log says of each line, and the file that has to be looked at."""
    for id, page, sha256 in read_manifest(manifest):
        item = index.one(id, page)
        if item is None:
            yield Difference(id, page, "gone", index.absence(id)), ()
        elif item.stored.sha256 != sha256:
            yield Difference(id, page, "changed", f"now {item.stored.sha256}"), ()
        else:
            stored = item.stored
            yield Difference(id, page, "same", ""), (Wanted(stored.path, stored.bytes, sha256),)


def _held(known: Difference, got: Any) -> Difference:
    return Difference(known.id, known.page, "lost", f"file {got.why}") if isinstance(got, Left) else known


def read_manifest(path: Path) -> Iterator[tuple[WorkId, Page, str]]:
    """Id, page and digest of each line. Raises Refused, as FILE:LINE: why."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(LONG + 1), b""), 1):
                if not raw.strip():
                    continue
                named = parse_named(raw)
                if isinstance(named, Problem):
                    raise Refused(str(replace(named, file=str(path), line=number)))
                yield named.id, named.page, named.sha256
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
