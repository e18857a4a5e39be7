"""Every key of the config as a flag, with the short forms for what people turn most."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from crawler.cli.errors import UsageError
from crawler.cli.keys import SESSION, Key, keys, sections
from crawler.cli.toml import write

SHORT: Mapping[str, tuple[str, ...]] = {
    "limits.works": ("-j", "--works"),
    "limits.api.rate": ("--api-rate",),
    "limits.images.rate": ("--image-rate",),
    "limits.images.connections": ("--connections",),
    "ui.progress": ("--progress",),
}


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add the CONFIG positional (`args.config`, may be None) and a flag for every key, by section."""
    parser.usage = "%(prog)s [CONFIG] [--KEY VALUE ...]"
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="a TOML file; `crawler init` writes one")
    for section, sentence in sections().items():
        group = parser.add_argument_group(f"[{section}]", sentence.replace("%", "%%"))
        for key in (key for key in keys().values() if key.section == section):
            _add(group, key)
    parser.add_argument(f"--{SESSION}", dest=SESSION, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def add_manifest_flag(parser: argparse.ArgumentParser) -> None:
    """`--manifest FILE`, short for what it means in [source]."""
    parser.add_argument(
        "--manifest",
        metavar="FILE",
        default="",
        help="fetch exactly the images that this manifest names (export --to manifest wrote it), instead of [source]",
    )


def _add(group: argparse._ArgumentGroup, key: Key) -> None:  # pyright: ignore[reportPrivateUsage] - argparse names it so
    many = key.shape in ("texts", "choices", "text_or_texts", "table")
    default = "" if key.default in ("", (), {}) else f" [{write(key.default)}]"
    repeat = "; may be repeated" if many else ""
    group.add_argument(
        *SHORT.get(key.name, ()),
        f"--{key.name}",
        dest=key.name,
        metavar=_metavar(key),
        action="append" if many else "store",
        default=argparse.SUPPRESS,
        help=f"{key.help}{repeat}{default}".replace("%", "%%"),
    )


def _metavar(key: Key) -> str:
    match key.shape:
        case "flag":
            return "true|false"
        case "whole" | "number":
            return "N"
        case "choice" | "choices":
            return "|".join(key.choices)
        case "table":
            return "HOST=IP:PORT"
        case "text" | "texts" | "text_or_texts":
            return "TEXT"


def flag_values(args: argparse.Namespace) -> dict[str, str | list[str]]:
    """The settings among parsed arguments, as `load` takes them: dotted key, `.HOST` added for an entry, to text."""
    found: dict[str, str | list[str]] = {}
    for name, value in vars(args).items():
        key = keys().get(name)
        if key is None and name != SESSION:
            continue
        if key is not None and key.shape == "table":
            for text in value:
                entry, equals, target = text.partition("=")
                if equals and not text.startswith("{"):
                    found[f"{name}.{entry}"] = target
                else:
                    found[name] = text
        else:
            found[name] = value
    if manifest := getattr(args, "manifest", ""):
        if said := next((name for name in found if name.startswith("source.")), None):
            raise UsageError(f"--manifest is the source: leave out --{said}")
        found |= {"source.kind": "manifest", "source.path": [manifest], "source.column": "", "source.key_column": ""}
    return found
