"""The truth planted in the sample corpus: who is stricter, on whom, and by how many logits.

The numbers are arbitrary on purpose and follow no idea about real people: they exist so that a report can be held
against something known.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.errors import CorpusError, bullet_list


class PlantedInteraction(NamedTuple):
    """Annotators with `attribute` = `value` judge posts on `target_group` stricter by `effect` logits."""

    attribute: str
    value: str
    target_group: str
    effect: float


class Planted(NamedTuple):
    """logit P(Yes) = severity(post) + main effects + interactions + item noise + annotator noise.

    P(Yes or Maybe) has the same predictor plus `maybe_width`: a proportional-odds model.
    """

    main: Mapping[str, Mapping[str, float]]
    """attribute -> value -> logits; the values of an attribute sum to zero, so 0 is the population average"""
    interactions: tuple[PlantedInteraction, ...]
    """added to the main effects; everything not listed is zero"""
    maybe_width: float
    """logits between the thresholds of Yes and of Maybe"""
    item_sd: float
    """standard deviation of what the words of a post do not explain, logits"""
    annotator_sd: float
    """standard deviation of what an annotator's attributes do not explain, logits"""


PLANTED = Planted(
    main={
        "gender": {"man": -1.0, "woman": 1.0, "transman": 0.0, "transwoman": -1.4, "nonBinary": 1.4},
        "orientation": {"straight": 0.0, "gay": 1.0, "bisexual": -1.0},
        "politics": {
            "cons": 0.9,
            "mod-cons": -1.5,
            "mod-liberal": 0.0,
            "liberal": 0.0,
            "libert": 1.5,
            "other": -0.9,
        },
        "race": {
            "asian": 0.0,
            "black": 0.0,
            "hisp": 0.9,
            "white": 0.0,
            "pacific": -0.9,
            "native": 0.0,
            "other": 0.0,
        },
    },
    interactions=(
        PlantedInteraction("gender", "man", "gamers", 1.5),
        PlantedInteraction("gender", "transman", "night owls", -1.5),
        PlantedInteraction("orientation", "gay", "tourists", -1.5),
        PlantedInteraction("politics", "liberal", "commuters", 1.5),
        PlantedInteraction("race", "asian", "dog owners", -1.5),
        PlantedInteraction("race", "black", "gardeners", 1.5),
    ),
    maybe_width=1.0,
    item_sd=0.4,
    annotator_sd=0.4,
)
"""What the generator plants at effect scale 1. Every other attribute (age) has no effect."""

TARGET_GROUPS = (
    "cyclists",
    "tourists",
    "gamers",
    "dog owners",
    "commuters",
    "gardeners",
    "night owls",
    "early risers",
    "campers",
    "coffee drinkers",
    "joggers",
    "birdwatchers",
)
"""Everyday groups the posts are about: nobody is harmed by a rude word on early risers."""


def planted_effects(attributes: pd.DataFrame, target_groups: pd.Series, scale: float = 1.0) -> np.ndarray:
    """Main effects plus interactions of judgements, in logits.

    Args:
        attributes: one row a judgement, one column an attribute of `PLANTED.main`.
        target_groups: the group each judged post is about, aligned by position; missing for none.
        scale: multiplies every effect.
    """
    total = np.zeros(len(attributes))
    for attribute, values in PLANTED.main.items():
        total += attributes[attribute].map(dict(values)).to_numpy(float)
    targets = target_groups.to_numpy(object)
    for inter in PLANTED.interactions:
        hit = (attributes[inter.attribute].to_numpy(object) == inter.value) & (targets == inter.target_group)
        total += inter.effect * hit
    return scale * total


def planted_contrasts(personas: pd.DataFrame, target_group: str | None = None, scale: float = 1.0) -> pd.DataFrame:
    """What a persona's attributes add to the logit of Yes, against the population average (the generic control).

    The effect is the one at equal other attributes and equal post (conditional). Log-odds of rates pooled over
    annotators who differ in their other attributes are smaller in size, because averaging over logits attenuates.

    Args:
        personas: a `Personas` table.
        target_group: for posts on this group; None: averaged over all groups with equal weight.
        scale: the effect scale the corpus was generated with.

    Returns:
        one row a named or control persona: persona_id, effect (logits). The baseline has no planted value.

    Raises:
        CorpusError: attributes or values the sample corpus does not have.
    """
    asked = personas[personas["role"] != "baseline"]
    parsed = [json.loads(text) for text in asked["attributes"]]
    _check_attributes(asked["persona_id"].tolist(), parsed)
    effects = [scale * sum(_centred(name, value, target_group) for name, value in row.items()) for row in parsed]
    return pd.DataFrame({"persona_id": asked["persona_id"].to_numpy(object), "effect": np.array(effects, float)})


def planted_answers(personas: pd.DataFrame, posts: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """What a model would show that says Yes exactly as often as the people who share a persona.

    Such a model knows only the persona, so all other attributes and the annotators' noise are averaged over.

    Args:
        personas: a table `Personas`.
        posts: columns severity (logits, item noise included) and target_group, as `generate` returns them.
        scale: the effect scale the corpus was generated with.

    Returns:
        one row a named or control persona: persona_id; yes_rate (mean over posts); difference (of the rate from
        everybody's, the control's); log_odds (mean over posts of the difference of logits).
    """
    people = pd.MultiIndex.from_product(list(PLANTED.main.values()), names=list(PLANTED.main)).to_frame(index=False)
    yes = np.stack([_yes_rates(people, post, scale) for post in posts.itertuples()])
    everybody = yes.mean(axis=1)
    asked = personas[personas["role"] != "baseline"]
    rows = []
    for persona_id, text in zip(asked["persona_id"], asked["attributes"], strict=True):
        mine = np.ones(len(people), dtype=bool)
        for name, value in json.loads(text).items():
            mine &= (people[name] == value).to_numpy()
        rate = yes[:, mine].mean(axis=1)
        rows.append((persona_id, rate.mean(), (rate - everybody).mean(), (_logit(rate) - _logit(everybody)).mean()))
    return pd.DataFrame(rows, columns=["persona_id", "yes_rate", "difference", "log_odds"])


def _yes_rates(people: pd.DataFrame, post: Any, scale: float) -> np.ndarray:
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)  # annotator noise is normal
    target = pd.Series([post.target_group] * len(people), dtype=object)
    logit = post.severity + planted_effects(people, target, scale)
    rates = 1.0 / (1.0 + np.exp(-(logit[:, None] + PLANTED.annotator_sd * nodes)))
    return np.asarray(rates @ (weights / weights.sum()))


def _logit(rate: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(rate) - np.log1p(-rate))


def _centred(attribute: str, value: str, target_group: str | None) -> float:
    values = PLANTED.main[attribute]
    each = {name: main + _interaction(attribute, name, target_group) for name, main in values.items()}
    return each[value] - sum(each.values()) / len(each)


def _interaction(attribute: str, value: str, target_group: str | None) -> float:
    hits = [i for i in PLANTED.interactions if (i.attribute, i.value) == (attribute, value)]
    if target_group is None:
        return sum(hit.effect for hit in hits) / len(TARGET_GROUPS)
    return sum(hit.effect for hit in hits if hit.target_group == target_group)


def _check_attributes(ids: list[str], parsed: list[dict[str, str]]) -> None:
    problems = [
        f"persona '{persona}': {name}={value}"
        for persona, row in zip(ids, parsed, strict=True)
        for name, value in row.items()
        if value not in PLANTED.main.get(name, {})
    ]
    if problems:
        known = "; ".join(f"{name}: {', '.join(values)}" for name, values in PLANTED.main.items())
        raise CorpusError(f"the sample corpus plants nothing for\n{bullet_list(problems)}\nit knows {known}")


def planted_markdown() -> str:
    """`PLANTED` as the table in the README of the sample corpus."""
    lines = ["| attribute | value | posts on | effect (logits) |", "|---|---|---|---|"]
    for attribute, values in PLANTED.main.items():
        lines += [f"| {attribute} | {value} | all | {effect:+.1f} |" for value, effect in values.items()]
    lines += [f"| {i.attribute} | {i.value} | {i.target_group} | {i.effect:+.1f} more |" for i in PLANTED.interactions]
    return "\n".join(lines)
