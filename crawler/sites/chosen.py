"""A site of which only some images are wanted, as a manifest names them. Pure.

The answer to a question is cut to what is wanted before anybody sees it, so a work is done when that much of it is had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crawler.fetch.exchange import Request
from crawler.model import Absent, Description, Failure, Image, Page, WorkId
from crawler.sites.site import Ask, Site

Wanted = Callable[[WorkId, Page], bool]
RULE = "manifest"
"""The rule of a work that is `filtered` because it has none of the wanted pages (any more)."""


class Chosen:
    """The site behind it, showing of each work the wanted images only."""

    def __init__(self, site: Site, wanted: Wanted) -> None:
        self._site = site
        self._wanted = wanted

    def describe(self, id: WorkId) -> Ask:
        """The first question for a work."""
        return _Asked(self._site.describe(id), id, self._wanted)

    def image_request(self, image: Image) -> Request:
        """As the site behind it asks for an image."""
        return self._site.image_request(image)


class _Asked:
    """A question whose answer is cut to the wanted images."""

    def __init__(self, ask: Ask, id: WorkId, wanted: Wanted) -> None:
        self._ask = ask
        self._id = id
        self._wanted = wanted

    def request(self) -> Request:
        return self._ask.request()

    def read(self, status: int, content_type: str, body: bytes) -> Ask | Description | Absent | Failure:
        answer = self._ask.read(status, content_type, body)
        match answer:
            case Absent() | Failure():
                return answer
            case Description():
                images = tuple(image for image in answer.images if self._wanted(self._id, image.page))
                return replace(answer, images=images) if images else Absent("filtered", RULE)
            case further:
                return _Asked(further, self._id, self._wanted)
