"""What a run says when it is over: each id's fate, what it cost, what to do next; and the folder as a tree."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from crawler.progress import Snapshot
from crawler.watch.style import BAD, FAINT, GONE, GOOD, STRONG, WAIT, say
from crawler.words import clean, count, duration, number, plural, share, size, words

_HEADLINES: Mapping[int, tuple[str, str]] = {
    0: ("Finished: every id has its outcome.", GOOD),
    1: ("Stopped by an internal error. What is stored is safe.", BAD),
    2: ("Not started.", BAD),
    3: ("Finished; some images failed for good.", WAIT),
    4: ("Finished; some failed in ways that another run may cure.", WAIT),
    5: ("Stopped: the site refused the session.", BAD),
    6: ("Stopped by a limit.", WAIT),
    7: ("Stopped: the disk did not take what was to be written.", BAD),
    130: ("Stopped by you. What was finished is kept.", WAIT),
    143: ("Stopped by a signal. What was finished is kept.", WAIT),
}
_BAR = 24


def print_summary(
    snapshot: Snapshot, exit_code: int, reason: str, directory: Path | str, config: str = "CONFIG"
) -> None:
    """Prints the summary to stdout: styled on a terminal, plain when piped."""
    say(summary(snapshot, exit_code, reason, directory, config))


def summary(
    snapshot: Snapshot, exit_code: int, reason: str, directory: Path | str, config: str = "CONFIG"
) -> RenderableType:
    """The end of a run in words. `reason` is the `closed` line's; `config` is what `crawler run` was given."""
    text, style = _HEADLINES.get(exit_code, ("Stopped.", WAIT))
    head = Text(no_wrap=True).append(text, f"{style} {STRONG}")
    if reason not in ("finished", "interrupted", ""):
        head.append(f"  ({words(reason)})", FAINT)
    return Group(
        Text(),
        head,
        Text(),
        *works_rows(snapshot),
        Text(),
        *_costs(snapshot),
        Text(),
        *_next(snapshot, directory, config),
    )


def works_rows(now: Snapshot) -> Iterator[Text]:
    """The outcomes of all listed works, with bars, and the reasons of those that are not done."""
    cells = max(len(count(now.listed)), 5)
    yield Text(no_wrap=True).append(f" {'listed':<10}", FAINT).append(f"{count(now.listed):>{cells}}", STRONG)
    kinds = (
        ("done", now.done, GOOD),
        ("gone", now.gone, GONE),
        ("failed", now.failed, BAD),
        ("to do", now.pending, WAIT),
    )
    for name, n, style in kinds:
        long = max(1, round(_BAR * n / now.listed)) if n and now.listed else 0
        row = Text(no_wrap=True).append(f" {name:<10}", FAINT).append(f"{count(n):>{cells}}", style if n else FAINT)
        row.append(f"  {share(n, now.listed):>7}", FAINT).append("  " + "━" * long if long else "", style)
        yield row
    reasons = sorted(now.reasons.items(), key=lambda item: (-item[1], item[0]))
    if reasons:
        yield Text()
    wide = max((len(words(reason)) for reason, _ in reasons), default=0)
    for i, (reason, n) in enumerate(reasons):
        label = "reasons" if i == 0 else ""
        yield Text(no_wrap=True).append(f" {label:<10}", FAINT).append(f"{words(reason):<{wide}}  {count(n):>{cells}}")


def _costs(now: Snapshot) -> Iterator[Text]:
    def row(label: str, value: str, more: str = "") -> Text:
        return Text(no_wrap=True).append(f" {label:<10}", FAINT).append(value).append(more, FAINT)

    new = f", {count(now.new_images)} of them new" if now.new_images != now.images else ""
    yield row("images", plural(now.images, "image") + new)
    if now.failed_images:
        yield row("", f"{plural(now.failed_images, 'image')} failed")
    per = f", {size(now.bytes / now.images)} each" if now.images else ""
    yield row("size", size(now.bytes), per)
    asked = f", {now.requests / now.new_works:.1f} a work" if now.new_works else ""
    yield row("requests", count(now.requests), f", {count(now.retries)} of them repeats{asked}")
    pace = ""
    if now.elapsed_s >= 1 and now.new_works:
        works_min, images_s = 60 * now.new_works / now.elapsed_s, now.new_images / now.elapsed_s
        pace = f", {number(works_min)} works/min, {number(images_s)} images/s"
    yield row("time", duration(now.elapsed_s), pace)


def _next(now: Snapshot, directory: Path | str, config: str) -> Iterator[Text]:
    folder = shlex.quote(clean(str(directory)))
    commands: list[tuple[str, str]] = []
    if now.pending:
        commands.append((f"crawler run {shlex.quote(config)}", f"goes on with {plural(now.pending, 'work')}"))
    elif now.failed:
        commands.append((f"crawler run {shlex.quote(config)}", "tries again what may be cured"))
    if now.failed:
        commands.append((f"crawler tail {folder} --failed", "what went wrong, and why"))
    commands.append((f"crawler status {folder}", "the same, from the log"))
    commands.append((f"crawler verify {folder}", "every file against the log"))
    wide = min(48, max(len(command) for command, _ in commands))
    for i, (command, does) in enumerate(commands):
        label = "next" if i == 0 else ""
        yield Text(no_wrap=True).append(f" {label:<10}", FAINT).append(f"{command:<{wide}}").append(f"  {does}", FAINT)


def tree(directory: Path | str, limit: int = 16) -> RenderableType:
    """The output folder in at most about `limit` lines: folders with how much is in them, a few names of each.

    Reads names and sizes only; does not follow links; what vanishes meanwhile is left out. Raises OSError when the
    folder itself cannot be read.
    """
    root = Path(directory)
    lines = [Text(no_wrap=True).append(clean(str(directory)) + "/", STRONG)]
    names = sorted(os.scandir(root), key=lambda e: (not e.is_dir(follow_symlinks=False), e.name))
    shown = [e for e in names if e.name != ".crawl"]
    each = max(2, (limit - len(shown) - 1) // max(1, sum(e.is_dir(follow_symlinks=False) for e in shown)))
    for i, entry in enumerate(shown):
        lines += _branch(entry, "", i == len(shown) - 1, each)
    return Group(*lines)


def _branch(entry: os.DirEntry[str], stem: str, last: bool, room: int) -> Iterator[Text]:
    """A file as one line, a folder as at most `room` lines more."""
    row = Text(no_wrap=True).append(stem + ("└── " if last else "├── "), FAINT)
    inside = stem + ("    " if last else "│   ")
    if not entry.is_dir(follow_symlinks=False):
        yield row.append(clean(entry.name)).append(f"  {_size(entry)}", FAINT)
        return
    files, held = _weigh(entry.path)
    yield row.append(clean(entry.name) + "/", GONE).append(f"  {plural(files, 'file')}, {size(held)}", FAINT)
    children = sorted(_scan(entry.path), key=lambda e: e.name)
    folders = [e for e in children if e.is_dir(follow_symlinks=False)]
    shown = folders[: max(1, room // 3)] if folders else children[: max(1, room)]
    more = len(children) - len(shown)
    for i, child in enumerate(shown):
        yield from _branch(child, inside, i == len(shown) - 1 and not more, max(1, room // max(1, len(shown)) - 1))
    if more:
        yield Text(no_wrap=True).append(f"{inside}└── and {count(more)} more", FAINT)


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> str:
    try:
        return size(entry.stat(follow_symlinks=False).st_size)
    except OSError:
        return "gone"


def _weigh(path: str) -> tuple[int, int]:
    """Files and bytes below a folder."""
    files = held = 0
    for entry in _scan(path):
        if entry.is_dir(follow_symlinks=False):
            more, weight = _weigh(entry.path)
            files, held = files + more, held + weight
            continue
        try:
            files, held = files + 1, held + entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return files, held
