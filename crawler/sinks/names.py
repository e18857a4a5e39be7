"""Names in a folder that many threads give at once, made durable together."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Names:
    """Makes the names in one folder durable, one sync for all that were given before it began. Blocking."""

    def __init__(self, sync_folder: Callable[[], None]) -> None:
        self._sync_folder = sync_folder
        self._given = self._durable = 0
        self._counting, self._syncing = Lock(), Lock()

    def sync(self) -> None:
        """Called after a name was given; it is durable when this returns. Raises what `sync_folder` raises.

        One at a time: a sync that was told of no fault, while another was told of one, may have lied.
        """
        with self._counting:
            self._given += 1
            mine = self._given
        with self._syncing:
            if self._durable < mine:
                given = self._given
                self._sync_folder()
                self._durable = given


UNSYNCED = Names(lambda: None)
"""Of folders whose names nobody syncs."""
