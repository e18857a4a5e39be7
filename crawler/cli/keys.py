"""Every key of the config as one table, read off the settings models: kind, bounds, default and help of each.

Flags, environment, file, `init` and error messages are all derived from this table, so none of them can drift.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from crawler.cli import endpoints
from crawler.cli.toml import show
from crawler.section import Section
from crawler.settings import Settings

Shape = Literal["flag", "whole", "number", "text", "choice", "texts", "choices", "text_or_texts", "table"]

SESSION = "site.session"
"""The one setting that is no key: only the environment, or a private file, may hold it."""
SESSION_VARIABLE = "CRAWLER_SITE__SESSION"
ENVIRONMENT_PREFIX = "CRAWLER_"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `low`/`high` bound a number (`above`: low itself is out), `choices` a choice or a list's items."""

    name: str
    shape: Shape
    model: type[Section]
    choices: tuple[str, ...]
    low: float | None
    above: bool
    high: float | None
    default: Any
    help: str

    @property
    def field(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def section(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace(".", "__")

    def allowed(self) -> str:
        """What may be said here, to follow `must be`."""
        many = ", ".join(f'"{c}"' for c in self.choices)
        match self.shape:
            case "flag":
                return "true or false"
            case "whole" | "number":
                return f"{'a whole number' if self.shape == 'whole' else 'a number'}{self._range()}"
            case "choice":
                return f"one of {many}"
            case "choices":
                return f"a list of any of {many}"
            case "texts":
                return 'a list of texts, like ["a", "b"]'
            case "text_or_texts":
                return 'a text in quotes or a list of them, like ["a", "b"]'
            case "table":
                return 'a table of texts, like {"www.example.org" = "127.0.0.1:8443"}'
            case "text":
                return "a text in quotes"

    def _range(self) -> str:
        low, high = self.low, self.high
        if low is None:
            return "" if high is None else f", at most {high:.15g}"
        if high is None:
            return f" above {low:.15g}" if self.above else f", {low:.15g} or more"
        if self.above:
            return f" above {low:.15g}, at most {high:.15g}"
        return f" from {low:.15g} to {high:.15g}"

    def complaint(self, value: object) -> str:
        """What is wrong with a value (as TOML gives it, lists as tuples) in plain words; "" when it may stand."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be {self.allowed()}, not {show(value)}"
        control = _with_control(value)
        if control is not None:
            return f"must not hold control characters, as {show(control)} does"
        try:
            self.model.model_validate({self.field: value}, strict=True)
        except ValidationError as error:
            # A value_error is a model's own rule about a value of the right type; ours are told in better words.
            rules = [e["msg"].removeprefix("Value error, ") for e in error.errors() if e["type"] == "value_error"]
            return (endpoints.complaint(self.name, value) or rules[0]) if rules else self._explain(value, error)
        return endpoints.complaint(self.name, value)

    def _explain(self, value: object, error: ValidationError) -> str:
        items = _items(value)
        for problem in error.errors(include_url=False, include_context=False) if items else ():
            item = next((part for part in problem["loc"][1:] if isinstance(part, int)), None)
            if item is not None:
                bad = items[item]
                return f"must be {self.allowed()}, not {show(bad)} (item {item + 1}){self._meant(bad)}"
        return f"must be {self.allowed()}, not {show(value)}{self._meant(value)}"

    def _meant(self, value: object) -> str:
        guess = nearest(value, self.choices) if isinstance(value, str) else ""
        return f'; did you mean "{guess}"?' if guess else ""


def _items(value: object) -> tuple[object, ...]:
    return typing.cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()


def _with_control(value: object) -> str | None:
    """The first text in a value that holds a control character: no path, host, tag or header may."""
    if isinstance(value, str):
        return value if any(ord(c) < 32 or ord(c) == 127 for c in value) else None
    if isinstance(value, Mapping):
        pairs = typing.cast("Mapping[object, object]", value)
        return next((bad for part in (*pairs, *pairs.values()) if (bad := _with_control(part)) is not None), None)
    if isinstance(value, tuple):
        parts = typing.cast("tuple[object, ...]", value)
        return next((bad for part in parts if (bad := _with_control(part)) is not None), None)
    return None


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """The word most like `word`, or "" when none is near."""
    found = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=cutoff)
    return found[0] if found else ""


def nearest_key(name: str) -> str:
    """The real key that a mistyped or misplaced one was meant to be; "" when there is no telling.

    A key under the wrong section is found by its last part: `rate` is nearest to `limits.api.rate`.
    """
    table = keys()
    by_whole = nearest(name, table)
    if by_whole:
        return by_whole
    last = name.rpartition(".")[2].lower()
    fields = {key.field for key in table.values()}
    field = nearest(last, fields, 0.75)
    same = [key.name for key in table.values() if key.field == field]
    return nearest(name, same, 0.0) if same else ""


@cache
def keys() -> Mapping[str, Key]:
    """Every key by its dotted name, in the order of the config file."""
    return {key.name: key for key in _walk(Settings, "")}


@cache
def sections() -> Mapping[str, str]:
    """Every section by its dotted name with its sentence of help; a section's own keys come before its sections."""
    found = dict.fromkeys(key.section for key in keys().values())
    return {name: _sentence(name) for name in found}


def _sentence(section: str) -> str:
    model = next(key.model for key in keys().values() if key.section == section)
    return (model.__doc__ or "").strip().partition("\n")[0]


def _walk(model: type[Section], prefix: str) -> Iterable[Key]:
    inner: list[tuple[type[Section], str]] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            inner.append((annotation, f"{prefix}{name}."))
        elif annotation is not SecretStr:
            yield _key(model, f"{prefix}{name}", field)
    for section, path in inner:
        yield from _walk(section, path)


def _key(model: type[Section], name: str, field: FieldInfo) -> Key:
    shape, choices = _shape(field.annotation)
    low = high = None
    above = False
    for rule in field.metadata:
        low = getattr(rule, "ge", low)
        if hasattr(rule, "gt"):
            low, above = rule.gt, True
        high = getattr(rule, "le", high)
    default: Any = field.get_default(call_default_factory=True, validated_data={})
    return Key(name, shape, model, choices, low, above, high, default, field.description or "")


def _shape(annotation: Any) -> tuple[Shape, tuple[str, ...]]:
    """What kind of value an annotation stands for. Raises TypeError for one that this table cannot say."""
    plain: dict[Any, Shape] = {bool: "flag", int: "whole", float: "number", str: "text"}
    if annotation in plain:
        return plain[annotation], ()
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "choice", arguments
    if origin is tuple:
        shape, choices = _shape(arguments[0])
        return ("choices" if shape == "choice" else "texts"), choices
    if origin is dict:
        return "table", ()
    if origin in (typing.Union, types.UnionType):
        return "text_or_texts", ()
    raise TypeError(f"no way to write a value of {annotation} in a config")
