"""From a catalog's name or folder to a checked `Catalog`, or to one error that names every mistake."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from bias_platform.catalog import entries
from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.entry import Entry
from bias_platform.catalog.entry_rules import rule_problems
from bias_platform.catalog.folders import catalog_folder
from bias_platform.catalog.layers import SECTIONS, RawCatalog, read_layers
from bias_platform.catalog.problems import Problem, shown
from bias_platform.catalog.references import reference_problems
from bias_platform.catalog.slugs import Slug, SystemSlug
from bias_platform.catalog.typing_errors import entry_problems
from bias_platform.errors import CatalogError, bullet_list, counted

ENTRY_TYPES: dict[str, type[Entry]] = {
    "corpora": entries.CorpusEntry,
    "persona_sets": entries.PersonaSetEntry,
    "template_sets": entries.TemplateSetEntry,
    "tasks": entries.TaskEntry,
    "models": entries.ModelEntry,
    "adapters": entries.AdapterEntry,
    "quantizations": entries.QuantizationEntry,
    "studies": entries.StudyEntry,
}
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
_SYSTEMS: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[SystemSlug, ...])


def load_catalog(name_or_folder: str | Path | None = None) -> Catalog:
    """Loads a catalog.

    Args:
        name_or_folder: a shipped catalog (`demo`, `paper`) or a folder of YAML files; None: the environment variable
            `BIAS_PLATFORM_CATALOG`, else `demo`.

    Raises:
        CatalogError: there is no such catalog, or it has mistakes; all of them are listed, each with file, line,
            field, value and what is allowed. No corpus, model or environment variable of a path is looked at yet.
    """
    folder = catalog_folder(name_or_folder)
    raw = read_layers(folder)
    catalog = _typed(raw)
    raw.complain(rule_problems(catalog))
    if raw.complete:
        raw.complain(reference_problems(catalog, raw.sections))
    if raw.problems:
        lines = list(dict.fromkeys(line for _, _, line in sorted(raw.problems)))
        count = counted(len(lines), "mistake")
        raise CatalogError(f"the catalog in {folder} has {count}:\n{bullet_list(lines, limit=200)}")
    return catalog


def _typed(raw: RawCatalog) -> Catalog:
    """The entries that have the right shape; of the others, the problems are noted."""
    sections: dict[str, dict[str, BaseModel]] = {section: {} for section in SECTIONS}
    for section, values in raw.sections.items():
        for slug, value in values.items():
            entry = _typed_entry(raw, section, slug, value)
            if entry is not None:
                sections[section][slug] = entry
    origins = {"/".join(map(str, place)): file.path for place, file in raw.files.items() if len(place) == 2}
    return Catalog.model_validate(
        {
            "name": _name(raw),
            "description": _description(raw),
            "systems": _extra_systems(raw),
            "folder": raw.folder,
            "origins": origins,
            **sections,
        }
    )


def _typed_entry(raw: RawCatalog, section: str, slug: str, value: Any) -> BaseModel | None:
    model, place = ENTRY_TYPES[section], (section, slug)
    entry = None
    try:
        entry = model.model_validate(value)
    except ValidationError as error:
        raw.complain(entry_problems(error, model, place))
    try:
        _SLUG.validate_python(slug)
    except ValidationError as error:
        raw.complain(entry_problems(error, model, place))
        return None
    return entry


def _name(raw: RawCatalog) -> str:
    name = raw.own.get("name", raw.folder.name)
    try:
        return _SLUG.validate_python(name)
    except ValidationError as error:
        found = entry_problems(error, Catalog, ("name",))
        if "name" not in raw.own:
            reason = f"no file has a `name:`, and the folder's does not serve as one: {found[0].message}"
            found = [Problem((), reason)]
        raw.complain(found)
        return "unnamed"


def _description(raw: RawCatalog) -> str:
    description = raw.own.get("description") or ""
    if isinstance(description, str):
        return description
    raw.complain([Problem(("description",), f"must be a text, not {shown(description)}")])
    return ""


def _extra_systems(raw: RawCatalog) -> tuple[str, ...]:
    try:
        return _SYSTEMS.validate_python(raw.own.get("systems") or ())
    except ValidationError as error:
        raw.complain(entry_problems(error, Catalog, ("systems",)))
        return ()
