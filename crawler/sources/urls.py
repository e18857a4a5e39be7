"""Reads one image URL, or one key, out of a line. Pure; what a URL may be is the site's rule (`sites.urls`)."""

from __future__ import annotations

from crawler.rules.naming import key_problem
from crawler.sites.urls import url_problem
from crawler.sources.ids import Problem


def parse_url(text: str) -> str | Problem:
    """The http or https URL in a line, exactly as listed, or why there is none. Never raises."""
    url = text.strip()
    why = url_problem(url) if url else "empty"
    return Problem(why, url) if why else url


def parse_key(text: str) -> str | Problem:
    """The identity in a key column: it becomes a file name, so letters, digits and `._-` only, no leading dot."""
    key = text.strip()
    why = key_problem(key)
    return Problem(why, key) if why else key
