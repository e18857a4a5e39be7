"""Takes the rounds of a ledger into the main log, and closes them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from pyroaring import BitMap64

from crawler.cluster.commits import Round
from crawler.cluster.merging import Merger
from crawler.cluster.output import Missing, Output
from crawler.cluster.protocol import Shard
from crawler.model import WorkId, bit_of
from crawler.stop import StorageFailed

RETURNS = 3
"""So many commits may name what is not there, and are done again; then somebody sees another folder than the driver."""


class Rounds:
    """What the driver does with commits. Every verb may be repeated, and raises StorageFailed."""

    def __init__(self, output: Output, merger: Merger) -> None:
        self._output = output
        self._merger = merger
        self._returns = 0
        self.left = BitMap64()
        """`bit_of` works that a worker had to leave as they are: see `attempt.leave`."""

    async def bury(self, round: Round) -> None:
        """Close a round, so that nobody can commit in it any more; keep all that it brought, and remove it."""
        await round.close(lambda shard, epoch: self._output.salvage(round.name, shard, epoch))
        await self.merge(round, await round.shards())
        await round.remove()

    async def merge(self, round: Round, ids: Sequence[str]) -> list[Shard]:
        """Take commits into the main log, durably; gives the shards of which that cannot be."""
        done: list[str] = []
        again: list[Shard] = []
        for id in ids:
            commit, shard = await round.committed(id), await round.shard(id)
            if commit is None or shard is None:
                continue  # without its shard it is one that is merged
            try:
                news = await self._merger.take(commit)
                if not commit.closed:
                    self.left.update(bit_of(item.id) for item in shard.items if self._is_left(item.id, news))
            except Missing as missing:
                self._returns += 1
                if self._returns > RETURNS:
                    raise StorageFailed(
                        f"{missing}, and {commit.worker or 'a worker'} said that it is; {self._returns} times now. Do "
                        "all workers write to the folder that the driver sees? What the log says is there."
                    ) from None
                again.append(shard)
            done.append(id)
        if done:
            await self._merger.log.commit()
            await round.trim(done)
        return again

    def _is_left(self, id: WorkId, news: Set[WorkId]) -> bool:
        """Whether a work was described, is not finished, and nothing was noted of it."""
        state = self._merger.log.state
        entry = None if id in news else state.entry(id)
        return entry is not None and entry.seen is not None and state.todo(id) is not None
