"""Blueprints of reports: over which answers, and by what the catalog declares of them."""

from dataclasses import dataclass
from typing import Any

from bias_platform.catalog.description import questions_per_item
from bias_platform.catalog.report_kinds import AGREEMENT
from bias_platform.catalog.systems import named_personas
from bias_platform.orchestration.blueprint import Blueprint, BlueprintMaker
from bias_platform.prompts.sampling import draw_items
from bias_platform.storage import read_table
from bias_platform.storage.hashing import value_hash
from bias_platform.storage.names import ITEMS

_SAID_OF_AGREEMENT = {
    "title",
    "task",
    "corpus",
    "items",
    "persona_set",
    "dimensions",
    "template_set",
    "systems",
    "group_systems",
    "agreement",
}


@dataclass(frozen=True)
class ReportBlueprints(BlueprintMaker):
    """Those of a study's reports."""

    def report(
        self, study: str, partition_versions: dict[str, str], repeat_versions: dict[str, str] | None = None
    ) -> Blueprint:
        """The regression report over these partitions of predictions and of the noise floor (key -> data version)."""
        entry = self.catalog.studies[study]
        questions = f"prompts/{study}_questions"
        inputs = {
            questions: self._version(self.lake.questions(study), questions),
            f"corpora/{entry.corpus}": self._version(self.lake.corpus(entry.corpus), f"corpora/{entry.corpus}"),
            f"predictions/{study}": value_hash(partition_versions),
        }
        # what is assumed of answers beforehand, and at what pace and price they come, changes nothing in what is found
        declared = entry.model_dump(mode="json", by_alias=True, exclude={"power", "budget", "engine", "noise_floor"})
        declared["engine"] = entry.engine.deciding()
        if entry.noise_floor is not None:
            declared["noise_floor"] = entry.noise_floor.model_dump(mode="json")
            inputs[f"predictions/{study}_repeats"] = value_hash(repeat_versions)
        crossed = self.crossed(study)  # only where declared: other studies' reports stay what they are
        parameters = {
            "study": declared,
            "task": self.catalog.tasks[entry.task],
            **({"crossed": crossed} if crossed else {}),
        }
        return self._make(
            "report", f"reports/{study}_regression", self.lake.report(study, "regression"), inputs, parameters
        )

    def agreement(
        self, study: str, partition_versions: dict[str, str], repeat_versions: dict[str, str] | None = None
    ) -> Blueprint:
        """The agreement report over these partitions of predictions and of the noise floor (key -> data version)."""
        entry = self.catalog.studies[study]
        corpus, questions = f"corpora/{entry.corpus}", f"prompts/{study}_questions"
        inputs = {
            questions: self._version(self.lake.questions(study), questions),
            corpus: self._version(self.lake.corpus(entry.corpus), corpus),
            f"predictions/{study}": value_hash(partition_versions),
        }
        if repeat_versions:
            inputs[f"predictions/{study}_repeats"] = value_hash(repeat_versions)
        declared = entry.model_dump(mode="json", by_alias=True, include=_SAID_OF_AGREEMENT)
        parameters = {"study": declared, "task": self.catalog.tasks[entry.task]}
        folder = self.lake.report(study, AGREEMENT)
        return self._make("agreement", f"reports/{study}_{AGREEMENT}", folder, inputs, parameters)

    def crossed(self, study: str) -> dict[str, Any]:
        """Which dimensions of a study cross two others."""
        entry = self.catalog.studies[study]
        declared = self.catalog.persona_sets[entry.persona_set].crossed
        wanted = entry.dimensions or tuple(declared)
        return {name: one.model_dump(mode="json") for name, one in declared.items() if name in wanted}

    def power(self, study: str) -> Blueprint:
        """What a study could find. Nothing upstream but, where all items are taken, how many there are."""
        entry = self.catalog.studies[study]
        parameters = self.power_parameters(study)
        inputs = {}
        if entry.items.n is None:
            name, columns = f"corpora/{entry.corpus}", ["item_id", "split"]
            items = read_table(self.lake.corpus(entry.corpus) / ITEMS, f"{self.catalog.name}/{name}", columns)
            parameters["size"]["items"] = len(draw_items(items, entry.items))
            inputs[f"{name}[number of items]"] = str(parameters["size"]["items"])
        return self._make("power", f"reports/{study}_power", self.lake.report(study, "power"), inputs, parameters)

    def power_parameters(self, study: str) -> dict[str, Any]:
        """What the catalog declares that a study's power rests on; the title and who the personas are do not."""
        entry = self.catalog.studies[study]
        size = {
            "items": entry.items.n,
            "personas": len(named_personas(self.catalog, entry)),
            "templates": len(self.catalog.template_sets[entry.template_set].templates),
            "systems": len(entry.systems),
            "option_orders": entry.option_orders,
        }
        tested = {"changes", "confidence", "multiplicity", "equivalence_margin"}
        parameters: dict[str, Any] = {
            "size": size,
            "cells_per_item": questions_per_item(self.catalog, entry) * len(entry.systems),
            "systems": entry.systems,
            "analysis": entry.analysis.model_dump(mode="json", by_alias=True, include=tested),
            "power": entry.power,
        }
        return parameters | ({"all_items_of": [entry.corpus, entry.items.split]} if entry.items.n is None else {})
