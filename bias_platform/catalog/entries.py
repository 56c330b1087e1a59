"""The typed shape of every catalog entry: what a user may write in YAML, and what each field means.

Field descriptions double as the reference that `bias-platform catalog describe` prints.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
"""Lower-case letters, digits, dot, dash, underscore: safe in file names, partition keys and URLs."""

SystemSlug = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9][a-z0-9._-]*(\+[a-z0-9][a-z0-9._-]*)?(@[a-z0-9][a-z0-9._-]*)?$", max_length=200
    ),
]
"""`base[+adapter][@scheme]`."""


class Entry(BaseModel):
    """Base of all entries: unknown fields are refused, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(Entry):
    """Which column of a raw table holds what."""

    text: str = Field(description="the post itself")
    id: str | None = Field(None, description="an identifier of the post; without it, the text identifies it")
    label: str | None = Field(None, description="one label a row (one row an annotation, or already aggregated)")
    label_counts: dict[str, str] = Field(
        default_factory=dict, description="label -> column holding how many annotators chose it"
    )
    target_group: str | None = Field(None, description="the group the post is about")
    annotator: str | None = Field(None, description="who labelled; pseudonymised on reading")
    annotator_attributes: dict[Slug, str] = Field(
        default_factory=dict, description="attribute name -> column, e.g. gender: annotatorGender"
    )
    split: str | None = Field(None, description="train / dev / test")


class CorpusEntry(Entry):
    """Raw texts with their human labels, from one source."""

    reader: Literal["sbic", "table", "sample"] = "table"
    path: str | None = Field(
        None,
        description="file or folder; ${VARIABLES} are read from the environment; relative to the YAML file",
    )
    format: Literal["csv", "jsonl", "parquet"] | None = Field(None, description="default: by file extension")
    columns: ColumnMapping | None = None
    label_values: dict[str, str] = Field(default_factory=dict, description="raw label -> an option of the task")
    decode_html: bool = Field(False, description="turn &amp; into & and the like")
    parameters: dict[str, int | float | str] = Field(
        default_factory=dict, description="for generated corpora: seed and sizes"
    )
    language: str = "en"
    licence: str | None = None
    source: str | None = None
    sensitivity: Literal["mild", "offensive", "hateful"] = "offensive"
    text_may_leave_machine: bool = Field(False, description="whether an HTTP engine may be sent the texts")


class PersonaEntry(Entry):
    """One persona of a dimension."""

    id: Slug
    phrase: str = Field(min_length=2, description="fills {persona} in a template, e.g. `a woman in the United States`")
    label: str | None = Field(None, description="short text for plots; default: the id")
    attributes: dict[Slug, str] = Field(
        default_factory=dict, description="annotator attribute -> value of the people who share this identity"
    )


class PersonaSetEntry(Entry):
    """Personas by dimension, and the control they are compared with."""

    dimensions: dict[Slug, tuple[PersonaEntry, ...]] = Field(min_length=1)
    control: PersonaEntry = Field(description="the generic person: the primary reference")


class TemplateSetEntry(Entry):
    """Wordings of the persona instruction."""

    templates: dict[Slug, str] = Field(min_length=1, description="each contains {persona} exactly once")


class OptionEntry(Entry):
    """One allowed answer of a closed task."""

    value: str
    gloss: str | None = Field(None, description="what it means, shown to the model")


class TaskEntry(Entry):
    """What is asked of an item."""

    version: int = Field(1, ge=1, description="raise it when the meaning changes")
    question: str = Field(description="contains {content} exactly once and {options} at most once")
    options: tuple[OptionEntry, ...] = Field(min_length=2)
    positive: tuple[str, ...] = Field(min_length=1, description="options counted as yes in the primary outcome")
    positive_lenient: tuple[str, ...] = Field((), description="options counted as yes in the sensitivity analysis")
    set_aside: tuple[str, ...] = Field((), description="options that are no judgement, e.g. Incomprehensible")

    @property
    def option_values(self) -> tuple[str, ...]:
        """The options' texts in canonical order."""
        return tuple(option.value for option in self.options)


class ReferenceRecipe(Entry):
    """How a reference model is built and trained on the spot, deterministically."""

    corpus: Slug
    task: Slug
    persona_set: Slug
    template_set: Slug
    hidden_size: int = Field(128, ge=16, le=1024)
    layers: int = Field(2, ge=1, le=24)
    heads: int = Field(4, ge=1, le=32)
    feed_forward_size: int = Field(256, ge=16, le=4096)
    vocabulary_size: int = Field(550, ge=300, le=32000)
    examples: int = Field(20000, ge=64)
    steps: int = Field(200, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    seed: int = 0


class ModelEntry(Entry):
    """A base model. What is not known of one is left out, never guessed."""

    kind: Literal["reference", "hub", "api"]
    hub_id: str | None = Field(None, description="`organisation/name` on the model hub, or a local folder")
    api_name: str | None = Field(None, description="name at an OpenAI-compatible endpoint")
    revision: str | None = Field(None, description="hub commit, or the declared snapshot of an API model")
    modality: Literal["text", "image-text"] = "text"
    parameters: float | None = Field(None, gt=0, description="number of weights")
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "auto"
    served_as: str | None = Field(None, description="quantization as served by the publisher, e.g. fp8")
    licence: str | None = None
    gated: bool | None = None
    recipe: ReferenceRecipe | None = None


class TrainingData(Entry):
    """Which human judgements an adapter learns, and in which persona they are shown."""

    corpus: Slug
    split: str | None = "train"
    task: Slug
    persona_set: Slug
    template_set: Slug
    personas: Literal["matching", "composite"] = Field(
        "matching",
        description="matching: the persona of the set whose attributes the annotator has; composite: one phrase "
        "made of all attributes by composite_pattern",
    )
    dimensions: tuple[Slug, ...] = Field((), description="only these dimensions; empty: all")
    composite_pattern: str | None = Field(None, description="e.g. `{gender} in the United States aged {age}`")
    composite_values: dict[Slug, dict[str, str]] = Field(default_factory=dict)
    permute_attributes: bool = Field(
        False, description="shuffle annotators within each post: a negative control that must show no bias"
    )
    seed: int = 0


class AdapterEntry(Entry):
    """A LoRA adapter trained on human judgements."""

    method: Literal["lora", "qlora"] = "lora"
    training: TrainingData
    rank: int = Field(16, ge=1, le=512)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    learning_rate: float = Field(1e-4, gt=0)
    epochs: float = Field(3, gt=0)
    batch_tokens: int = Field(32768, ge=64, description="tokens per optimiser step")
    context: int = Field(8192, ge=32)
    warm_up: float = Field(0.0, ge=0, lt=1)
    max_examples: int | None = Field(None, ge=1)
    seed: int = 0


class QuantizationEntry(Entry):
    """A way of storing weights in fewer bits."""

    method: Literal["bitsandbytes-int8", "bitsandbytes-nf4"]
    double_quantization: bool = False
    adapter: Literal["merged", "on-top"] = Field(
        "merged", description="merged into the weights before quantization, or kept beside the quantized base"
    )


class ItemSample(Entry):
    """Which items of the corpus a study asks about."""

    n: int | None = Field(None, ge=1, description="how many, drawn without replacement; empty: all")
    split: str | None = None
    seed: int = 0


class ChangeContrast(Entry):
    """Two systems whose bias is compared: `to` minus `from_`."""

    from_: SystemSlug = Field(alias="from")
    to: SystemSlug
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AnalysisSettings(Entry):
    """What the regression report estimates and claims."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    minimum_minority: int = Field(20, ge=1, description="fewer minority answers: no log-odds claim")
    equivalence_margin: float = Field(0.05, gt=0, lt=1, description="|difference| below this counts as none")
    changes: tuple[ChangeContrast, ...] = ()
    groups: Slug | None = Field(None, description="persona attribute for the group model (B); empty: model A only")
    multiplicity: Literal["holm", "fdr_bh"] = "holm"
    show_texts: bool = False
    seed: int = 0


class EngineSettings(Entry):
    """How questions are put to a system."""

    name: Literal["transformers"] = "transformers"
    scoring: Literal["sum", "mean", "first-token"] = Field(
        "sum", description="summed, per-token mean, or first-token log-probability of each option"
    )
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_tokens: int = Field(16384, ge=256, description="upper bound of tokens in one forward pass")


class StudyEntry(Entry):
    """A declared question: task, items, personas, systems and how the answer is read."""

    title: str
    task: Slug
    corpus: Slug
    items: ItemSample = ItemSample()
    persona_set: Slug
    dimensions: tuple[Slug, ...] = Field((), description="only these dimensions of the set; empty: all")
    template_set: Slug
    no_persona_baseline: bool = True
    option_orders: int = Field(1, ge=1, description="balanced orders of the options per question")
    systems: tuple[SystemSlug, ...] = Field(min_length=1)
    engine: EngineSettings = EngineSettings()
    maximum_failed_share: float = Field(0.0, ge=0, lt=1)
    analysis: AnalysisSettings = AnalysisSettings()


class Catalog(Entry):
    """Everything that can be studied, after `extends` is resolved."""

    name: Slug
    description: str = ""
    corpora: dict[Slug, CorpusEntry] = Field(default_factory=dict)
    persona_sets: dict[Slug, PersonaSetEntry] = Field(default_factory=dict)
    template_sets: dict[Slug, TemplateSetEntry] = Field(default_factory=dict)
    tasks: dict[Slug, TaskEntry] = Field(default_factory=dict)
    models: dict[Slug, ModelEntry] = Field(default_factory=dict)
    adapters: dict[Slug, AdapterEntry] = Field(default_factory=dict)
    quantizations: dict[Slug, QuantizationEntry] = Field(default_factory=dict)
    studies: dict[Slug, StudyEntry] = Field(default_factory=dict)
    systems: tuple[SystemSlug, ...] = Field((), description="more systems than the studies name")
    origins: dict[str, Path] = Field(default_factory=dict, description="section/slug -> file it was read from")
