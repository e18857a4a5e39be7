"""What a list still costs: requests, time, disk and inodes, from counts and stated assumptions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crawler.engine.sample import Sampled
from crawler.settings import Settings

ENOUGH = 20
"""So many finished works or stored images, and the log's own averages are used instead of assumptions."""
# Means of sets of popular works lie between 1.45 and 2.39 images (pixiv.md 6, "Images per work").
IMAGES_PER_WORK = 2.0
# A second request tells the files of several pages or of an ugoira: 22 to 29 % of works in mixed sets (pixiv.md 6).
API_PER_WORK = 1.25
# First-page originals of ranking works: about 2 MB (pixiv.md 6); of the renditions nothing is known but that they are
# JPEGs of at most 1200, 540 and 250 pixels.
BYTES_PER_IMAGE: Mapping[str, float] = {"original": 2e6, "regular": 5e5, "small": 1e5, "thumb": 3e4}
FOLDERS = 1000
"""Folders of images: id mod 1000 (design.md 1.3)."""


@dataclass(frozen=True, slots=True)
class Left:
    """What the list and the log say. `new` works the log does not know, `described` unfinished ones of which
    `images_left` images are missing, `undescribed` unfinished ones without a description that stands.

    `seen_done`, `seen_gone`, `seen_images`, `seen_bytes`: of the whole log, for its averages.
    """

    new: int
    undescribed: int
    described: int
    images_left: int
    seen_done: int = 0
    seen_gone: int = 0
    seen_images: int = 0
    seen_bytes: int = 0

    @property
    def works(self) -> int:
        return self.new + self.undescribed + self.described


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to come. Seconds are None where no rate bounds them. Averages with where each is from: "sample", "log",
    "assumed" or "known"."""

    api_requests: int
    image_requests: int
    api_s: float | None
    images_s: float | None
    bytes: int
    inodes: int
    alive: tuple[float, str]
    images_per_work: tuple[float, str]
    bytes_per_image: tuple[float, str]
    api_per_work: tuple[float, str]

    @property
    def total_s(self) -> float | None:
        """Both lanes work at the same time: the slower one decides. None where that one has no bound."""
        waits = [s for s in (self.api_s, self.images_s) if s is not None]
        return max(waits) if waits else None


def estimate(left: Left, settings: Settings, sampled: Sampled | None = None) -> Estimate:
    """The cost of what is left, at the configured rates; what a sample showed goes before what the log knows."""
    looked = left.seen_done + left.seen_gone
    if settings.site.name == "urls":
        alive, per_work, api_per_work = (1.0, "assumed"), (1.0, "known"), (0.0, "known")
    else:
        alive = (left.seen_done / looked, "log") if looked >= ENOUGH else (1.0, "assumed")
        known = left.seen_done >= ENOUGH
        per_work = (left.seen_images / left.seen_done, "log") if known else (IMAGES_PER_WORK, "assumed")
        api_per_work = (API_PER_WORK, "assumed")
    sized = left.seen_images >= ENOUGH
    quality = settings.site.quality if settings.site.name == "pixiv" else "original"
    each = (left.seen_bytes / left.seen_images, "log") if sized else (BYTES_PER_IMAGE[quality], "assumed")
    if sampled is not None and sampled.asked:
        alive = (sampled.alive / sampled.asked, "sample")
    if sampled is not None and sampled.alive and settings.site.name != "urls":
        per_work = (sampled.images / sampled.alive, "sample")
        api_per_work = (sampled.api_requests / sampled.alive, "sample")
    if sampled is not None and sampled.sized:
        each = (sampled.bytes / sampled.sized, "sample")
    undescribed = left.new + left.undescribed
    # A dead work costs its one question; only a live one may need the second.
    asked = undescribed * (1 + (api_per_work[0] - 1) * alive[0]) if api_per_work[0] else 0
    images = round(undescribed * alive[0] * per_work[0]) + left.images_left
    limits = settings.limits
    return Estimate(
        api_requests=round(asked),
        image_requests=images,
        api_s=asked / limits.api.rate if limits.api.rate else 0.0 if not asked else None,
        images_s=images / limits.images.rate if limits.images.rate else 0.0 if not images else None,
        bytes=round(images * each[0]),
        inodes=images + min(images, FOLDERS),
        alive=alive,
        images_per_work=per_work,
        bytes_per_image=each,
        api_per_work=api_per_work,
    )
