"""The data card: what an export is and how it came to be, in Markdown, from the log alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from crawler import words
from crawler.dataset.index import Index
from crawler.dataset.job import Contents, Job
from crawler.rules.replay import Totals

_RATINGS = {0: "all ages", 1: "R-18", 2: "R-18G", None: "not told"}
_LIMITS = """\
- The images belong to their artists. They were fetched for study from a site whose terms forbid passing them on:
  publish the manifest (ids and digests: `crawler export --to manifest`), not the images.
- Counts of bookmarks, likes, views and comments are those of the moment each work was asked for.
- Works that were deleted, hidden or restricted before the crawl are missing, and they are not a random sample.
- Ratings and the AI flag are what the artists and the site say; nothing here was checked by looking at the images.
- An artist who wants a work taken out must be heard: the id is all it takes to find every copy of it here.
"""


def card(job: Job, totals: Mapping[str, Any]) -> str:
    """The card of an export that is done."""
    state = job.index.state
    parts = [
        "# Data card\n",
        _table("This export", _export(job, totals)),
        _table("The crawl it was made from", _crawl(job.index)),
        _table("Outcomes of the works that were listed", _outcomes(state.totals())),
        *_contents(job.contents),
        f"## Known limits\n\n{_LIMITS}",
    ]
    return "\n".join(parts)


def _export(job: Job, totals: Mapping[str, Any]) -> dict[str, Any]:
    options = job.options
    files = job.manifest.data.get("files", {})
    shown: dict[str, Any] = {"format": options.to, "images": words.count(totals["images"])}
    if totals["shards"]:
        shown["shards"] = f"{words.count(totals['shards'])}, {words.size(totals['bytes'])}"
    shown |= {name: f"{words.count(told['rows'])} rows" for name, told in files.items()}
    if len(options.splits) > 1:
        shown["parts"] = ", ".join(f"{name} {words.count(n)}" for name, n in totals["splits"].items())
        shown["parts are split by"] = "artist: none is in two parts"
    if options.where:
        shown["only where"] = " and ".join(f"`{text}`" for text in options.where)
    if options.resize is not None:
        recipe = options.resize
        shown["resized"] = f"shorter side {recipe.side} px at most, {recipe.format}, quality {recipe.quality}"
    for why, n in totals["left_out"].items():
        shown[f"left out: {words.words(why)}"] = words.count(n)
    return shown | {"digest of the selection": f"`{job.manifest.data['log']}`", "made by": job.manifest.data["made_by"]}


def _crawl(index: Index) -> dict[str, Any]:
    runs, state = index.runs, index.state
    source = state.source or {}
    return {
        "from, to (UTC)": f"{state.first_t[:19]}, {state.last_t[:19]}",
        "runs": len(runs),
        "crawler": ", ".join(dict.fromkeys(run.version for run in runs)),
        "digest of the list": f"`{source.get('digest', '')}`",
        "digests of the settings": ", ".join(f"`{digest}`" for digest in dict.fromkeys(run.settings for run in runs)),
    }


def _outcomes(totals: Totals) -> dict[str, Any]:
    counts = {name: getattr(totals, name) for name in ("listed", "done", "gone", "failed", "pending")}
    shown: dict[str, Any] = {name: words.count(n) for name, n in counts.items()}
    shown |= {f"reason: {words.words(reason)}": words.count(n) for reason, n in totals.reasons.items()}
    shown |= {f"images, {words.words(name)}": words.count(n) for name, n in totals.qualities.items()}
    return shown


def _contents(contents: Contents) -> list[str]:
    """What the images are like."""
    if not contents.images:
        return []
    ratings = {_RATINGS.get(value, str(value)): n for value, n in _sorted(contents.ratings)}
    return [
        _table("Size", {"originals": words.size(contents.bytes), "images": words.count(contents.images)}),
        _table("Ratings (works)", _counted(ratings)),
        _table("Kinds (works)", _counted(dict(_sorted(contents.kinds)))),
        _table("Years (works)", _counted(dict(_sorted(contents.years)))),
        _table("Formats (images)", _counted(dict(_sorted(contents.mimes)))),
    ]


def _counted(counts: Mapping[Any, int]) -> dict[str, str]:
    return {str(value or "not told"): words.count(n) for value, n in counts.items()}


def _sorted(counts: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (item[0] is None, str(item[0])))


def _table(title: str, rows: Mapping[str, Any]) -> str:
    lines = [f"## {title}\n", "| | |", "| --- | --- |"]
    lines += [f"| {_cell(name)} | {_cell(str(value))} |" for name, value in rows.items()]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return words.clean(text).replace("|", "\\|")
