"""Reads one image URL out of a line, and gives it an identity. Pure."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from crawler.rules.naming import key_problem
from crawler.sources.ids import Problem

MAX_URL = 8000
"""Longest URL taken, in characters: what servers take at most (RFC 9110 4.1 recommends supporting 8000)."""


def parse_url(text: str) -> str | Problem:
    """The http or https URL in a line, exactly as listed, or why there is none. Never raises."""
    url = text.strip()
    why = _wrong(url)
    return Problem(why, url) if why else url


def _wrong(url: str) -> str:
    if not url:
        return "empty"
    if len(url) > MAX_URL:
        return f"a URL of more than {MAX_URL} characters"
    if not url.isprintable() or " " in url or "\\" in url:
        return "a URL has no blanks, backslashes or control characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not a URL that can be read"
    if parts.scheme not in ("http", "https"):
        return "not an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user name or password in it is not taken"
    if not host or port == 0:
        return "a URL without a host" if not host else "port 0"
    return ""


def identity(url: str) -> str:
    """What stands for a URL in names and log: the first 16 hex digits of its SHA-256 (design.md 1.3)."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def parse_key(text: str) -> str | Problem:
    """The identity in a key column: it becomes a file name, so letters, digits and `._-` only, no leading dot."""
    key = text.strip()
    why = key_problem(key)
    return Problem(why, key) if why else key
