"""Where an image lies in the data set: its path as a function of id, page and extension (design.md 1.3)."""

from __future__ import annotations

import hashlib
import re
from typing import TypeGuard

from crawler.model import Page, WorkId

EXTENSIONS = frozenset({"jpg", "png", "gif", "webp", "bmp", "avif", "zip"})
"""Every extension that a path may have; what `media` finds is one of these."""

_OF_IMAGES = EXTENSIONS - {"zip"}
_DIGEST = re.compile(r"[0-9a-f]{16}")
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
FOLDERS = tuple(f"images/{number:03d}/" for number in range(1000))
"""The folder of a numbered work, by the last three digits of its number."""


def image_path(id: WorkId, page: Page, ext: str) -> str:
    """The path relative to the data set's folder, with `/`: `images/<nnn>/<id>_p<page>.<ext>` and kin.

    Different arguments give different paths, and none leaves `images/`. Raises ValueError for what is never asked for:
    an unknown extension, a zip that is no page "zip" (or the other way round), a negative number, a key with a problem,
    a page other than 0 of a key.
    """
    if type(id) is int and type(page) is int and ext in _OF_IMAGES and id >= 0 <= page:  # nearly always
        return f"{FOLDERS[id % 1000]}{id}_p{page}.{ext}"
    if page == 0 and ext in _OF_IMAGES and is_digest(id):
        return f"images/{int(id, 16) % 1000:03d}/{id}.{ext}"
    if ext not in EXTENSIONS or (ext == "zip") != (page == "zip"):
        raise ValueError(f"no file of page {page!r} ends in {ext!r}")
    if isinstance(page, int) and page < 0:
        raise ValueError(f"no page {page}")
    if isinstance(id, str):
        problem = key_problem(id)
        if problem or page != 0:
            raise ValueError(problem or f"{id!r} has page 0 only")
        number = hashlib.sha256(id.encode()).hexdigest()[:16]
        return f"images/{int(number, 16) % 1000:03d}/{id}.{ext}"
    if id < 0:
        raise ValueError(f"no id {id}")
    tail = "ugoira" if page == "zip" else f"p{page}"
    return f"{FOLDERS[id % 1000]}{id}_{tail}.{ext}"


def is_place(path: str, id: WorkId, page: Page) -> bool:
    """Whether `image_path` gives this path for an image with one of the extensions."""
    stem, _, ext = path.rpartition(".")
    if type(id) is str:  # one for each line of a log of URLs: what `image_path` says, without a call for each question
        if page != 0 or ext not in _OF_IMAGES or _KEY.fullmatch(id) is None:
            return False
        digits = id if _DIGEST.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest()[:16]
        return stem == f"{FOLDERS[int(digits, 16) % 1000]}{id}"
    try:
        return image_path(id, page, ext) == path
    except ValueError:
        return False


def is_page(page: object) -> bool:
    """Whether an image may have this page, whatever it is: a number from 0 on, or "zip"."""
    return page >= 0 if type(page) is int else type(page) is str and page == "zip"


def is_digest(id: WorkId) -> TypeGuard[str]:
    """Whether an id is (or looks as if it were) the first digits of a URL's digest."""
    return isinstance(id, str) and _DIGEST.fullmatch(id) is not None


def key_problem(key: str) -> str | None:
    """Why a key cannot name a file as it stands, or None.

    Keys are refused rather than rewritten, so that a file's name is exactly what the user's table says. Two keys that
    differ in case only are two names; a file system that takes them for one (macOS) is not where such a list belongs.
    """
    if _KEY.fullmatch(key):
        return None
    return "a key is 1 to 100 of A-Z a-z 0-9 . _ - and begins with no dot"
