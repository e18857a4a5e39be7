"""What a run says to its user on stderr, before and after the progress display."""

from __future__ import annotations

import sys

from crawler.sources.source import Census


class Talk:
    """Speaks to stderr, so that results on stdout stay clean. `quiet` leaves out what is not a problem."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """A line that may be left out."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """A line that may not."""
        print(text, file=sys.stderr, flush=True)

    def counted(self, census: Census, new: int) -> None:
        """Tell what the counting pass found: the malformed lines one by one, then a count."""
        for problem in census.problems:
            self.warn(str(problem))
        if census.more_problems:
            self.warn(f"... and {census.more_problems:,} more malformed lines")
        if census.hopeless:
            self.warn("Not one line of the list is an id: nothing was asked of any site. Is this the right file?")
            return
        parts = [f"{census.ids:,} ids listed", f"{new:,} to do"]
        if census.duplicates:
            parts.append(f"{census.duplicates:,} duplicates")
        if census.malformed:
            parts.append(f"{census.malformed:,} malformed")
        self.say(", ".join(parts))

    def draining(self) -> None:
        """The first Ctrl-C was heard."""
        self.warn("Stopping: what is on the wire is finished first. Press Ctrl-C again to stop at once.")
