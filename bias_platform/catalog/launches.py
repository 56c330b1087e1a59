"""The launch matrix of a study: what was a folder of copied scripts is the product of its systems and its runs."""

from collections.abc import Iterable
from typing import NamedTuple

from bias_platform.catalog.entries import Catalog, PersonaRun, StudyEntry
from bias_platform.catalog.systems import NO_PERSONA, labels_of, study_personas

REFERENCES = "references"
"""The run of the control and of the model without persona, where a study does not say with whom they are launched."""


class Launch(NamedTuple):
    """Partitions of one study that are launched together: one system, some personas."""

    study: str
    run: str
    """slug of the run; of a group's system the group's persona"""
    system: str
    personas: tuple[str, ...]
    labels: str | None
    """label policy that picks the items asked of a group's system; None: all of the study"""

    @property
    def partitions(self) -> tuple[str, ...]:
        """The partition keys, `system|persona`."""
        return tuple(f"{self.system}|{persona}" for persona in self.personas)


def launches(catalog: Catalog, study: str) -> tuple[Launch, ...]:
    """Every launch of a study: each system in each run, then each system of a group in its own persona."""
    entry = catalog.studies[study]
    runs = study_runs(catalog, entry)
    whole = [Launch(study, run, system, names, None) for system in entry.systems for run, names in runs.items()]
    own = [
        Launch(study, group.persona, group.system, (group.persona,), labels_of(entry, group.system, group.persona))
        for group in entry.group_systems
    ]
    return (*whole, *own)


def study_runs(catalog: Catalog, study: StudyEntry) -> dict[str, tuple[str, ...]]:
    """Slug of each run -> its personas, in the order of the study's partitions.

    Without declared runs, each dimension is one, and the two references are one.
    """
    personas = study_personas(catalog, study)
    dimensions = catalog.persona_sets[study.persona_set].dimensions
    declared = study.runs or {
        **{name: PersonaRun(dimensions=(name,)) for name in study.dimensions or tuple(dimensions)},
        REFERENCES: PersonaRun(personas=_references(catalog, study)),
    }
    members = {
        slug: {*run.personas, *(p.id for name in run.dimensions for p in dimensions[name])}
        for slug, run in declared.items()
    }
    return {slug: _in_order(personas, wanted) for slug, wanted in members.items()}


def _references(catalog: Catalog, study: StudyEntry) -> tuple[str, ...]:
    control = catalog.persona_sets[study.persona_set].control.id
    return (control, NO_PERSONA) if study.no_persona_baseline else (control,)


def _in_order(personas: Iterable[str], wanted: set[str]) -> tuple[str, ...]:
    return tuple(persona for persona in personas if persona in wanted)
