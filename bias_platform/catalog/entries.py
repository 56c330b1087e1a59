"""The typed shape of every catalog entry: what a user may write in YAML, and what each field means.

Field descriptions double as the reference that `bias-platform catalog describe` prints.
"""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from bias_platform.catalog.agreement_settings import AgreementSettings, GroupSystem, PersonaRun
from bias_platform.catalog.corpus_settings import ColumnMapping, CorpusEntry, LabelPolicy
from bias_platform.catalog.engine_settings import Budget, EngineSettings, Price
from bias_platform.catalog.entry import Entry
from bias_platform.catalog.family_settings import TestFamily
from bias_platform.catalog.noise_settings import NoiseFloor
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.catalog.slugs import Slug, SystemSlug
from bias_platform.catalog.training_settings import AdapterEntry, TrainedElsewhere, TrainingData

__all__ = [
    "AdapterEntry",
    "AgreementSettings",
    "AnalysisSettings",
    "Catalog",
    "ChangeContrast",
    "ColumnMapping",
    "CorpusEntry",
    "CrossedDimension",
    "GroupSystem",
    "ItemSample",
    "LabelPolicy",
    "ModelEntry",
    "OptionEntry",
    "PersonaEntry",
    "PersonaRun",
    "PersonaSetEntry",
    "QuantizationEntry",
    "ReferenceRecipe",
    "StudyEntry",
    "TaskEntry",
    "TemplateSetEntry",
    "TrainedElsewhere",
    "TrainingData",
    "VisionRecipe",
]


class PersonaEntry(Entry):
    """One persona of a dimension."""

    id: Slug = Field(description="unique in the set; the partition key")
    phrase: str = Field(min_length=2, description="fills {persona} in a template, e.g. `a woman in the United States`")
    label: str | None = Field(None, description="short text for plots; default: the id")
    attributes: dict[Slug, str] = Field(
        default_factory=dict, description="annotator attribute -> value of the people who share this identity"
    )


class CrossedDimension(Entry):
    """A dimension of intersectional personas: two dimensions of the set, crossed."""

    of: tuple[Slug, Slug] = Field(description="the two dimensions; what they do together is tested beyond their sum")
    cells: dict[Slug, tuple[Slug, Slug]] = Field(
        description="persona of this dimension -> the persona of each of the two that it combines"
    )


class PersonaSetEntry(Entry):
    """Personas by dimension, and the control they are compared with."""

    dimensions: dict[Slug, tuple[PersonaEntry, ...]] = Field(
        min_length=1, description="what varies (e.g. gender_identity) -> its personas"
    )
    control: PersonaEntry = Field(description="the generic person: the primary reference")
    crossed: dict[Slug, CrossedDimension] = Field(
        default_factory=dict, description="dimension of the set -> which two others it crosses"
    )


class TemplateSetEntry(Entry):
    """Wordings of the persona instruction."""

    templates: dict[Slug, str] = Field(min_length=1, description="each contains {persona} exactly once")


class OptionEntry(Entry):
    """One allowed answer of a closed task."""

    value: str = Field(description="the word the model is to answer")
    gloss: str | None = Field(None, description="what it means, shown to the model")
    also: tuple[str, ...] = Field((), description="other words a written answer may use for it")


class TaskEntry(Entry):
    """What is asked of an item, and what counts as an answer."""

    version: int = Field(1, ge=1, description="raise it when the meaning changes")
    shown: Literal["text", "picture", "picture-and-text"] = Field("text", description="what of an item is shown")
    question: str = Field(
        description="contains {content} exactly once (not at all where only a picture is shown) and {options} at most "
        "once"
    )
    answer: Literal["option", "option-list", "sentence", "text"] = Field(
        "option",
        description="option: one of `options`; option-list: a JSON array of them; sentence: fits one of `patterns`; "
        "text: anything",
    )
    options: tuple[OptionEntry, ...] = Field((), description="the allowed answers in canonical order; two or more")
    positive: tuple[str, ...] = Field((), description="options counted as yes in the primary outcome")
    positive_lenient: tuple[str, ...] = Field((), description="options counted as yes in the sensitivity analysis")
    set_aside: tuple[str, ...] = Field((), description="options that are no judgement, e.g. Incomprehensible")
    patterns: tuple[str, ...] = Field(
        (), description="shapes of a `sentence`, with {named} parts, e.g. `The meme {verb} {group}.`"
    )

    @property
    def option_values(self) -> tuple[str, ...]:
        """The options' texts in canonical order."""
        return tuple(option.value for option in self.options)


class VisionRecipe(Entry):
    """The part of a reference model that sees: a CLIP encoder whose patches the language part reads as tokens."""

    image_size: int = Field(32, ge=16, le=336, description="pixels a side; pictures are scaled to it")
    patch_size: int = Field(8, ge=4, le=32, description="pixels a side of a patch; divides image_size")
    hidden_size: int = Field(64, ge=16, le=1024, description="width of the encoder")
    layers: int = Field(2, ge=1, le=24, description="blocks of the encoder")
    heads: int = Field(4, ge=1, le=32, description="attention heads a block")


class ReferenceRecipe(Entry):
    """How a reference model is built and trained on the spot, deterministically."""

    corpus: Slug = Field(description="whose labels it learns")
    task: Slug = Field(description="the question it learns to answer")
    persona_set: Slug = Field(description="personas shown to it; its labels do not depend on them")
    template_set: Slug = Field(description="wordings shown to it")
    hidden_size: int = Field(128, ge=16, le=1024, description="width; a multiple of twice the heads")
    layers: int = Field(2, ge=1, le=24, description="transformer blocks")
    heads: int = Field(4, ge=1, le=32, description="attention heads a block")
    feed_forward_size: int = Field(256, ge=16, le=4096, description="width of the feed-forward part")
    vocabulary_size: int = Field(550, ge=300, le=32000, description="most tokens of its tokenizer")
    examples: int = Field(20000, ge=64, description="chat examples drawn for training")
    steps: int = Field(200, ge=1, description="optimiser steps")
    batch_size: int = Field(64, ge=1, description="examples a step")
    learning_rate: float = Field(3e-3, gt=0, description="peak learning rate")
    seed: int = Field(0, description="of the weights, the examples and their order")
    answer_prefix: str = Field("", description="stands before every answer it learns, e.g. `The meme `")
    vision: VisionRecipe | None = Field(None, description="of a model that is shown pictures; empty: it reads only")


class ModelEntry(Entry):
    """A base model. What is not known of one is left out, never guessed."""

    kind: Literal["reference", "hub", "api"] = Field(
        description="reference: built here by `recipe`; hub: weights at `hub_id`; api: served under `api_name`"
    )
    hub_id: str | None = Field(None, description="`organisation/name` on the model hub, or a local folder")
    api_name: str | None = Field(None, description="name at an OpenAI-compatible endpoint")
    endpoint: Slug = Field(
        "openai",
        description="where an api model is served: `my-host` reads MY_HOST_BASE_URL and MY_HOST_API_KEY from the "
        "environment",
    )
    price: Price | None = Field(None, description="of an api model, per million tokens")
    revision: str | None = Field(None, description="hub commit, or the declared snapshot of an API model")
    modality: Literal["text", "image-text"] = Field("text", description="what it can be shown")
    parameters: float | None = Field(None, gt=0, description="number of weights")
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "auto", description="number format of the weights; auto: as published"
    )
    served_as: str | None = Field(None, description="quantization as served by the publisher, e.g. fp8")
    licence: str | None = Field(None, description="of the weights")
    gated: bool | None = Field(None, description="whether the hub asks for an accepted licence and a token")
    recipe: ReferenceRecipe | None = Field(None, description="how a reference model is built")


class QuantizationEntry(Entry):
    """A way of storing weights in fewer bits."""

    method: Literal["bitsandbytes-int8", "bitsandbytes-nf4"] = Field(description="8-bit or 4-bit weights")
    double_quantization: bool = Field(False, description="also store nf4's scales in 8 bits")
    adapter: Literal["merged", "on-top"] = Field(
        "merged", description="merged into the weights before quantization, or kept beside the quantized base"
    )


class ItemSample(Entry):
    """Which items of the corpus a study asks about."""

    n: int | None = Field(None, ge=1, description="how many, drawn without replacement; empty: all")
    split: str | None = Field(None, description="only this split of the corpus; empty: all")
    seed: int = Field(0, description="of the draw")


class ChangeContrast(Entry):
    """Two systems whose bias is compared: `to` minus `from_`."""

    from_: SystemSlug = Field(alias="from", description="the system before, e.g. the base model")
    to: SystemSlug = Field(description="the system after, e.g. tuned or quantized")
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AnalysisSettings(Entry):
    """What the regression report estimates and claims."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of every interval")
    minimum_minority: int = Field(20, ge=1, description="fewer minority answers: no log-odds claim")
    equivalence_margin: float = Field(0.05, gt=0, lt=1, description="|difference| below this counts as none")
    changes: tuple[ChangeContrast, ...] = Field((), description="pairs of systems whose bias is compared")
    groups: Slug | None = Field(None, description="persona attribute for the group model (B); empty: model A only")
    multiplicity: Literal["holm", "fdr_bh", "fdr_by", "single_step"] = Field(
        "holm", description="correction over all systems x personas; `single_step`: from their joint distribution"
    )
    families: dict[Slug, TestFamily] = Field(
        default_factory=dict, description="slug -> comparisons that are also adjusted apart from all others"
    )
    show_texts: bool = Field(False, description="whether the report may quote posts")
    seed: int = Field(0, description="of resampling and simulation")


class StudyEntry(Entry):
    """A declared question: task, items, personas, systems and how the answer is read."""

    title: str = Field(description="heads the report")
    task: Slug = Field(description="what is asked")
    corpus: Slug = Field(description="what it is asked about")
    items: ItemSample = Field(ItemSample(), description="which texts of the corpus")
    persona_set: Slug = Field(description="who the model is told to be")
    dimensions: tuple[Slug, ...] = Field((), description="only these dimensions of the set; empty: all")
    template_set: Slug = Field(description="wordings of the persona instruction; every persona gets each")
    no_persona_baseline: bool = Field(True, description="also ask once an item without any persona")
    option_orders: int = Field(1, ge=1, description="balanced orders of the options per question")
    systems: tuple[SystemSlug, ...] = Field(min_length=1, description="who is asked: `base[+adapter][@scheme]`")
    replicates: int = Field(
        1, ge=1, le=1000, description="how often each question is asked; above 1 only with a temperature above 0"
    )
    engine: EngineSettings = Field(EngineSettings(), description="how the questions are put")
    budget: Budget = Field(Budget(), description="what may be spent at endpoints")
    maximum_failed_share: float = Field(
        0.0, ge=0, lt=1, description="a partition with more failures than this is not published"
    )
    analysis: AnalysisSettings = Field(AnalysisSettings(), description="what the report estimates")
    power: PowerSettings = Field(PowerSettings(), description="what is assumed to tell beforehand what it could find")
    agreement: AgreementSettings | None = Field(
        None, description="agreement with the model without persona and with people; empty: no such report"
    )
    group_systems: tuple[GroupSystem, ...] = Field(
        (), description="systems tuned on one group, asked in its persona only; beside `systems`"
    )
    runs: dict[Slug, PersonaRun] = Field(
        default_factory=dict, description="slug -> personas launched together; each in one of them; empty: by dimension"
    )
    noise_floor: NoiseFloor | None = Field(
        None, description="questions asked again, to tell what serving alone moves; empty: not measured"
    )


class Catalog(Entry):
    """Everything that can be studied, after `extends` is resolved."""

    name: Slug = Field(description="first part of every asset key and folder; default: the folder's name")
    description: str = Field("", description="one or two sentences for the overview")
    corpora: dict[Slug, CorpusEntry] = Field(default_factory=dict, description="slug -> raw texts with human labels")
    persona_sets: dict[Slug, PersonaSetEntry] = Field(default_factory=dict, description="slug -> personas by dimension")
    template_sets: dict[Slug, TemplateSetEntry] = Field(default_factory=dict, description="slug -> wordings")
    tasks: dict[Slug, TaskEntry] = Field(default_factory=dict, description="slug -> what is asked")
    models: dict[Slug, ModelEntry] = Field(default_factory=dict, description="slug -> base model")
    adapters: dict[Slug, AdapterEntry] = Field(default_factory=dict, description="slug -> LoRA adapter")
    quantizations: dict[Slug, QuantizationEntry] = Field(
        default_factory=dict, description="slug -> scheme, the part of a system after @"
    )
    studies: dict[Slug, StudyEntry] = Field(
        default_factory=dict, description="slug -> declared question; not inherited by `extends`"
    )
    systems: tuple[SystemSlug, ...] = Field((), description="more systems than the studies name; not inherited")
    folder: Path | None = Field(None, description="where it was loaded from")
    origins: dict[str, Path] = Field(default_factory=dict, description="section/slug -> file it was read from")
