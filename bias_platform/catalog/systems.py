"""A system's slug taken apart: `base[+adapter][@scheme]`, and the system sets of a catalog."""

import re
from typing import NamedTuple

from bias_platform.catalog.entries import Catalog, StudyEntry

NO_PERSONA = "no-persona"
"""The partition key and persona id of the baseline that has no system message and no template."""

_SLUG = re.compile(r"^(?P<base>[^+@]+)(\+(?P<adapter>[^+@]+))?(@(?P<scheme>[^+@]+))?$")


class SystemParts(NamedTuple):
    """What a system is made of."""

    base: str
    adapter: str | None
    scheme: str | None

    @property
    def slug(self) -> str:
        """The parts put together again."""
        adapter = f"+{self.adapter}" if self.adapter else ""
        scheme = f"@{self.scheme}" if self.scheme else ""
        return f"{self.base}{adapter}{scheme}"

    @property
    def adapted_slug(self) -> str | None:
        """`base+adapter`, the partition of `models/adapters`; None without an adapter."""
        return f"{self.base}+{self.adapter}" if self.adapter else None


def parse_system(slug: str) -> SystemParts:
    """Takes a slug apart.

    >>> parse_system("small+annotators@nf4")
    SystemParts(base='small', adapter='annotators', scheme='nf4')
    """
    match = _SLUG.match(slug)
    if match is None:
        raise ValueError(f"'{slug}' is not a system slug; allowed: base[+adapter][@scheme]")
    return SystemParts(match["base"], match["adapter"], match["scheme"])


def all_systems(catalog: Catalog) -> tuple[str, ...]:
    """Every system the catalog names, each once: those of its studies in their order, then the extra ones."""
    named = [slug for study in catalog.studies.values() for slug in study_systems(study)]
    return tuple(dict.fromkeys([*named, *catalog.systems]))


def study_systems(study: StudyEntry) -> tuple[str, ...]:
    """Every system that a study asks: those asked in all personas, then those asked in their own group's only."""
    return tuple(dict.fromkeys([*study.systems, *(group.system for group in study.group_systems)]))


def study_cells(catalog: Catalog, study: StudyEntry) -> tuple[tuple[str, str], ...]:
    """Every (system, persona) that a study asks: the whole product of systems and personas, then the groups' own."""
    personas = study_personas(catalog, study)
    whole = [(system, persona) for system in study.systems for persona in personas]
    return tuple(dict.fromkeys([*whole, *((group.system, group.persona) for group in study.group_systems)]))


def labels_of(study: StudyEntry, system: str, persona: str) -> str | None:
    """The label policy that picks the items asked of a group's system; None: all items of the study."""
    for group in study.group_systems:
        if (group.system, group.persona) == (system, persona):
            return group.labels
    return None


def study_personas(catalog: Catalog, study: StudyEntry) -> tuple[str, ...]:
    """The persona partition keys of a study: named personas, the control, and `no-persona` where asked for."""
    control = catalog.persona_sets[study.persona_set].control.id
    baseline = [NO_PERSONA] if study.no_persona_baseline else []
    return (*named_personas(catalog, study), control, *baseline)


def named_personas(catalog: Catalog, study: StudyEntry) -> tuple[str, ...]:
    """The personas of a study that are compared with its control."""
    persona_set = catalog.persona_sets[study.persona_set]
    wanted = study.dimensions or tuple(persona_set.dimensions)
    return tuple(persona.id for dimension in wanted for persona in persona_set.dimensions[dimension])
