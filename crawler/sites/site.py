"""What the engine asks of a site. Implementations are pure: they build requests and read replies."""

from __future__ import annotations

from typing import Protocol

from crawler.fetch.exchange import Request
from crawler.model import Absent, Description, Failure, Image, WorkId


class Ask(Protocol):
    """A question still to be asked: the next request of a description, and how to read its whole body.

    `read` gives the next question, or the answer. It never raises, whatever the body.
    """

    def request(self) -> Request: ...
    def read(self, status: int, content_type: str, body: bytes) -> Ask | Description | Absent | Failure: ...


class Site(Protocol):
    """A site."""

    def describe(self, id: WorkId) -> Ask: ...
    def image_request(self, image: Image) -> Request: ...
