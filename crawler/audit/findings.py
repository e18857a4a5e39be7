"""The words of an audit: what was looked at, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crawler.model import Page, WorkId

Key = tuple[str, int]
"""A line's name: log and `seq`."""
What = Literal["missing", "truncated", "wrong_size", "wrong_digest", "undecodable", "unreadable", "misplaced", "orphan"]
"""What can be wrong. `unreadable`: the disk does not give it; `misplaced`: no plain file under images/."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A `stored` line that holds, with every line that would stand in its place if it were voided alone.

    `resent`: these bytes were found undecodable before, fetched again, and came the same.
    """

    id: WorkId
    page: Page
    path: str
    bytes: int
    sha256: str
    lines: tuple[Key, ...]
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the log says. `image` is None for an orphan, which is mended by moving it away.

    `mendable`: voiding its lines lets the next run fetch it. `aside`: there is something at `path` to be moved away.
    """

    what: What
    path: str
    why: str
    image: Standing | None = None
    mendable: bool = True
    aside: bool = True


@dataclass(slots=True)
class Report:
    """What an audit found. `images` and `bytes` are of standing `stored` lines; `bytes` as the log says.

    `undecided`: paths that `decode` could not decide on here, with the reason; they count as sound. So do the `flawed`:
    undecodable, and just so sent by the site twice; to ask a third time would be no use.
    `log_bytes` is how much of the log was read; `torn_bytes` lie behind its last intact line.
    """

    images: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])
    undecided: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    flawed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    log_bytes: int = 0
    torn_bytes: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each `what`."""
        out: dict[str, int] = {}
        for finding in self.findings:
            out[finding.what] = out.get(finding.what, 0) + 1
        return out

    @property
    def sound(self) -> bool:
        """Every stored image is there as the log says, and nothing else."""
        return not self.findings
