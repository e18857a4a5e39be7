"""docs/reference/commands.md: what each command takes."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

from written import code, sentence, table
from written import page as joined

from crawler.cli.completion import actions_of, parsers_in
from crawler.cli.flags import SHORT
from crawler.cli.keys import SESSION, keys
from crawler.cli.main import COMMANDS, parser_of

EXAMPLES = {
    "demo": ("crawler demo", "crawler demo --page-port 8080"),
    "init": ("crawler init popular.toml", "crawler init --yes popular.toml"),
    "plan": ("crawler plan popular.toml", "crawler plan popular.toml --sample 100"),
    "doctor": ("crawler doctor popular.toml",),
    "run": (
        "crawler run popular.toml",
        "crawler run popular.toml --api-rate 0.5 --ui.page_port 8080",
        "crawler run popular.toml --recheck gone --older-than 90d",
    ),
    "status": ("crawler status data/popular", "crawler status data/popular --json"),
    "tail": ("crawler tail data/popular -f", "crawler tail data/popular --failed -n 50"),
    "report": ("crawler report data/popular",),
    "verify": ("crawler verify data/popular", "crawler verify data/popular --repair"),
    "export": ("crawler export data/popular --to webdataset --out popular-tars --splits train=.98,val=.02",),
    "pairs": (
        "crawler pairs find pairs.toml",
        "crawler pairs review data/tags",
        "crawler pairs review data/pairs --csv colored_sketch_pair.csv",
        "crawler pairs export data/tags --out pairs.csv",
    ),
    "purge": ("crawler purge data/popular --ids taken-down.txt",),
    "collect": ("crawler collect tags.toml", "crawler collect tags.toml --since-last"),
    "origin": ("crawler origin --profile flaky",),
    "simulate": ("crawler simulate --seed 7", "crawler simulate --seeds 1..100"),
    "tune": ("crawler tune mine.toml --own images.example.org",),
    "config": ("crawler config popular.toml", "crawler config --schema > crawler.schema.json"),
    "completion": ("crawler completion bash > ~/.local/share/bash-completion/completions/crawler",),
}
EVERYWHERE = ("help", "verbose", "quiet")


def page() -> str:
    """The page."""
    head = table(("command", "does"), ((f"[`{name}`](#crawler-{name})", text) for name, text in COMMANDS.items()))
    return joined(
        "# Commands",
        "`crawler COMMAND --help` says the same. Results go to standard output, talk to standard error. Every command "
        "takes `-v` (say more, show where a bug happened) and `-q` (say only what is wrong); see also "
        "[exit codes](exit-codes.md).",
        head,
        *(_command(name, text) for name, text in COMMANDS.items()),
    )


def _command(name: str, text: str) -> str:
    parser = parser_of(name, importlib.import_module(f"crawler.cli.{name}"))
    parts = [f"## crawler {name}", sentence(text)]
    if EXAMPLES.get(name):
        parts.append("\n".join(["```", *EXAMPLES[name], "```"]))
    return joined(*parts, *_takes(f"crawler {name}", parser))


def _takes(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = actions_of(parser)
    own = [a for a in actions if a.dest not in keys() and a.dest not in (*EVERYWHERE, SESSION) and not parsers_in(a)]
    if own:
        yield table(("takes", "which is"), ((_names(a), (a.help or "").replace("%%", "%")) for a in own))
    if any(a.dest in keys() for a in actions):
        short = ", ".join(f"{' '.join(map(code, flags))}" for flags in SHORT.values())
        yield (
            "Every [setting](config.md) is a flag too (`--limits.api.rate 2`); those that are turned most have short "
            f"forms: {short}."
        )
    for action in actions:
        for name, inner in parsers_in(action).items():
            yield joined(
                f"### {command} {name}", sentence(inner.description or ""), *_takes(f"{command} {name}", inner)
            )


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        name = (
            action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or [action.dest]))
        )
        return code(f"[{name}]" if action.nargs == "?" else name)
    value = ""
    if action.nargs != 0:
        value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or []))
        value = f" {value or action.dest.upper()}"
    return code(f"{', '.join(action.option_strings)}{value}")
