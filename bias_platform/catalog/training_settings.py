"""What a catalog says of an adapter: what it learns and how, or where one trained elsewhere is."""

from typing import Literal

from pydantic import Field

from bias_platform.catalog.entry import Entry
from bias_platform.catalog.slugs import Slug


class TrainingData(Entry):
    """Which human judgements an adapter learns, and in which persona they are shown."""

    corpus: Slug = Field(description="whose judgements are learnt")
    split: str | None = Field("train", description="the corpus's split; null: all of it")
    task: Slug = Field(description="the question that is answered")
    persona_set: Slug = Field(description="personas the judgements are shown in")
    template_set: Slug = Field(description="wordings they are shown in, in turn")
    personas: Literal["matching", "composite", "specific", "none"] = Field(
        "matching",
        description="matching: the persona of the set whose attributes the annotator has; composite: one phrase "
        "made of all attributes by composite_pattern; specific: one persona, shown what its own group says by a label "
        "policy; none: no persona at all",
    )
    dimensions: tuple[Slug, ...] = Field((), description="only these dimensions; empty: all")
    persona: Slug | None = Field(None, description="of `specific`: the persona whose attributes name the group")
    labels: Slug | None = Field(
        None, description="of `specific`: the corpus's label policy `within` an attribute of the persona"
    )
    composite_pattern: str | None = Field(None, description="e.g. `{gender} in the United States aged {age}`")
    composite_values: dict[Slug, dict[str, str]] = Field(
        default_factory=dict, description="attribute -> raw value -> its words in the composite phrase"
    )
    templates: Literal["in-turn", "balanced-by-item"] = Field(
        "in-turn",
        description="in-turn: one after the other within a persona; balanced-by-item: each equally often for an item",
    )
    answer_prefix: str = Field("", description="stands before every answer, e.g. `The meme `")
    permute_attributes: bool = Field(
        False, description="shuffle who judged over all judgements: a negative control that must show no bias"
    )
    seed: int = Field(0, description="of drawing and shuffling")


class TrainedElsewhere(Entry):
    """An adapter that was trained by other means: named by its folder, or by the endpoint that serves base and all."""

    folder: str | None = Field(
        None, description="holds adapter_config.json and adapter_model.safetensors; ${VARIABLES} as in a corpus's path"
    )
    endpoint: Slug | None = Field(None, description="where the tuned model is served, as of a model of kind api")
    api_names: dict[Slug, str] = Field(
        default_factory=dict, description="base model's slug -> the tuned model's name at the endpoint"
    )
    snapshot: str | None = Field(None, description="declared version of what the endpoint serves")


class AdapterEntry(Entry):
    """A LoRA adapter trained on human judgements, here or elsewhere."""

    method: Literal["lora", "qlora"] = Field("lora", description="qlora: the base is held in 4 bits while training")
    training: TrainingData | None = Field(
        None, description="what it learns; of one trained elsewhere, what it was trained on, if it is to be published"
    )
    trained_elsewhere: TrainedElsewhere | None = Field(None, description="where it is; empty: it is trained here")
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
