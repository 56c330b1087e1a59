"""The reference of all sections and fields of a catalog, in Markdown, made from the entries' own descriptions."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.layers import OWN_FIELDS, SECTIONS

_NOT_WRITTEN = {"origins"}


def field_reference() -> str:
    """Markdown: what a YAML file may hold, then one table of fields for each kind of entry."""
    lines = ["# What a catalog may hold", "", _INTRODUCTION, ""]
    lines += ["| section | holds |", "|---|---|"]
    lines += [f"| `{name}` | {_section(name)} |" for name in (*OWN_FIELDS, *SECTIONS)]
    for model in _models(Catalog)[1:]:
        lines += ["", f"## {model.__name__}", "", _summary(model), "", "| field | value | default | meaning |"]
        lines += ["|---|---|---|---|", *(_row(name, info) for name, info in model.model_fields.items())]
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    "A catalog is a folder of YAML files; each may hold any of these sections, and a slug is declared in one of them. "
    "`Yes`, `No`, `on` and `off` are texts; only `true` and `false` are booleans."
)


def _section(name: str) -> str:
    if name == "extends":
        return "a shipped catalog's name or a folder: its entries are taken over, except studies and systems"
    info = Catalog.model_fields[name]
    entry = next(iter(_models_in(info.annotation)), None)
    kind = f": {_link(entry)}" if entry else ""
    return f"{_cell(info.description or '')}{kind}"


def _models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The root and every model its fields lead to, each once, in reading order."""
    found = [root]
    for name, info in root.model_fields.items():
        for inner in _models_in(info.annotation) if name not in _NOT_WRITTEN else []:
            found += [model for model in _models(inner) if model not in found]
    return list(dict.fromkeys(found))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _row(name: str, info: FieldInfo) -> str:
    value = f"{_kind(info.annotation, info.metadata)}{_bounds(info)}"
    default = "required" if info.is_required() else _default(info)
    return f"| `{info.alias or name}` | {_cell(value)} | {default} | {_cell(info.description or '')} |"


def _kind(annotation: Any, metadata: object = None) -> str:
    """A type in words: `text`, `a or b`, `list of ...`, `... -> ...`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(_kind(argument, metadata) for argument in arguments if argument is not NoneType)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"{_kind(arguments[0])} -> {_kind(arguments[1])}"
    return _plain_kind(annotation, metadata)


def _plain_kind(annotation: Any, metadata: object) -> str:
    constraints = str(getattr(annotation, "__metadata__", metadata))
    if "pattern='" in constraints:
        return "system" if "@" in constraints else "slug"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _link(annotation)
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}.get(annotation, "text")


def _link(model: type[BaseModel]) -> str:
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _bounds(info: FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [f"{sign} {getattr(m, key)}" for m in info.metadata for key, sign in signs.items() if hasattr(m, key)]
    return f", {' and '.join(found)}" if found else ""


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "its defaults"
    if value is None or value in ((), {}, ""):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
