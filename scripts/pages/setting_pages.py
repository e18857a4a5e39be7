"""docs/reference/config.md: every key, its default, its bounds, and when to change it."""

from __future__ import annotations

from advice import ADVICE
from written import code, sentence, table
from written import page as joined

from crawler.cli.flags import SHORT
from crawler.cli.keys import Key, keys, sections
from crawler.cli.toml import write

_TOP = """\
# Settings

A config is a TOML file; `crawler init` writes one with every key. Each key can be said in four places, the first wins:

1. a flag, by its whole name: `--limits.api.rate 2` (or `--limits.api.rate=2`; a list: the flag again and again),
2. an environment variable: `CRAWLER_LIMITS__API__RATE=2` (lists and tables as TOML writes them),
3. the config file,
4. the default.

`crawler config FILE` shows what is in force and where each value came from, `crawler config --schema` prints a JSON
Schema for editors. An unknown key or a value that cannot stand is an error with file and line before the first request.

Units are in the names: `_s` seconds, `_ms` milliseconds, `_mb` millions of bytes, `rate` requests a second. Paths in a
file are relative to that file's folder, elsewhere to where you stand; `~` is your home.
A running crawl reads `[limits]` again on `kill -HUP`."""


def page() -> str:
    """The page."""
    return joined(_TOP, *(_section(name, text) for name, text in sections().items()))


def _section(name: str, text: str) -> str:
    rows = [_row(key) for key in keys().values() if key.section == name]
    return joined(f"## [{name}]", sentence(text), table(("key", "default", "may be", "what it does"), rows))


def _row(key: Key) -> tuple[str, str, str, str]:
    if key.name not in ADVICE:
        raise SystemExit(f"scripts/pages/advice.py: say there when to change {key.name}")
    short = [f"as a flag also {' '.join(map(code, SHORT[key.name]))}."] if key.name in SHORT else []
    said = " ".join([*_help(key), ADVICE[key.name], *map(sentence, short)])
    return code(key.field), code(write(key.default)), _allowed(key), said


def _help(key: Key) -> list[str]:
    """What the model says, unless that is the list of choices that stands beside it already."""
    if key.help == " | ".join(key.choices):
        return []
    first = key.help.split()[0]
    return [sentence(key.help) if first.isalpha() and first not in key.choices else f"{key.help}."]


def _allowed(key: Key) -> str:
    match key.shape:
        case "flag":
            return "`true`, `false`"
        case "choice":
            return ", ".join(map(code, key.choices))
        case "choices":
            return "any of " + ", ".join(map(code, key.choices))
        case "texts":
            return "a list of texts"
        case "text_or_texts":
            return "a text or a list of them"
        case "table":
            return "a table of texts"
        case "text":
            return "a text"
        case _:
            return key.allowed()
