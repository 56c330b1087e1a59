"""The typed shape of every catalog entry: what a user may write in YAML, and what each field means.

Field descriptions double as the reference that `bias-platform catalog describe` prints.
"""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from bias_platform.catalog.engine_settings import Budget, EngineSettings, Price
from bias_platform.catalog.entry import Entry
from bias_platform.catalog.family_settings import TestFamily
from bias_platform.catalog.noise_settings import NoiseFloor
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.catalog.slugs import Slug, SystemSlug


class ColumnMapping(Entry):
    """Which column of a raw table holds what."""

    text: str = Field(description="the post itself")
    id: str | None = Field(None, description="an identifier of the post; without it, the text identifies it")
    label: str | None = Field(None, description="one label a row (one row an annotation, or already aggregated)")
    label_counts: dict[str, str] = Field(
        default_factory=dict,
        description="column holding how many annotators said so -> an option of the task; columns may share an option",
    )
    target_group: str | None = Field(None, description="the group the post is about")
    annotator: str | None = Field(None, description="who labelled; pseudonymised on reading")
    annotator_attributes: dict[Slug, str] = Field(
        default_factory=dict, description="attribute name -> column, e.g. gender: annotatorGender"
    )
    split: str | None = Field(None, description="train / dev / test")


class CorpusEntry(Entry):
    """Raw texts with their human labels, from one source."""

    reader: Literal["sbic", "table", "sample"] = Field(
        "table", description="table: any file, described by `columns`; sbic: the files of SBIC.v2; sample: generated"
    )
    path: str | None = Field(
        None,
        description="file or folder; ${VARIABLES} are read from the environment; relative to the YAML file",
    )
    format: Literal["csv", "jsonl", "parquet"] | None = Field(None, description="default: by file extension")
    columns: ColumnMapping | None = Field(None, description="what the columns of a table hold; required by `table`")
    label_values: dict[str, str] = Field(default_factory=dict, description="raw label -> an option of the task")
    decode_html: bool = Field(False, description="turn &amp; into & and the like")
    parameters: dict[str, int | float | str] = Field(
        default_factory=dict, description="for generated corpora: seed and sizes"
    )
    language: str = Field("en", description="language of the texts, as a BCP 47 tag")
    licence: str | None = Field(None, description="under what terms the texts may be used")
    source: str | None = Field(None, description="where the texts come from")
    sensitivity: Literal["mild", "offensive", "hateful"] = Field("offensive", description="what a reader must expect")
    text_may_leave_machine: bool = Field(False, description="whether an HTTP engine may be sent the texts")


class PersonaEntry(Entry):
    """One persona of a dimension."""

    id: Slug = Field(description="unique in the set; the partition key")
    phrase: str = Field(min_length=2, description="fills {persona} in a template, e.g. `a woman in the United States`")
    label: str | None = Field(None, description="short text for plots; default: the id")
    attributes: dict[Slug, str] = Field(
        default_factory=dict, description="annotator attribute -> value of the people who share this identity"
    )


class PersonaSetEntry(Entry):
    """Personas by dimension, and the control they are compared with."""

    dimensions: dict[Slug, tuple[PersonaEntry, ...]] = Field(
        min_length=1, description="what varies (e.g. gender_identity) -> its personas"
    )
    control: PersonaEntry = Field(description="the generic person: the primary reference")


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
    question: str = Field(description="contains {content} exactly once and {options} at most once")
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


class TrainingData(Entry):
    """Which human judgements an adapter learns, and in which persona they are shown."""

    corpus: Slug = Field(description="whose judgements are learnt")
    split: str | None = Field("train", description="the corpus's split; null: all of it")
    task: Slug = Field(description="the question that is answered")
    persona_set: Slug = Field(description="personas the judgements are shown in")
    template_set: Slug = Field(description="wordings they are shown in, in turn")
    personas: Literal["matching", "composite"] = Field(
        "matching",
        description="matching: the persona of the set whose attributes the annotator has; composite: one phrase "
        "made of all attributes by composite_pattern",
    )
    dimensions: tuple[Slug, ...] = Field((), description="only these dimensions; empty: all")
    composite_pattern: str | None = Field(None, description="e.g. `{gender} in the United States aged {age}`")
    composite_values: dict[Slug, dict[str, str]] = Field(
        default_factory=dict, description="attribute -> raw value -> its words in the composite phrase"
    )
    permute_attributes: bool = Field(
        False, description="shuffle who judged over all judgements: a negative control that must show no bias"
    )
    seed: int = Field(0, description="of drawing and shuffling")


class AdapterEntry(Entry):
    """A LoRA adapter trained on human judgements."""

    method: Literal["lora", "qlora"] = Field("lora", description="qlora: the base is held in 4 bits while training")
    training: TrainingData = Field(description="what it learns")
    rank: int = Field(16, ge=1, le=512, description="rank of the update matrices")
    alpha: int = Field(32, ge=1, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the update's input")
    target_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="names of the linear layers that get an update",
    )
    learning_rate: float = Field(1e-4, gt=0, description="peak learning rate")
    epochs: float = Field(3, gt=0, description="passes over the examples")
    batch_tokens: int = Field(32768, ge=64, description="tokens per optimiser step")
    context: int = Field(8192, ge=32, description="longest example in tokens")
    warm_up: float = Field(0.0, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    max_examples: int | None = Field(None, ge=1, description="at most so many examples, drawn by seed")
    seed: int = Field(0, description="of the weights and the order of examples")


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
