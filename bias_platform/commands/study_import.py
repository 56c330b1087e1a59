"""`bias-platform catalog import-study`: the persona study's own JSON files become a catalog."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from bias_platform.catalog import load_catalog
from bias_platform.catalog.entry import Entry
from bias_platform.commands.sentences import sentences
from bias_platform.errors import UserError
from bias_platform.storage.hashing import value_hash

_HEAD = {
    "name": "persona-study",
    "description": "Personas, wordings and questions of the persona study, word for word; add studies that use them.",
    "extends": "paper",
}


def import_study(
    folder: Annotated[Path, typer.Argument(help="holds the study's JSON files: personas, wordings, questions")],
    out: Annotated[Path, typer.Option(help="new folder for the catalog")],
) -> None:
    """Writes the persona study's own personas, wordings and questions as a catalog that extends `paper`."""
    with sentences():
        for line in imported_lines(folder, out):
            typer.echo(line)


def imported_lines(folder: Path, out: Path) -> list[str]:
    """Writes the catalog, loads it again, and says what is in it and what is odd.

    Raises:
        UserError: files are missing or of another shape, or `out` holds something already.
    """
    from bias_platform.prompts.study_catalog import lines, read_study_catalog

    if out.exists() and any(out.iterdir()):
        raise UserError(f"--out {out} is not empty; name a new folder, so that nothing of yours is overwritten")
    found = read_study_catalog(folder)
    sections: dict[str, dict[str, Entry]] = {
        "persona_sets": dict(found.persona_sets),
        "template_sets": dict(found.template_sets),
        "tasks": dict(found.tasks),
    }
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "catalog.yaml", _HEAD)
    for name, entries in sections.items():
        plain = {slug: entry.model_dump(mode="json", exclude_defaults=True) for slug, entry in entries.items()}
        _write(out / f"{name}.yaml", {name: plain})
    _check_as_written(out, sections)
    return [*lines(found), f"catalog written to {out}: look at it with `bias-platform catalog describe -c {out}`"]


def _check_as_written(out: Path, sections: dict[str, dict[str, Entry]]) -> None:
    """What a catalog's reader makes of the files is what was meant: a question that lost a space is another one."""
    loaded = load_catalog(out)
    for name, entries in sections.items():
        changed = [
            slug for slug, entry in entries.items() if value_hash(getattr(loaded, name)[slug]) != value_hash(entry)
        ]
        if changed:
            raise UserError(f"{out}: {name} {', '.join(changed)} cannot be written as YAML without a change")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are read, under a `|`."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _write(path: Path, content: dict[str, Any]) -> None:
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, "utf-8")
