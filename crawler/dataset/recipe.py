"""`manifest.jsonl`: which images a data set is made of, to be published where the images must not be.

Ids, digests and verdicts: from them anyone can crawl the same data set again, and prove that it is the same.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from crawler.dataset.columns import Row
from crawler.dataset.job import Job

IMAGES = "manifest.jsonl"
GONE = "gone.jsonl"
_DATE = re.compile(r"/img/(\d{4})/(\d\d)/(\d\d)/(\d\d)/(\d\d)/(\d\d)/")


def write(job: Job) -> None:
    """A line for each image, and in a file of its own a line for each work that is gone."""
    images, gone = job.manifest.file(IMAGES), job.manifest.file(GONE)
    counts = {IMAGES: 0, GONE: 0}
    for row in job.rows():
        told = line(row) | ({"split": row.split} if len(job.options.splits) > 1 else {})
        images.write(orjson.dumps(told) + b"\n")
        counts[IMAGES] += 1
        job.tell(row.values["bytes"])
    for id, reason in job.index.absences():
        gone.write(orjson.dumps({"id": id, "reason": reason}) + b"\n")
        counts[GONE] += 1
    out = job.manifest.out
    job.manifest.data["files"] = {
        name: {"rows": counts[name], "bytes": file.size, "sha256": file.publish(out / name)}
        for name, file in ((IMAGES, images), (GONE, gone))
    }


def line(row: Row) -> dict[str, Any]:
    """What is published of an image: nothing of its content. A plain URL is its only way back, so it is named."""
    values = row.values
    told = {name: values[name] for name in ("id", "page", "sha256", "bytes", "mime", "width", "height", "quality")}
    told["url_date"] = url_date(values["url"])
    return told if isinstance(row.id, int) else told | {"url": values["url"]}


def url_date(url: str) -> str | None:
    """The time in an image's URL, which changes when the artist replaces the image (pixiv.md 3.1); Japanese time."""
    found = _DATE.search(url)
    return None if found is None else "{}-{}-{}T{}:{}:{}+09:00".format(*found.groups())
