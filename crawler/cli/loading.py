"""Makes one frozen tree of settings from flags, environment, file and defaults, and knows where each came from.

Flags beat environment beat file beat defaults. Every fault of every place is told at once, before the first request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from crawler.checks import complaints, paths_of
from crawler.cli import session
from crawler.cli.errors import ConfigError
from crawler.cli.keys import keys, nearest_key
from crawler.cli.layers import Layer, Origin, Problem, from_environment, from_file, from_flags
from crawler.collect.idfile import NAME as IDS
from crawler.settings import Settings
from crawler.store.address import is_address, problem, work_folder

__all__ = ["ConfigError", "Loaded", "Origin", "load", "settings_from", "unbounded_session"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings ready to be obeyed; files are absolute paths.

    `origin` has every key, and `network.resolve.HOST` for each entry; `session_origin` says where the session came
    from. `session` is the value of PHPSESSID or "", held here and nowhere else, and kept out of the repr.
    """

    settings: Settings
    origin: Mapping[str, Origin]
    session: str = field(repr=False)
    session_origin: Origin = field(default_factory=lambda: Origin("default"))


def load(
    config: Path | None,
    flags: Mapping[str, str | Sequence[str]],
    environ: Mapping[str, str],
    *,
    source_needed: bool = True,
) -> Loaded:
    """Read all places. `flags` has dotted keys (`network.resolve.HOST` for an entry) and values as typed.

    `source_needed`: source.path must name files that exist. Raises ConfigError with a line for each fault.
    """
    file = Layer() if config is None else from_file(config)
    layers = [file, from_environment(environ), from_flags(flags)]
    values, origin = _merged(layers)
    _follow(values, origin)
    home = os.getcwd() if config is None else os.path.dirname(os.path.abspath(config))
    for folder in ("output.dir", "collect.out"):
        if origin[folder].kind == "default":
            # As if the default stood in the file: writing a default down changes nothing.
            values[folder] = os.path.join(home, values[folder])
    if not values["output.work_dir"] and is_address(values["output.dir"]) and problem(values["output.dir"]) is None:
        values["output.work_dir"] = os.path.join(home, work_folder(values["output.dir"]))
    if origin["source.path"].kind == "default" and (values["collect.path"] or values["collect.tags"]):
        values["source.path"] = os.path.join(values["collect.out"], IDS)
        origin["source.path"] = Origin("default", "collect.out")
    settings = Settings.model_validate(_tree(values), strict=True)

    problems = [problem for layer in layers for problem in layer.problems]
    # A key whose value was refused has its default now: nothing is to be said about that.
    known_bad = {key for problem in problems for key in (problem.key, nearest_key(problem.key))}
    secret, secret_origin = "", Origin("default")
    try:
        secret, secret_origin = session.find(settings.site.session_file, origin["site.session_file"], environ)
    except session.BadSession as error:
        problems.append(Problem(error.origin, "site.session_file", str(error)))
    for key, text in complaints(settings, source_needed=source_needed and not file.unread):
        if key not in known_bad:
            problems.append(Problem(_place(key, origin, file.heads), key, text))
    if problems:
        raise ConfigError(problem.line() for problem in sorted(problems, key=lambda p: p.origin.rank()))
    return Loaded(settings, origin, secret, secret_origin)


def settings_from(config: str | Path | None = None, **changes: str) -> Settings:
    """The settings that `crawler run CONFIG` would obey, the environment included; for `crawler.crawl`.

    `changes` are as flags on the command line, with `__` for the dot: `limits__api__rate="2"`. Raises ConfigError.
    """
    flags = {name.replace("__", "."): value for name, value in changes.items()}
    loaded = load(None if config is None else Path(config), flags, os.environ)
    site = loaded.settings.site.model_copy(update={"session": SecretStr(loaded.session)})
    return loaded.settings.model_copy(update={"site": site})


def _place(key: str, origin: Mapping[str, Origin], heads: Mapping[str, Origin]) -> Origin:
    """Where to point for a fault: at the value, else (nobody set it) at its section in the file, else at the flag."""
    place = next((origin[name] for name in (key, key.rpartition(".")[0]) if name in origin), Origin("default"))
    if place.kind != "default":
        return place
    return heads.get(key.rpartition(".")[0]) or heads.get("") or Origin("flag", f"--{key}")


def _merged(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Value and origin of each key, the later layer winning; a table's entries win one by one."""
    values: dict[str, Any] = {key.name: key.default for key in keys().values()}
    origin = dict.fromkeys(values, Origin("default"))
    for given in (given for layer in layers for given in layer.given):
        name = given.key.name
        if given.entry is None:
            for entry in [key for key in origin if key.startswith(name + ".")]:
                del origin[entry]
            values[name] = given.value
            if given.key.shape == "table":
                origin |= {f"{name}.{entry}": given.origin for entry in cast("dict[str, Any]", given.value)}
        else:
            values[name] = values[name] | {given.entry: given.value}
            origin[f"{name}.{given.entry}"] = given.origin
        origin[name] = given.origin
    return values, origin


def _follow(values: dict[str, Any], origin: dict[str, Origin]) -> None:
    """source.kind and site.name say one thing in two places: where only one was set, the other follows."""
    kind, name = origin["source.kind"], origin["site.name"]
    if kind.kind != "default" and name.kind == "default":
        if values["source.kind"] == "manifest":
            from crawler.sources.manifest import site_of  # with libraries that only who has one waits for

            values["site.name"] = site_of(paths_of(values["source.path"])) or "pixiv"
        else:
            values["site.name"] = "urls" if values["source.kind"] == "urls" else "pixiv"
        origin["site.name"] = Origin("default", "source.kind")
    elif name.kind != "default" and kind.kind == "default" and values["site.name"] == "urls":
        values["source.kind"] = "urls"
        origin["source.kind"] = Origin("default", "site.name")


def _tree(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *sections, field_name = name.split(".")
        table = tree
        for part in sections:
            table = table.setdefault(part, {})
        table[field_name] = value
    return tree


def unbounded_session(loaded: Loaded) -> str:
    """The warning of plan and run: a session without a daily limit ("" when there is nothing to warn of)."""
    daily = loaded.settings.limits.daily
    if not loaded.session or daily.gb or daily.requests:
        return ""
    return (
        "a session is set and limits.daily has no limit: accounts were warned for about 50 GB of traffic "
        "in a short time; keep to the polite rates, or use an account that you can lose"
    )
