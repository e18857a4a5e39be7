"""`crawler doctor [CONFIG]`: whether this machine can do what the config asks, without asking any site."""

from __future__ import annotations

import argparse
import os
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from crawler.cli.errors import ConfigError
from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.keys import SESSION, SESSION_VARIABLE
from crawler.cli.loading import Loaded, load, unbounded_session
from crawler.settings import Settings

Verdict = Literal["ok", "warn", "bad"]
_SIGN = {"ok": "ok  ", "warn": "note", "bad": "BAD "}
_RESERVE_FILES = 64
"""Descriptors that a run has open beside its connections: log, parts, lock, libraries."""
_FEW_INODES = 100_000
_SLOW_SYNC_S = 0.1
_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right says an earlier time than this was written at."""


class Finding(NamedTuple):
    """What was looked at, how it is, and in words what that means or what to do."""

    verdict: Verdict
    what: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    add_setting_flags(parser)


def run(args: argparse.Namespace) -> int:
    """0 when a run can begin; 2 when something is in its way."""
    try:
        config = Path(args.config) if args.config else None
        found = list(examine(load(config, flag_values(args), os.environ, source_needed=False)))
    except ConfigError as error:
        found = [*_faults(error), *_machine(Settings())]
    for finding in found:
        if finding.verdict != "ok" or not args.quiet:
            print(f"{_SIGN[finding.verdict]}  {finding.what:<9} {finding.text}")
    bad = sum(finding.verdict == "bad" for finding in found)
    if bad:
        stand = "stands" if bad == 1 else "stand"
        print(f"{bad} of {len(found)} {stand} in the way of a run.", file=sys.stderr)
    return 2 if bad else 0


def _faults(error: ConfigError) -> Iterator[Finding]:
    """Settings that cannot be used, each with its place. What would be looked at with their help is not."""
    for line in error.lines:
        yield Finding("bad", "session" if SESSION in line or SESSION_VARIABLE in line else "settings", line)


def _machine(settings: Settings) -> Iterator[Finding]:
    """What does not depend on a list or a folder."""
    yield _files(settings)
    yield _clock(settings.output.home)
    yield _tls(settings)


def examine(loaded: Loaded) -> Iterator[Finding]:
    """All findings. Touches the disk where a run would write, opens no connection."""
    settings = loaded.settings
    yield Finding("ok", "settings", f"{len(loaded.origin)} keys, all understood")
    yield from _source(settings)
    yield from _session(loaded)
    yield from _folder(settings)
    yield from _machine(settings)
    yield from _page(settings)


def _source(settings: Settings) -> Iterator[Finding]:
    paths = (settings.source.path,) if isinstance(settings.source.path, str) else settings.source.path
    for path in paths:
        if path == "-":
            yield Finding("ok", "source", "standard input")
        elif not path:
            yield Finding("bad", "source", "source.path names no file")
        elif not os.access(path, os.R_OK) or os.path.isdir(path):
            yield Finding("bad", "source", f"{path} cannot be read as a file")
        else:
            yield Finding("ok", "source", f"{path}, {os.path.getsize(path):,} bytes; `crawler plan` counts its ids")


def _session(loaded: Loaded) -> Iterator[Finding]:
    if not loaded.session:
        yield Finding("ok", "session", "none: works for all ages only, as a visitor sees them")
        return
    account, bar, secret = loaded.session.partition("_")
    usual = bar and account.isdigit() and secret.isalnum() and len(secret) == 32
    odd = "its form is unusual (usual: digits, underscore, 32 letters and digits); the site may refuse it"
    text = "set, and of the usual form" if usual else odd
    yield Finding("ok" if usual else "warn", "session", f"{text}; the site is not asked whether it is still good")
    if warning := unbounded_session(loaded):
        yield Finding("warn", "session", warning)


def _folder(settings: Settings) -> Iterator[Finding]:
    """Whether output.dir can be written to and synced, with room for bytes and names; leaves nothing behind."""
    home = settings.output.home
    while not home.exists() and home != home.parent:
        home = home.parent
    try:
        began = time.monotonic()
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"crawler")
            file.flush()
            os.fsync(file.fileno())
        took = time.monotonic() - began
    except OSError as error:
        yield Finding("bad", "folder", f"{home}: cannot be written to: {error.strerror}")
        return
    slow = took > _SLOW_SYNC_S and settings.output.durability == "fsync"
    advice = "; a slow disk limits how many images a second are safe" if slow else ""
    yield Finding("warn" if slow else "ok", "folder", f"{home}: writable, an fsync took {1000 * took:.0f} ms{advice}")
    found = os.statvfs(home)
    free, reserve = found.f_bavail * found.f_frsize, settings.output.reserve_mb * 1_000_000
    room = f"{free / 1e9:,.1f} GB free, output.reserve_mb keeps {reserve / 1e9:,.2f} of them"
    yield Finding("bad" if free <= reserve else "ok", "disk", room)
    if not found.f_files:
        yield Finding("ok", "inodes", "made as they are needed by this file system")
    else:
        few = found.f_favail < _FEW_INODES
        yield Finding("warn" if few else "ok", "inodes", f"{found.f_favail:,} free; an image is a file, each needs one")


def _files(settings: Settings) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = settings.limits
    # Each image on the wire has a connection and a part file; the metadata lane has connections only.
    needed = 2 * limits.images.connections + limits.api.connections + _RESERVE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return Finding("ok", "files", f"{soft:,} may be open at once, about {needed:,} are needed for one image host")
    return Finding(
        "bad", "files", f"only {soft:,} may be open at once, about {needed:,} are needed: `ulimit -n {hard}`"
    )


def _clock(folder: Path) -> Finding:
    """A log is in the order of its times: a clock that went back would make the newest lines look old."""
    from crawler.log.codec import decode
    from crawler.watch.follow import last_lines
    from crawler.words import seconds_of

    now = time.time()
    said = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < _WRITTEN:
        return Finding("bad", "clock", f"{said} cannot be: set the clock")
    try:
        pieces, _ = last_lines(folder / "log.jsonl", 1, lambda raw: decode(raw) is not None)
    except OSError:
        pieces = []
    line = decode(pieces[0].raw) if pieces else None
    last = seconds_of(line.t) if line else None
    if line is not None and last is not None and last > now + 5:
        return Finding("bad", "clock", f"{said} is before the log's last line ({line.t}): set the clock")
    return Finding("ok", "clock", said)


def _tls(settings: Settings) -> Finding:
    context = ssl.create_default_context()
    many = context.cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    folder = paths.capath if paths.capath and os.path.isdir(paths.capath) and os.listdir(paths.capath) else ""
    own = f", and {settings.network.ca_file}" if settings.network.ca_file else ""
    if many or folder:
        return Finding("ok", "TLS", f"{many} authorities trusted{own}; {ssl.OPENSSL_VERSION}")
    text = f"no authority is trusted{own}: install the system's certificates (Debian: ca-certificates)"
    return Finding("warn" if own else "bad", "TLS", text)


def _page(settings: Settings) -> Iterator[Finding]:
    if not settings.ui.page_port:
        return
    import socket

    family = socket.AF_INET6 if ":" in settings.ui.page_host else socket.AF_INET
    address = (settings.ui.page_host, settings.ui.page_port)
    try:
        socket.create_server(address, family=family).close()
    except OSError as error:
        yield Finding(
            "bad", "page", f"cannot listen on {address[0]} port {address[1]}: {os.strerror(error.errno or 0)}"
        )
    else:
        yield Finding("ok", "page", f"{address[0]} port {address[1]} is free")
