"""`crawler config [CONFIG]`: the effective settings, where each came from, and the schema."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.keys import SESSION, keys
from crawler.cli.loading import Loaded, Origin, load
from crawler.cli.toml import write
from crawler.fetch.settings import HIDDEN, without_password
from crawler.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `config`."""
    add_setting_flags(parser)
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the config file instead")
    parser.add_argument("--json", action="store_true", help="print JSON: {key: {value, from, where}}")


def run(args: argparse.Namespace) -> int:
    """Print the settings, the session hidden. Raises ConfigError."""
    if args.schema:
        print(json.dumps(schema(), indent=2, ensure_ascii=False))
        return 0
    config = Path(args.config) if args.config else None
    loaded = load(config, flag_values(args), os.environ, source_needed=False)
    rows = list(_rows(loaded))
    if args.json:
        table = {key: {"value": value, "from": origin.kind, "where": origin.where} for key, value, origin in rows}
        print(json.dumps(table, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(rows)))
    return 0


def schema() -> dict[str, Any]:
    """The JSON Schema of a config file. The session has no place in a file, so it has none here."""
    tree = Settings.model_json_schema()
    del tree["$defs"]["SiteSettings"]["properties"]["session"]
    return tree


def lines(rows: list[tuple[str, Any, Origin]]) -> Iterator[str]:
    """Aligned lines `key = value   # where`; as TOML they mean the same settings (the session is a comment)."""
    texts = [f"# {key} = {value}" if key == SESSION else f"{_dotted(key)} = {write(value)}" for key, value, _ in rows]
    width = min(max(map(len, texts)), 60)
    for text, (_, _, origin) in zip(texts, rows, strict=True):
        yield f"{text:<{width}}   # {_source(origin)}"


def _source(origin: Origin) -> str:
    if origin.kind == "default":
        return f"default, follows {origin.where}" if origin.where else "default"
    return origin.where


def _rows(loaded: Loaded) -> Iterator[tuple[str, Any, Origin]]:
    for name, key in keys().items():
        value: Any = loaded.settings
        for part in name.split("."):
            value = getattr(value, part)
        if key.shape == "table" and value:
            for entry, text in value.items():
                yield f"{name}.{entry}", text, loaded.origin[f"{name}.{entry}"]
        else:
            yield name, without_password(value) if name == "network.proxy" else value, loaded.origin[name]
        if name == "site.session_file":
            yield SESSION, HIDDEN if loaded.session else '""', loaded.session_origin


def _dotted(key: str) -> str:
    """The key as TOML: a host's dots are quoted."""
    table = next((k.name for k in keys().values() if k.shape == "table" and key.startswith(k.name + ".")), None)
    return key if table is None else f"{table}.{write(key[len(table) + 1 :])}"
