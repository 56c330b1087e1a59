"""The truth planted in the sample tweets: which kinds women call sexist more often than men, and by how many logits.

The numbers are arbitrary on purpose and follow no idea about real people: they exist so that a report can be held
against something known.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd


class PlantedTweets(NamedTuple):
    """logit P(YES) = severity(words) +- gender gap(kind) / 2 + age + item noise + annotator noise; + for women."""

    gender_gaps: Mapping[str, float]
    """kind of tweet -> logits of women minus logits of men, at an equal tweet"""
    ages: Mapping[str, float]
    """age band -> logits, on all kinds; they sum to zero"""
    item_sd: float
    """standard deviation of what the words of a tweet do not explain, logits"""
    annotator_sd: float
    """standard deviation of what gender and age do not explain of an annotator, logits"""


PLANTED_TWEETS = PlantedTweets(
    gender_gaps={"housework": 2.4, "office": 2.4, "cars": 0.0, "sport": 0.0},
    ages={"18-22": 0.5, "23-45": 0.0, "46+": -0.5},
    item_sd=0.4,
    annotator_sd=0.3,
)
"""What the generator plants. Ethnicity, level of study and country have no effect."""


def planted_logits(kinds: pd.Series, genders: pd.Series, ages: pd.Series) -> np.ndarray:
    """What gender and age add to the logit of YES.

    Args:
        kinds: of the judged tweets.
        genders: F or M, of the annotators, aligned by position.
        ages: their age bands.
    """
    sides = np.where(genders.to_numpy(object) == "F", 0.5, -0.5)
    gaps = kinds.map(dict(PLANTED_TWEETS.gender_gaps)).to_numpy(float)
    return np.asarray(sides * gaps + ages.map(dict(PLANTED_TWEETS.ages)).to_numpy(float))


def planted_tweets_markdown() -> str:
    """`PLANTED_TWEETS` as the table in the README of the sample tweets."""
    lines = ["| who | tweets on | effect (logits) |", "|---|---|---|"]
    lines += [f"| women minus men | {kind} | {gap:+.1f} |" for kind, gap in PLANTED_TWEETS.gender_gaps.items()]
    lines += [f"| aged {age} | all | {effect:+.1f} |" for age, effect in PLANTED_TWEETS.ages.items()]
    return "\n".join(lines)
