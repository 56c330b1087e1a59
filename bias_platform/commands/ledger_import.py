"""Puts together what an import of recorded answers needs: study, system, questions, ledger."""

from pathlib import Path

import pandas as pd

from bias_platform.catalog import Catalog
from bias_platform.catalog.entries import CorpusEntry, StudyEntry
from bias_platform.commands.ledger_view import import_view, ledger_title
from bias_platform.errors import UserError
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.registry import identity_for
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.pictures import shown_images
from bias_platform.inference.recorded_outcomes import Recorder
from bias_platform.inference.wide_results import read_wide_results
from bias_platform.models.system import ResolvedSystem, located
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.blueprints import Blueprints
from bias_platform.prompts.rendering import Renderer
from bias_platform.storage import Lake, read_table, verify_artifact
from bias_platform.storage.names import ITEMS, PERSONAS, PICTURES, QUESTIONS, SYSTEM
from bias_platform.storage.paths import lake_root


def import_file(catalog: Catalog, file: Path, *, study: str, system: str, post_column: str | None) -> str:
    """Imports a file and says what became of it.

    Raises:
        UserError: the study scores instead of letting write, something is unknown or not published, the file has not
            the expected shape, or the ledger is being written.
    """
    entry = _study(catalog, study, system)
    lake = Lake(lake_root(), catalog.name)
    blueprints = Blueprints(catalog, lake)
    folder = _current(blueprints.questions(study))
    resolved_file = _current(blueprints.system(system)) / SYSTEM
    resolved = located(ResolvedSystem.model_validate_json(resolved_file.read_text("utf-8")), lake.home)
    items, personas = read_table(folder / ITEMS, study), read_table(folder / PERSONAS, study)
    templates = dict(catalog.template_sets[entry.template_set].templates)
    corpus, task = catalog.corpora[entry.corpus], catalog.tasks[entry.task]
    columns, rows = read_wide_results(file, post_column or _post_column(corpus), _phrases(personas), list(templates))
    cells = CellTable(
        read_table(folder / QUESTIONS, study),
        items,
        renderer=Renderer(task, personas, templates),
        system=resolved,
        settings=entry.engine,
        engine=identity_for(entry.engine, resolved),
        images=shown_images(items, task.shown, lake.corpus(entry.corpus) / PICTURES),
    )
    path = lake.ledger(system, entry.task)
    with Ledger.open(path, wait=False) as ledger:
        recorder = Recorder(cells, items, decode_html=corpus.decode_html, task=task, ledger=ledger)
        report = recorder.take(rows)
    return f"{file} into {ledger_title(path)}\n{import_view(report, columns)}"


def _phrases(personas: pd.DataFrame) -> dict[str, str | None]:
    """Persona id -> phrase; None for the baseline."""
    phrases = personas["phrase"].astype(object).where(personas["phrase"].notna(), None)
    return dict(zip(personas["persona_id"], phrases, strict=True))


def _study(catalog: Catalog, study: str, system: str) -> StudyEntry:
    if study not in catalog.studies:
        allowed = ", ".join(catalog.studies) or "none: it has no study"
        raise UserError(f"no study '{study}' in catalog '{catalog.name}'; allowed: {allowed}")
    entry = catalog.studies[study]
    if system not in entry.systems:
        raise UserError(f"study '{study}' does not ask system '{system}'; allowed: {', '.join(entry.systems)}")
    if entry.engine.ask != "generate":
        raise UserError(
            f"study '{study}' compares scores of options (engine.ask: score), and recorded answers are texts; only a "
            "study whose engine has `ask: generate` can take them"
        )
    return entry


def _current(blueprint: Blueprint) -> Path:
    """The published folder, if it is what the catalog asks for now: other questions would be other cells."""
    if blueprint.current_manifest() is None:
        state = "out of date" if blueprint.folder.exists() else "not there"
        raise UserError(f"'{blueprint.name}' is {state} ({blueprint.folder}): materialize it first")
    verify_artifact(blueprint.folder, blueprint.name)
    return blueprint.folder


def _post_column(corpus: CorpusEntry) -> str:
    return corpus.columns.text if corpus.columns else "post"
