"""Blueprints: from what, and as what, each artefact would be published now.

One blueprint serves three purposes: the arguments of publication, the request of a worker, and the question whether
what lies on disk is still what would be made. Nothing here imports dagster.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_platform.catalog.adapter_paths import resolve_adapter_folder
from bias_platform.catalog.paths import resolve_corpus
from bias_platform.catalog.recipes import learner_data, learner_fingerprint, recipe_fingerprint
from bias_platform.catalog.served_systems import served_adapter
from bias_platform.catalog.systems import labels_of, parse_system
from bias_platform.corpora import source_hash
from bias_platform.errors import ArtifactError
from bias_platform.models.adapter_folder import adapter_content
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.report_blueprints import ReportBlueprints
from bias_platform.prompts.group_items import group_key
from bias_platform.storage.hashing import value_hash
from bias_platform.storage.withdrawn import withdrawn_items


@dataclass(frozen=True)
class Blueprints(ReportBlueprints):
    """All blueprints of a catalog over a lake.

    Every method raises `ArtifactError` naming the asset to materialize when something upstream is not published.
    """

    def corpus(self, slug: str) -> Blueprint:
        """A corpus, from its raw files."""
        inputs = {"source": source_hash(slug, resolve_corpus(self.catalog, slug))}
        parameters = {"entry": self.catalog.corpora[slug], "withdrawn": sorted(withdrawn_items(self.lake))}
        return self._make("corpora", f"corpora/{slug}", self.lake.corpus(slug), inputs, parameters)

    def personas(self, slug: str) -> Blueprint:
        """A persona set, from its entry."""
        return self._make(
            "personas",
            f"personas/{slug}",
            self.lake.personas(slug),
            {},
            {"entry": self.catalog.persona_sets[slug]},
        )

    def questions(self, study: str) -> Blueprint:
        """What a study asks."""
        entry = self.catalog.studies[study]
        inputs = {
            f"corpora/{entry.corpus}": self._version(self.lake.corpus(entry.corpus), f"corpora/{entry.corpus}"),
            f"personas/{entry.persona_set}": self._version(
                self.lake.personas(entry.persona_set), f"personas/{entry.persona_set}"
            ),
        }
        parameters = self.question_parameters(study)
        return self._make("questions", f"prompts/{study}_questions", self.lake.questions(study), inputs, parameters)

    def question_parameters(self, study: str) -> dict[str, Any]:
        """What the catalog declares of a study's questions."""
        entry = self.catalog.studies[study]
        groups = [{"persona": each.persona, "labels": each.labels} for each in entry.group_systems if each.labels]
        return {
            "task": self.catalog.tasks[entry.task],
            "templates": self.catalog.template_sets[entry.template_set],
            "items": entry.items,
            "dimensions": entry.dimensions,
            "no_persona_baseline": entry.no_persona_baseline,
            "option_orders": entry.option_orders,
            "replicates": entry.replicates,
            **({"groups": groups} if groups else {}),
        }

    def examples(self, learner: str) -> Blueprint:
        """What an adapter or a reference base learns from."""
        data = learner_data(self.catalog, learner)
        inputs = {
            f"corpora/{data.corpus}": self._version(self.lake.corpus(data.corpus), f"corpora/{data.corpus}"),
            f"personas/{data.persona_set}": self._version(
                self.lake.personas(data.persona_set), f"personas/{data.persona_set}"
            ),
        }
        parameters = {"lessons": learner_fingerprint(self.catalog, learner)}
        return self._make("examples", f"prompts/examples[{learner}]", self.lake.examples(learner), inputs, parameters)

    def base(self, slug: str) -> Blueprint:
        """A base model: trained here, or found on a hub."""
        inputs = self._examples_of(slug) if self.catalog.models[slug].recipe else {}
        return self._model("base", slug, self.lake.base(slug), inputs)

    def adapter(self, adapted_slug: str) -> Blueprint:
        """An adapter, from its base and its examples; one trained elsewhere, from the files of its folder."""
        parts = parse_system(adapted_slug)
        assert parts.adapter is not None
        if self.catalog.adapters[parts.adapter].trained_elsewhere is not None:
            inputs = {"trained elsewhere": adapter_content(resolve_adapter_folder(self.catalog, parts.adapter))}
        else:
            inputs = {**self._base_of(parts.base), **self._examples_of(parts.adapter)}
        return self._model("adapters", adapted_slug, self.lake.adapter(adapted_slug), inputs)

    def checkpoint(self, system: str) -> Blueprint:
        """A quantized checkpoint, from its base and its adapter."""
        parts = parse_system(system)
        inputs = {**self._base_of(parts.base), **self._adapter_of(parts.adapted_slug)}
        return self._model("checkpoints", system, self.lake.checkpoint(system), inputs)

    def system(self, system: str) -> Blueprint:
        """A resolved system, from its parts; a tuned model served elsewhere has none here."""
        parts = parse_system(system)
        served = served_adapter(self.catalog, system) is not None
        inputs = {} if served else {**self._base_of(parts.base), **self._adapter_of(parts.adapted_slug)}
        if parts.scheme:
            name = f"models/checkpoints[{system}]"
            inputs[name] = self._version(self.lake.checkpoint(system), name)
        return self._model("systems", system, self.lake.system(system), inputs)

    def prediction(self, study: str, system: str, persona: str) -> Blueprint:
        """One partition of a study's answers. Only the persona's own questions count as its input."""
        entry = self.catalog.studies[study]
        questions = self._manifest(self.lake.questions(study), f"prompts/{study}_questions")
        labels = labels_of(entry, system, persona)
        asked = persona if labels is None else group_key(persona, labels)
        digest = questions.facts["persona_digests"].get(asked)
        if digest is None:
            raise ArtifactError(
                f"'prompts/{study}_questions' has no questions for persona '{asked}': materialize it again"
            )
        system_name = f"models/systems[{system}]"
        inputs = {
            f"prompts/{study}_questions[{asked}]": digest,
            system_name: self._current_system_version(system, system_name),
        }
        parameters = {"engine": entry.engine.deciding(), "maximum_failed_share": entry.maximum_failed_share}
        folder = self.lake.prediction_partition(study, system, persona)
        return self._make("predictions", f"predictions/{study}[{system}|{persona}]", folder, inputs, parameters)

    def repeat(self, study: str, system: str, name: str) -> Blueprint:
        """One partition of a study's noise floor. Only what is asked again counts as its input, and how."""
        entry = self.catalog.studies[study]
        floor = entry.noise_floor
        assert floor is not None
        questions = self._manifest(self.lake.questions(study), f"prompts/{study}_questions")
        digests: dict[str, str] = questions.facts["persona_digests"]
        control = self.catalog.persona_sets[entry.persona_set].control.id
        asked = [persona for persona in digests if persona in (*floor.personas, control) or not floor.personas]
        system_name = f"models/systems[{system}]"
        inputs = {
            f"prompts/{study}_questions[asked again]": value_hash({persona: digests[persona] for persona in asked}),
            system_name: self._current_system_version(system, system_name),
        }
        repeat = floor.named(name)
        parameters = {
            "engine": repeat.applied_to(entry.engine).deciding(),
            "repetition": repeat.repetition(floor.seed),
            "items": {"n": floor.items, "seed": floor.seed},
            "maximum_failed_share": entry.maximum_failed_share,
        }
        folder = self.lake.repeat_partition(study, system, name)
        return self._make("repeats", f"predictions/{study}_repeats[{system}|{name}]", folder, inputs, parameters)

    def index(self, study: str, partition_versions: dict[str, str]) -> Blueprint:
        """The table of contents of a study's prediction partitions (key -> data version)."""
        inputs = {f"predictions/{study}": value_hash(partition_versions)}
        return self._make("index", f"predictions/{study}_index", self.lake.index(study), inputs, {})

    def _current_system_version(self, system: str, name: str) -> str:
        """Version of the published system, refused when its recipe is no longer the catalog's."""
        manifest = self._manifest(self.lake.system(system), name)
        if manifest.parameters.get("recipe") != recipe_fingerprint(self.catalog, system):
            raise ArtifactError(
                f"'{name}' was made by another recipe than the catalog's: materialize its adapter, checkpoint and "
                f"'{name}' again"
            )
        return manifest.data_version

    def _model(self, room: str, slug: str, folder: Path, inputs: dict[str, str]) -> Blueprint:
        parameters = {"recipe": recipe_fingerprint(self.catalog, slug)}
        return self._make(room, f"models/{room}[{slug}]", folder, inputs, parameters)

    def _base_of(self, base: str) -> dict[str, str]:
        name = f"models/base[{base}]"
        return {name: self._version(self.lake.base(base), name)}

    def _adapter_of(self, adapted_slug: str | None) -> dict[str, str]:
        if adapted_slug is None:
            return {}
        name = f"models/adapters[{adapted_slug}]"
        return {name: self._version(self.lake.adapter(adapted_slug), name)}

    def _examples_of(self, learner: str) -> dict[str, str]:
        name = f"prompts/examples[{learner}]"
        return {name: self._version(self.lake.examples(learner), name)}
