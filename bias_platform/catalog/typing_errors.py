"""What pydantic finds wrong with one entry, said in the words of somebody who writes YAML."""

import re
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bias_platform.catalog.problems import Field, Problem, allowed, shown

SLUG_RULE = "allowed: lower-case letters, digits, dot, dash and underscore, first a letter or digit, 80 at most"
SYSTEM_RULE = "allowed: base[+adapter][@scheme], each part in lower-case letters, digits, dot, dash and underscore"
_KINDS = {
    "dict_type": "must hold `key: value` lines",
    "model_type": "must hold `field: value` lines",
    "model_attributes_type": "must hold `field: value` lines",
    "tuple_type": "must be a list such as [a, b]",
    "list_type": "must be a list such as [a, b]",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def entry_problems(error: ValidationError, model: type[BaseModel], place: Field) -> list[Problem]:
    """One problem for each thing wrong with the entry at `place` that should have been a `model`."""
    found: dict[Field, str] = {}
    for detail in error.errors(include_url=False):
        inner = tuple(part for part in detail["loc"] if part != "[key]")
        if inner[:1] == ("parameters",):
            inner = inner[:2]  # after the name pydantic says which of int, float and str it tried
        found.setdefault((*place, *inner), _sentence(detail, model, inner))
    return [Problem(field, sentence) for field, sentence in found.items()]


def _sentence(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    kind, value = detail["type"], detail["input"]
    if kind in _KINDS:
        return f"{_KINDS[kind]}, not {_shown_value(value)}"
    if kind in _SAID:
        return _SAID[kind](detail, model, inner)
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    return f"{_shown_value(value)} is not possible: {message.replace('String should', 'it must')}"


def _extra(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    return f"there is no such field; {allowed(_fields_at(model, inner[:-1]), inner[-1])}"


def _missing(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    return f"is required; add it{_description(model, inner)}"


def _literal(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    names = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    return f"{_shown_value(detail['input'])} is not possible; {allowed(names, detail['input'])}"


def _text(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    value = detail["input"]
    quoted = "" if value is None or isinstance(value, dict | list) else f'; write it in quotes: "{value}"'
    return f"must be a text, not {_shown_value(value)}{quoted}"


def _empty(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    context = detail.get("ctx", {})
    return f"must hold at least {context.get('min_length', 1)}, not {context.get('actual_length', 'fewer')}"


def _slug(detail: ErrorDetails, model: type[BaseModel], inner: Field) -> str:
    value, context = detail["input"], detail.get("ctx", {})
    if "@" in str(context.get("pattern", "")) or context.get("max_length") == 200:
        return f"{shown(value)} is not a system; {SYSTEM_RULE}"
    if "A-Z" in str(context.get("pattern", "")):
        return f"{shown(value)} is not a currency; write its three capital letters, e.g. USD"
    repaired = re.sub(r"[^a-z0-9._-]+", "-", str(value).lower()).strip("-._")[:80]
    hint = f". Did you mean '{repaired}'?" if repaired else ""
    return f"{shown(value)} is not a slug; {SLUG_RULE}{hint}"


_SAID: dict[str, Callable[[ErrorDetails, type[BaseModel], Field], str]] = {
    "extra_forbidden": _extra,
    "missing": _missing,
    "literal_error": _literal,
    "string_type": _text,
    "too_short": _empty,
    "string_pattern_mismatch": _slug,
    "string_too_long": _slug,
}


def _shown_value(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else shown(value)


def _description(model: type[BaseModel], inner: Field) -> str:
    owner = _model_at(model, inner[:-1])
    fields = owner.model_fields if owner else {}
    by_written_name = {info.alias or name: info for name, info in fields.items()}
    info = by_written_name.get(str(inner[-1]))
    return f" ({info.description})" if info and info.description else ""


def _fields_at(model: type[BaseModel], inner: Field) -> list[str]:
    owner = _model_at(model, inner)
    return [info.alias or name for name, info in owner.model_fields.items()] if owner else []


def _model_at(model: type[BaseModel], inner: Field) -> type[BaseModel] | None:
    """The model that the value at `inner` should be; keys of mappings and positions in lists are stepped over."""
    current: type[BaseModel] | None = model
    for part in inner:
        if current and part in current.model_fields:
            current = next(_models_in(current.model_fields[str(part)].annotation), None)
    return current


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, dict, tuple, list}:
        for argument in get_args(annotation):
            yield from _models_in(argument)
