"""A catalog in plain text, for people at a terminal."""

from collections.abc import Iterable, Sequence

from bias_platform.catalog.entries import (
    AdapterEntry,
    Catalog,
    CorpusEntry,
    ModelEntry,
    PersonaSetEntry,
    QuantizationEntry,
    StudyEntry,
    TaskEntry,
)
from bias_platform.catalog.launches import launches, study_runs
from bias_platform.catalog.report_kinds import report_kinds
from bias_platform.catalog.systems import all_systems, study_personas, study_systems
from bias_platform.errors import counted

_WIDTH = 24


def describe_catalog(catalog: Catalog) -> str:
    """An overview: corpora, persona sets, systems, and studies with their number of questions per item."""
    blocks = [
        _block("corpora", [(slug, _corpus(entry)) for slug, entry in catalog.corpora.items()]),
        _block("persona sets", [(slug, _persona_set(entry)) for slug, entry in catalog.persona_sets.items()]),
        _block("template sets", [(slug, ", ".join(entry.templates)) for slug, entry in catalog.template_sets.items()]),
        _block("tasks", [(slug, _task(entry)) for slug, entry in catalog.tasks.items()]),
        _block("models", [(slug, _model(entry)) for slug, entry in catalog.models.items()]),
        _block("adapters", [(slug, _adapter(entry)) for slug, entry in catalog.adapters.items()]),
        _block("quantizations", [(slug, _quantization(entry)) for slug, entry in catalog.quantizations.items()]),
        _block("systems", [(slug, _asked_by(catalog, slug)) for slug in all_systems(catalog)]),
        *(_study(catalog, slug, study) for slug, study in catalog.studies.items()),
    ]
    title = f"catalog {catalog.name}" + (f": {catalog.description.strip()}" if catalog.description else "")
    return "\n\n".join([title, *filter(None, blocks)]) + "\n"


def questions_per_item(catalog: Catalog, study: StudyEntry) -> int:
    """How many questions one system is asked about one item.

    Named personas and the control are asked in every wording; the baseline has none and is asked once an option order.
    """
    baseline = int(study.no_persona_baseline)
    personas = len(study_personas(catalog, study)) - baseline
    wordings = len(catalog.template_sets[study.template_set].templates)
    return (personas * wordings + baseline) * study.option_orders * study.replicates


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max([_WIDTH, *(len(slug) + 2 for slug, _ in rows)])
    return "\n".join([title, *(f"  {slug:<{width}}{text}".rstrip() for slug, text in rows)]) if rows else ""


def _said(parts: Iterable[str | None]) -> str:
    return ", ".join(part for part in parts if part)


def _corpus(entry: CorpusEntry) -> str:
    leaving = "texts may leave the machine" if entry.text_may_leave_machine else "texts stay on the machine"
    place = entry.path or ("to be fetched" if entry.download else "generated")
    return _said([place, f"reader {entry.reader}", entry.language, entry.sensitivity, entry.licence, leaving])


def _persona_set(entry: PersonaSetEntry) -> str:
    sizes = [f"{dimension} {len(personas)}" for dimension, personas in entry.dimensions.items()]
    total = sum(len(personas) for personas in entry.dimensions.values())
    return f"{total} personas ({', '.join(sizes)}), control {entry.control.id}"


def _task(entry: TaskEntry) -> str:
    return " / ".join(entry.option_values) or entry.answer


def _model(entry: ModelEntry) -> str:
    size = f"{entry.parameters / 1e6:,.4g} M weights" if entry.parameters else None
    served = f"served as {entry.served_as}" if entry.served_as else None
    return _said([entry.kind, entry.hub_id or entry.api_name, entry.modality, size, served, entry.licence])


def _adapter(entry: AdapterEntry) -> str:
    data, elsewhere = entry.training, entry.trained_elsewhere
    place = elsewhere.folder or f"served at {elsewhere.endpoint}" if elsewhere else None
    made = f"trained elsewhere ({place})" if place else f"{entry.method} rank {entry.rank}"
    if data is None:
        return made
    shown = f"persona {data.persona} by {data.labels}" if data.personas == "specific" else f"{data.personas} personas"
    shuffled = "attributes shuffled: a negative control" if data.permute_attributes else None
    return _said([f"{made} on {data.corpus}", shown, shuffled])


def _quantization(entry: QuantizationEntry) -> str:
    return f"{entry.method}, adapter {entry.adapter}"


def _asked_by(catalog: Catalog, system: str) -> str:
    studies = [slug for slug, study in catalog.studies.items() if system in study_systems(study)]
    return f"asked by {', '.join(studies)}" if studies else "in no study"


def _study(catalog: Catalog, slug: str, study: StudyEntry) -> str:
    each = questions_per_item(catalog, study)
    sample = study.items
    drawn = f"{sample.n:,}" if sample.n else "all"
    where = f"{study.corpus}, {sample.split}" if sample.split else study.corpus
    rows = [
        ("title", study.title),
        ("task", study.task),
        ("items", f"{drawn} of {where}"),
        ("personas", f"{len(study_personas(catalog, study))} with control and baseline, from {study.persona_set}"),
        ("questions per item", f"{each:,} to each of {counted(len(study.systems), 'system')}"),
    ]
    if study.group_systems:
        groups = ", ".join(f"{each.system} as {each.persona}" for each in study.group_systems)
        rows.append(("asked as one persona", groups))
    rows.append(("launches", f"{len(launches(catalog, slug))}, in runs {', '.join(study_runs(catalog, study))}"))
    rows.append(("reports", ", ".join(report_kinds(catalog, slug))))
    if sample.n:
        rows.append(("questions in all", f"{sample.n * each * len(study.systems):,}"))
    return _block(f"study {slug}", rows)
