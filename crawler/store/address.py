"""Addresses of object stores, `s3://bucket/prefix` and kin: told from folders, written one way, named on disk."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Mapping

SCHEMES = ("s3", "gs", "az")
"""What can stand before `://`: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage."""

_ADDRESS = re.compile(r"([a-z0-9]+)://([^/]*)/?(.*)", re.DOTALL)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def is_address(text: str) -> bool:
    """Whether a place for a data set is an object store's, and no folder."""
    return text.startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def tidy(address: str) -> str:
    """The address without slashes that say nothing."""
    match = _ADDRESS.fullmatch(address)
    assert match is not None
    parts = [part for part in match[3].split("/") if part]
    return "/".join([f"{match[1]}://{match[2]}", *parts])


def problem(address: str) -> str | None:
    """What is wrong with an address, or None. A store's keys are taken as they are: no `..`, no control characters."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not match[2]:
        return "names no bucket: it must be like s3://bucket/prefix"
    if any(part in (".", "..") for part in match[3].split("/")) or not (match[2] + match[3]).isprintable():
        return "must be plain: no `.` or `..` in the prefix, no control characters"
    if "?" in match[3] or "#" in match[3] or "@" in match[2] or ":" in match[2]:
        return "must be like s3://bucket/prefix: credentials and endpoint come from the environment (AWS_*)"
    return None


def missing_extra() -> str | None:
    """What to install before an object store can be reached, or None."""
    if importlib.util.find_spec("obstore") is not None:
        return None
    return "object stores need the extra [s3]: pip install 'crawler[s3]'"


def name_of(address: str, environ: Mapping[str, str] = os.environ) -> str:
    """A file name for an address: the bucket, and a digest of all that tells this place from others (the endpoint too).

    Two servers may each have a bucket of one name: what is known of the one must not be taken for the other's.
    """
    address = tidy(address)
    endpoint = next((environ[name].rstrip("/") for name in _ENDPOINTS if environ.get(name)), "")
    digest = hashlib.sha256(f"{endpoint}\n{address}".encode()).hexdigest()[:12]
    bucket = address.partition("://")[2].partition("/")[0]
    return f"{_UNSAFE.sub('_', bucket)[:63]}-{digest}"


def work_folder(address: str) -> str:
    """Where a run keeps the log of such a place, under the config's folder: `.crawl/<bucket>-<digest>`."""
    return os.path.join(".crawl", name_of(address))
