"""What the agreement report of a study measures, and how answers that are none of the options count in it."""

from typing import Literal

from pydantic import Field

from bias_platform.catalog.entry import Entry
from bias_platform.catalog.slugs import Slug, SystemSlug


class TargetedSubset(Entry):
    """Items that all annotators judged alike and that are about one group: how many of them a system recognises."""

    title: str = Field(min_length=1, description="names the subset in the report")
    group: str = Field(description="regular expression that the item's target group must match; ^ and $ anchor it")
    label: str = Field(description="what all annotators said; the answer that counts as recognised")
    dimensions: tuple[Slug, ...] = Field((), description="only personas of these dimensions; empty: all")


class SimilaritySettings(Entry):
    """How alike two free texts are, for tasks whose answers are written."""

    scorers: tuple[Literal["chrf", "bertscore", "bleurt"], ...] = Field(
        ("chrf",), min_length=1, description="chrf: character n-grams; bertscore and bleurt need a model's weights"
    )
    bertscore_model: str | None = Field(None, description="hub name or folder of the encoder")
    bertscore_layer: int | None = Field(None, ge=1, description="hidden layer that is compared; empty: the last")
    bleurt_checkpoint: str | None = Field(
        None, description="hub name or folder of a BLEURT-20 checkpoint in safetensors"
    )
    strip_prefix: str = Field("", description="taken off the beginning of every text before it is compared")
    zero_method: Literal["wilcox", "pratt", "zsplit"] = Field("wilcox", description="how ties of a pair are ranked")


class AgreementSettings(Entry):
    """Agreement of every persona with the model without persona, with people of its group, and between personas."""

    bad_answers: Literal["drop", "category", "as-published"] = Field(
        "drop",
        description="cells without a valid answer: drop: left out of the comparisons they are in; category: one more "
        "answer, in alphas and paired tests; as-published: dropped by alpha and a category in the paired test, as the "
        "study this follows did",
    )
    reference: Literal["no-persona", "control"] = Field("no-persona", description="whom personas are compared with")
    level: Literal["nominal", "ordinal", "interval"] = Field("nominal", description="scale of the answers")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of every interval")
    significance: float = Field(0.05, gt=0, lt=0.5, description="a pair of personas differs below this p value")
    human_labels: tuple[Slug, ...] = Field(
        (), description="label policies `within` an attribute: what people of a persona's own group said"
    )
    human_personas: tuple[Slug, ...] = Field(
        (), description="only these personas against people; empty: every one whose group has labels"
    )
    overall_labels: Slug | None = Field(
        None, description="label policy for all annotators together: what macro-F1 is measured against"
    )
    targeted: dict[Slug, TargetedSubset] = Field(default_factory=dict, description="slug -> subset for recall")
    similarity: SimilaritySettings = Field(SimilaritySettings(), description="of written answers")
    permutations: int = Field(999, ge=99, le=99_999, description="of personas within items, for the null of the share")
    show_texts: bool = Field(False, description="whether the report may quote posts")
    seed: int = Field(0, description="of permutations")


class GroupSystem(Entry):
    """A system tuned on one group's judgements: it is asked in that group's persona, about what the group judged."""

    system: SystemSlug = Field(description="e.g. `base+sbic-specific-woman`")
    persona: Slug = Field(description="the group's persona")
    labels: Slug | None = Field(
        None, description="label policy `within` an attribute of the persona: only items it labels; empty: all items"
    )
    composite: SystemSlug | None = Field(None, description="the study's system it is compared with")


class PersonaRun(Entry):
    """Personas whose partitions are launched together."""

    dimensions: tuple[Slug, ...] = Field((), description="all personas of these dimensions")
    personas: tuple[Slug, ...] = Field((), description="and these; `no-persona` and the control may be among them")
