"""Partitions of a catalog's assets, and the mappings that make lineage exact to the partition."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.noise_settings import RepeatSettings
from bias_platform.catalog.recipes import learners, model_slugs
from bias_platform.catalog.systems import all_systems, parse_system, study_cells, study_personas


@dataclass(frozen=True)
class Partitions:
    """The partition sets of one catalog. Each set is one object, shared by all assets that use it."""

    catalog: Catalog

    @cached_property
    def systems(self) -> dg.StaticPartitionsDefinition:
        """Every system slug."""
        return dg.StaticPartitionsDefinition(list(all_systems(self.catalog)))

    @cached_property
    def models(self) -> dg.StaticPartitionsDefinition:
        """Every slug that stands for weights: bases, adapted and quantized ones."""
        return dg.StaticPartitionsDefinition(list(model_slugs(self.catalog)))

    @cached_property
    def bases(self) -> dg.StaticPartitionsDefinition:
        """Base models in use."""
        return self._model_set(lambda slug: parse_system(slug).base == slug)

    @cached_property
    def adapted(self) -> dg.StaticPartitionsDefinition:
        """`base+adapter` slugs in use."""
        return self._model_set(lambda slug: parse_system(slug).adapted_slug == slug)

    @cached_property
    def quantized(self) -> dg.StaticPartitionsDefinition:
        """Quantized slugs in use."""
        return self._model_set(lambda slug: parse_system(slug).scheme is not None)

    @cached_property
    def learners(self) -> dg.StaticPartitionsDefinition:
        """Adapters and reference bases in use."""
        return dg.StaticPartitionsDefinition(list(learners(self.catalog)))

    def grid(self, study: str) -> dg.MultiPartitionsDefinition:
        """System x persona of a study: its systems, its personas."""
        entry = self.catalog.studies[study]
        return dg.MultiPartitionsDefinition(
            {
                "model": self.systems,
                "persona": dg.StaticPartitionsDefinition(list(study_personas(self.catalog, entry))),
            }
        )

    def study_keys(self, study: str) -> list[dg.MultiPartitionKey]:
        """The grid keys that belong to the study: the grid also holds systems that only other studies use."""
        return _grid_keys(study_cells(self.catalog, self.catalog.studies[study]))

    def whole_keys(self, study: str) -> list[dg.MultiPartitionKey]:
        """Those of systems that are asked in every persona: what a regression compares."""
        entry = self.catalog.studies[study]
        return [key for key in self.study_keys(study) if key.keys_by_dimension["model"] in entry.systems]

    def repeat_grid(self, study: str) -> dg.MultiPartitionsDefinition:
        """System x repeat of a study's noise floor."""
        names = [repeat.name for repeat in self._repeats(study)]
        return dg.MultiPartitionsDefinition({"model": self.systems, "repeat": dg.StaticPartitionsDefinition(names)})

    def repeat_keys(self, study: str) -> list[dg.MultiPartitionKey]:
        """The keys of that grid that the study declares; none without a noise floor."""
        return [
            dg.MultiPartitionKey({"model": system, "repeat": repeat.name})
            for system in self.catalog.studies[study].systems
            for repeat in self._repeats(study)
            if not repeat.systems or system in repeat.systems
        ]

    def _repeats(self, study: str) -> tuple[RepeatSettings, ...]:
        floor = self.catalog.studies[study].noise_floor
        return floor.repeats if floor else ()

    def _model_set(self, belongs: Callable[[str], bool]) -> dg.StaticPartitionsDefinition:
        return dg.StaticPartitionsDefinition([slug for slug in model_slugs(self.catalog) if belongs(slug)])


def _grid_keys(cells: Iterable[tuple[str, str]]) -> list[dg.MultiPartitionKey]:
    return [dg.MultiPartitionKey({"model": system, "persona": persona}) for system, persona in cells]
