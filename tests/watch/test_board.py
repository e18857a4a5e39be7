"""What viewers are told: everything once, changes after that, and never a control character of the site."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from looks import BUSY, NOON, later, snapshots

from crawler.progress import Note, Snapshot
from crawler.watch.board import Board


def read(frame: bytes) -> tuple[str, dict[str, Any]]:
    head, data, *rest = frame.decode().split("\n")
    assert rest == ["", ""]
    return head.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@settings(deadline=None, max_examples=60)
@given(st.lists(snapshots(), min_size=1, max_size=3))
def test_any_run_can_be_told(seen: list[Snapshot]) -> None:
    """Each frame is one event of one line of JSON without characters that could do harm, whatever the site said."""
    board = Board("https://example.com/{id}")
    for now in seen:
        board.take(now)
        for frame in (board.hello([]), board.tick()):
            name, told = read(frame)
            assert name in ("hello", "tick")
            assert told["state"]["listed"] == now.listed
            texts = [host["host"] for host in told["state"]["hosts"]] + [one["text"] for one in told["troubles"]]
            assert all(text.isprintable() or "\u3000" in text for text in texts)


def test_hello_and_ticks_tell_the_same_story() -> None:
    """Who came first and got changes knows what one knows who came just now: points, troubles."""
    board = Board("")
    board.take(BUSY)
    _, early = read(board.hello([]))
    now = BUSY
    for n in range(700):
        now = replace(later(now, 2, works=1, images=2), notes=(Note(NOON + n, "failed", str(n), "why"),))
        board.take(now)
        _, told = read(board.tick())
        early["fine"] = (early["fine"] + told["fine"])[-300:]
        early["whole"] = told["all"] if "all" in told else early["whole"] + told["whole"]
        early["troubles"] = (early["troubles"] + told["troubles"])[-100:]
        early["state"] = told["state"]
    _, late = read(board.hello([]))
    assert {name: early[name] for name in ("fine", "whole", "troubles", "state")} == {
        name: late[name] for name in ("fine", "whole", "troubles", "state")
    }
    assert len(late["whole"]) <= 600


def test_what_nobody_saw_is_not_kept_for_ticks() -> None:
    """Days without a viewer cost no memory: ticks begin when somebody looks."""
    board = Board("")
    now = BUSY
    for n in range(50):
        now = replace(later(now, 2), notes=(Note(NOON + n, "failed", str(n), "why"),))
        board.take(now)
        board.forget()
    _, told = read(board.tick())
    assert told["fine"] == told["whole"] == told["troubles"] == []
