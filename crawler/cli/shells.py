"""Completion scripts for bash, zsh and fish, written from a table of what each command takes. Pure text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

Values = Literal["none", "files", "configs", "folders"] | tuple[str, ...]
"""What may follow: nothing that can be known, names on the disk, or one of some words."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option under all its names. `values` is None for one that takes none; `many`: it may be repeated."""

    names: tuple[str, ...]
    values: Values | None
    help: str
    label: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command, its options, and what stands at its places."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    places: tuple[Values, ...]


def bash(commands: Sequence[Command]) -> str:
    """For bash 3.2 (macOS) and newer, with or without the package bash-completion."""
    after: dict[str, list[str]] = {}
    for command in commands:
        for flag in command.flags:
            if flag.values is not None:
                after.setdefault(_bash_values(flag.values), []).extend(f"{command.name} {n}" for n in flag.names)
    arms = [f"        {'|'.join(quote(each) for each in names)}) {do}; return ;;" for do, names in after.items()]
    flags = [f"        {c.name}) flags={quote(' '.join(_names(c.flags)))} ;;" for c in commands]
    # An option's value is no place of its own.
    valued = " ".join(f"{c.name}{name}" for c in commands for f in c.flags if f.values is not None for name in f.names)
    places = [
        f'        "{c.name} {at}") {_bash_values(values)} ;;' for c in commands for at, values in enumerate(c.places)
    ]
    return _BASH.format(
        names=" ".join(c.name for c in commands),
        valued=valued,
        arms="\n".join(arms),
        flags="\n".join(flags),
        places="\n".join(places),
    )


def _bash_values(values: Values) -> str:
    match values:
        case "none":
            return ":"
        case "files":
            return "_crawler_names -f"
        case "configs":
            return "_crawler_names -f -X '!*.toml'"
        case "folders":
            return "_crawler_names"
        case words:
            return f"_crawler_words {quote(' '.join(words))}"


_BASH = """\
# bash completion for crawler, made by `crawler completion bash`

_crawler_words() {{
    local IFS=$' \\t\\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}}

_crawler_names() {{ # folders, and what the arguments choose
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -d -- "$cur"; [[ $# -gt 0 ]] && compgen "$@" -- "$cur"))
    local name seen=$'\\n' each=()
    for name in "${{COMPREPLY[@]}}"; do # a folder is a file as well
        [[ $seen == *$'\\n'"$name"$'\\n'* ]] || each+=("$name")
        seen+=$name$'\\n'
    done
    COMPREPLY=("${{each[@]}}")
}}

_crawler() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    local valued=" {valued} "
    local command='' word place=0 flags='' at
    COMPREPLY=()
    if [[ $cur == '=' ]]; then # bash takes --flag=value for three words
        cur=''
    elif [[ $prev == '=' ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${{COMP_WORDS[at]}}
        if [[ -z $command ]]; then
            [[ $word == -* ]] || command=$word
        elif [[ $word == '=' || ${{COMP_WORDS[at-1]}} == '=' ]]; then
            continue
        elif [[ $word == -* ]]; then
            continue
        elif [[ $valued != *" $command${{COMP_WORDS[at-1]}} "* ]]; then
            place=$((place + 1))
        fi
    done
    if [[ -z $command ]]; then
        _crawler_words '{names} --help --version'
        return
    fi
    case "$command $prev" in
{arms}
    esac
    if [[ $cur == -* ]]; then
        case $command in
{flags}
        esac
        _crawler_words "$flags"
        return
    fi
    case "$command $place" in
{places}
    esac
}}

complete -F _crawler crawler
"""


def zsh(commands: Sequence[Command]) -> str:
    """For zsh 5, as a file `_crawler` of its fpath or sourced after compinit."""
    described = "\n".join(f"        {quote(f'{c.name}:{c.help}')}" for c in commands)
    cases = "\n".join(f"        {c.name})\n{_zsh_command(c)}\n            ;;" for c in commands)
    return _ZSH.format(described=described, cases=cases)


def _zsh_command(command: Command) -> str:
    specs = [quote(spec) for flag in command.flags for spec in _zsh_flag(flag)]
    specs += [quote(f"{at}::{_zsh_label(values)}:{_zsh_values(values)}") for at, values in enumerate(command.places, 1)]
    return " \\\n".join(["            _arguments", *(f"                {spec}" for spec in specs)])


def _zsh_flag(flag: Flag) -> Iterable[str]:
    others = "*" if flag.many else f"({' '.join(flag.names)})"
    said = "".join(f"\\{c}" if c in "[]\\:" else c for c in flag.help)
    for name in flag.names:
        if flag.values is None:
            yield f"{others}{name}[{said}]"
        else:
            joint = "=" if name.startswith("--") else "+"
            label = flag.label.replace(":", "\\:") or "value"
            yield f"{others}{name}{joint}[{said}]:{label}:{_zsh_values(flag.values)}"


def _zsh_label(values: Values) -> str:
    return values if isinstance(values, str) else "word"


def _zsh_values(values: Values) -> str:
    match values:
        case "none":
            return " "
        case "files":
            return "_files"
        case "configs":
            return '_files -g "*.toml"'
        case "folders":
            return "_files -/"
        case words:
            return f"({' '.join(words)})"


_ZSH = """\
#compdef crawler
# zsh completion for crawler, made by `crawler completion zsh`

_crawler() {{
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -C '--help[the commands]' '--version[which version this is]' '1: :->command' '*:: :->rest'
    if [[ $state == command ]]; then
        local -a commands=(
{described}
        )
        _describe -t commands 'crawler command' commands
        return
    fi
    [[ $state == rest ]] || return
    case $words[1] in
{cases}
    esac
}}

if [[ $funcstack[1] == _crawler ]]; then
    _crawler "$@"
else
    compdef _crawler crawler
fi
"""


def fish(commands: Sequence[Command]) -> str:
    """For fish 3."""
    lines = [_FISH.rstrip("\n")]
    lines += [
        f"complete -c crawler -n '__crawler_at' -a {_fish_quote(c.name)} -d {_fish_quote(c.help)}" for c in commands
    ]
    lines.append("complete -c crawler -n '__crawler_at' -l version -d 'which version this is'")
    for command in commands:
        when = f"complete -c crawler -n '__crawler_at {command.name}'"
        for flag in command.flags:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in flag.names)
            value = "" if flag.values is None else f" {_fish_values(flag.values)}"
            lines.append(f"{when} {names}{value} -d {_fish_quote(flag.help)}")
        lines += [f"{when} {_FISH_PLACES[v] if isinstance(v, str) else _fish_words(v)}" for v in set(command.places)]
    return "\n".join(lines) + "\n"


_FISH = """\
# fish completion for crawler, made by `crawler completion fish`

function __crawler_at # whether the command is the one that is named; without a name: whether there is none yet
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        test "$word" = "$argv[1]"
        return
    end
    not set -q argv[1]
end

complete -c crawler -f
"""
_FISH_PLACES: Mapping[str, str] = {
    "none": "-f",
    "files": "-F",
    "configs": "-a '(__fish_complete_suffix .toml)'",
    "folders": "-a '(__fish_complete_directories)'",
}


def _fish_values(values: Values) -> str:
    match values:
        case "none":
            return "-x"
        case "files":
            return "-r -F"
        case "configs" | "folders":
            return f"-x {_FISH_PLACES[values]}"
        case words:
            return f"-x {_fish_words(words)}"


def _fish_words(words: Iterable[str]) -> str:
    return f"-a {_fish_quote(' '.join(words))}"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _names(flags: Iterable[Flag]) -> Iterable[str]:
    return (name for flag in flags for name in flag.names)
