"""Objects of the ledger with right checksums that say what no object says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from crawler.cluster.commits import ROOT, Damaged, Ledger, sealed
from crawler.cluster.shelf import FolderShelf
from crawler.disk import Disk

_COMMIT = {"epoch": 1, "worker": "w", "logs": [], "counts": {"images": 2}, "closed": False}


_ITEMS = (5, [[]], [[-1]], [[1 << 63]], [["../x"]], [[1, 2]], [[None]])


@pytest.mark.parametrize(
    ("room", "fields"),
    [
        *[("commits", {**_COMMIT, **odd}) for odd in (
            {"epoch": "1"}, {"epoch": True}, {"epoch": -1}, {"worker": None}, {"closed": 0}, {"counts": [1]},
            {"counts": {"images": "2"}}, {"logs": 3}, {"logs": [["x"]]}, {"logs": [["logs/a.jsonl", 1, "", 1]]},
            {"logs": [["ROUND/logs/../../../log.jsonl", 1, "", 1]]}, {"logs": [["ROUND/shards/s1.json", 1, "", 1]]},
            {"logs": [["ROUND/logs/a.jsonl", -1, "", 1]]}, {"logs": [["ROUND/logs/a.jsonl", 1, 5, 1]]},
        )],
        ("commits", {"epoch": 1}),
        *[("shards", {"items": items, "seed": ""}) for items in _ITEMS],
        ("shards", {"items": [], "seed": 7}),
        ("parked", {"reason": "", "failures": None}),
    ],
)  # fmt: skip
def test_what_no_object_says_is_damage(tmp_path: Path, room: str, fields: dict[str, Any]) -> None:
    """A checksum can be anybody's: odd types, numbers below 0 and logs of other places are told, and not gone by."""

    async def main() -> None:
        round = await Ledger(FolderShelf(tmp_path / ROOT, Disk(sync=False))).begin({})
        key = f"{round.name}/{room}/s1.json"
        said = json.loads(json.dumps(fields).replace("ROUND", round.name))
        path = tmp_path / ROOT / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sealed(key, said))
        look = {"commits": lambda: round.committed("s1"), "shards": lambda: round.shard("s1"), "parked": round.parked}
        with pytest.raises(Damaged, match=r"s1.json: is not as it was written \(contents\)"):
            await look[room]()

    asyncio.run(main())
