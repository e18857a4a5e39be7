"""What no single key can know: settings that name things which must exist, and settings that must fit each other."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from crawler.collect.idfile import NAME as IDS
from crawler.collect.settings import CollectSettings
from crawler.settings import Settings
from crawler.store.address import is_address, missing_extra, problem

Complaint = tuple[str, str]
"""A key (with its entry, for tables) and what is wrong with it."""


def complaints(settings: Settings, *, source_needed: bool) -> Iterator[Complaint]:
    """All that is wrong with settings whose every value may stand by itself. Touches the disk, never the network."""
    yield from _source(settings, source_needed)
    yield from _output(settings.output.dir)
    yield from _ca_file(settings.network.ca_file)
    yield from _collect(settings.collect)


def paths_of(path: str | tuple[str, ...]) -> tuple[str, ...]:
    """The files of source.path."""
    return (path,) if isinstance(path, str) else path


def _source(settings: Settings, needed: bool) -> Iterator[Complaint]:
    source = settings.source
    if source.kind == "manifest":
        yield from _manifest(settings)
    elif (source.kind == "urls") != (settings.site.name == "urls"):
        kinds = '"urls"' if settings.site.name == "urls" else '"ids" or "pairs"'
        yield "source.kind", f'does not go with site.name = "{settings.site.name}", which takes {kinds}'
    if source.key_column and source.kind != "urls":
        yield "source.key_column", f'means nothing with source.kind = "{source.kind}": only urls have a key column'
    paths = paths_of(source.path)
    if needed and (not paths or paths == ("",)):
        yield "source.path", 'missing: name the file that lists what to fetch, or "-" for standard input'
    elif "" in paths and paths != ("",):
        yield "source.path", "holds an empty path"
    elif needed:
        for path in paths:
            if path != "-" and not os.path.exists(path):
                collected = path == os.path.join(settings.collect.out, IDS)
                yield "source.path", f"no such file: {path}" + (": run `crawler collect` first" if collected else "")
            elif path != "-" and os.path.isdir(path):
                yield "source.path", f"is a folder: {path}"


def _manifest(settings: Settings) -> Iterator[Complaint]:
    """A manifest is read before, during and after a run; its images say which site it is of."""
    from crawler.sources.manifest import site_of  # with libraries that only who has one waits for

    paths, name = paths_of(settings.source.path), settings.site.name
    for path in paths:
        if path == "-" or (os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path)):
            yield "source.path", f"{path}: a manifest is read more than once, so it must be a file"
            return
    found = site_of(paths)
    if found is not None and found != name:
        of = "plain URLs" if found == "urls" else "works of pixiv"
        yield "site.name", f'the manifest names images of {of}: that is site.name = "{found}"'


def _output(path: str) -> Iterator[Complaint]:
    if not path:
        yield "output.dir", "must name a folder"
    elif is_address(path):
        if wrong := problem(path) or missing_extra():
            yield "output.dir", wrong
    elif os.path.exists(path) and not os.path.isdir(path):
        yield "output.dir", f"is not a folder: {path}"


def _collect(collect: CollectSettings) -> Iterator[Complaint]:
    if not collect.out:
        yield "collect.out", "must name a folder"
    elif os.path.exists(collect.out) and not os.path.isdir(collect.out):
        yield "collect.out", f"is not a folder: {collect.out}"
    if collect.since and collect.until and collect.since > collect.until:
        yield "collect.since", f'is after collect.until = "{collect.until}"'
    for key in ("since", "until"):
        if collect.kind != "tags" and getattr(collect, key):
            yield f"collect.{key}", f'means nothing with collect.kind = "{collect.kind}": only tags have dates'


def _ca_file(path: str) -> Iterator[Complaint]:
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except FileNotFoundError:
        yield "network.ca_file", f"no such file: {path}"
    except ssl.SSLError:
        yield "network.ca_file", f"holds no certificate in PEM form: {path}"
    except OSError as error:
        yield "network.ca_file", f"cannot be read: {error.strerror}: {path}"
