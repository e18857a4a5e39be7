"""docs/reference/events.md: the lines of log.jsonl, key by key."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, get_args

from meanings import ENVELOPE, EVENT_SAYS, EVENTS
from written import page as joined
from written import table

from crawler import events
from crawler.log.codec import encode

_TYPES = {
    "int": "integer",
    "int | None": "integer or null",
    "str": "text",
    "str | None": "text or null",
    "bool": "truth",
    "float": "number",
    "Mapping[str, Any]": "object",
    "Mapping[str, Any] | None": "object or null",
}
SAMPLES: tuple[events.Event, ...] = (
    events.Opened("9f31c0de", 1, "1.0", {"path": "ids.txt", "digest": "6b86…", "ids": 268118}, "d473…"),
    events.Listed("6b86…", "OjAAAAEA…"),
    events.Described(
        59580629,
        (
            events.Image(
                0, "https://i.pximg.net/img-original/img/…/59580629_p0.png", "https://i.pximg.net/…", 900, 1200
            ),
        ),
        {"illustTitle": "…"},
    ),
    events.Stored(
        59580629,
        0,
        "images/629/59580629_p0.png",
        1834120,
        "2c26…",
        "image/png",
        900,
        1200,
        "original",
        "https://i.pximg.net/…",
    ),
    events.Gone(59580630, "filtered", "max_x_restrict"),
    events.Failed(59580631, 3, "server_error", 500, 5, True, "the image host says 500"),
    events.Voided("9f31c0de", 4, "missing", 59580629),
    events.Throttled("www.pixiv.net", 0.45, "2026-02-03T04:08:25.123Z", "rate_limited 429", 0.9, 120.0, 1, None, 200.0),
    events.Spent("i.pximg.net", "2026-02-03T04:05:00.000Z", 300, 600_000_000, 0, 30_000_000_000),
    events.Closed(
        "finished", {"listed": 4, "done": 1, "gone": 2, "failed": 1, "pending": 0, "images": 4, "bytes": 7336480}
    ),
)


def page() -> str:
    """The page."""
    others = [event for event in get_args(events.Event) if event.event not in EVENTS]
    return joined(
        "# The log",
        "`log.jsonl` in the output folder: one JSON object a line, UTF-8, appended only. A line is written "
        "after what it "
        "states is durable. The state of a crawl is a fold over the lines that gives the same answer in any order and "
        "however often a line is repeated, so logs merge by concatenation. An event never changes its meaning; "
        "there may "
        "be new events and new keys, so ignore what you do not know.",
        "Every line has:",
        _keys(ENVELOPE),
        *(_event(sample) for sample in SAMPLES),
        *(
            ["## Other events", "They stand in the log of `crawler collect`, beside those of every log."]
            if others
            else []
        ),
        *map(_other, others),
        "## Reading it",
        "With `jq`, which files there are (a line that was voided does not count; `crawler export --to manifest` knows "
        "that and the rest of the rules):",
        "```\njq -r 'select(.event == \"stored\") | [.id, .page, .sha256, .path] | @tsv' log.jsonl\n```",
    )


def _event(sample: events.Event) -> str:
    name, said = sample.event, EVENTS[sample.event]
    written = set(events.payload(sample)) - {"event"}
    if written != set(said):
        raise SystemExit(f"scripts/pages/meanings.py: the keys of {name} are {sorted(written)}")
    line = encode("9f31c0de", SAMPLES.index(sample) + 1, "2026-02-03T04:05:06.789Z", sample).decode().strip()
    return joined(f"## {name}", EVENT_SAYS[name], _keys(said), f"```json\n{line}\n```")


def _other(event: type[Any]) -> str:
    """An event as its own docstring has it."""
    doc = inspect.cleandoc(event.__doc__ or "")
    rows = [(f"`{key.name}`", _TYPES.get(str(key.type), str(key.type))) for key in dataclasses.fields(event)]
    return joined(f"### {event.event}", doc, table(("key", "is"), rows))


def _keys(said: Mapping[str, Any]) -> str:
    return table(("key", "is", "which says"), ((f"`{key}`", *text) for key, text in said.items()))
