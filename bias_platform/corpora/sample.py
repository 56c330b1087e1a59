"""The bundled sample corpus: a seeded generator of posts and judgements in the column shape of SBIC.v2.

`python -m bias_platform.corpora.sample data/sample-posts` writes the committed files again, byte for byte.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bias_platform.corpora.sample_planted import PLANTED, planted_effects
from bias_platform.corpora.sample_sentences import Sentence, draw_sentence
from bias_platform.errors import CorpusError, bullet_list

GENERATOR_VERSION = 1
"""Raised when the same parameters give other posts: part of the data version."""

SBIC_COLUMNS = (
    *("whoTarget", "intentYN", "sexYN", "sexReason", "offensiveYN", "annotatorGender", "annotatorMinority"),
    *("sexPhrase", "speakerMinorityYN", "WorkerId", "HITId", "annotatorPolitics", "annotatorRace", "annotatorAge"),
    *("post", "targetMinority", "targetCategory", "targetStereotype", "dataSource"),
)
"""The columns of SBIC.v2 in their order; the sample adds `annotatorOrientation` at the end."""

SPLIT_FILES = {"train": "trn", "dev": "dev", "test": "tst"}

_ATTRIBUTE_COLUMNS = {
    "gender": "annotatorGender",
    "orientation": "annotatorOrientation",
    "politics": "annotatorPolitics",
    "race": "annotatorRace",
}
_CODES = {"Yes": "1.0", "Maybe": "0.5", "No": "0.0", "Incomprehensible": ""}


class SampleSettings(BaseModel):
    """What can be set of a generated corpus (the `parameters` of a corpus with `reader: sample`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, lt=2**32)
    train: int = Field(900, ge=0, le=200_000, description="distinct posts")
    dev: int = Field(100, ge=0, le=200_000)
    test: int = Field(300, ge=0, le=200_000)
    annotators: int = Field(420, ge=30, le=100_000, description="size of the pool all posts share")
    fewest: int = Field(3, ge=1, description="annotators of a post, at least")
    most: int = Field(6, ge=1, le=12, description="annotators of a post, at most")
    effect_scale: float = Field(1.0, ge=0, le=5, description="multiplies every planted effect; 0: nobody is biased")
    salad_share: float = Field(0.03, ge=0, le=0.5, description="share of incomprehensible posts")

    @model_validator(mode="after")
    def _ordered(self) -> "SampleSettings":
        if self.fewest > self.most:
            raise ValueError(f"fewest ({self.fewest}) must not exceed most ({self.most})")
        if self.train + self.dev + self.test == 0:
            raise ValueError("train, dev and test are all 0: at least one post is needed")
        return self


class Generated(NamedTuple):
    """A generated corpus with its truth."""

    posts: pd.DataFrame
    """one row a post: split, text, target_group, severity (logits, item noise included), readable, trait"""
    annotators: pd.DataFrame
    """one row an annotator: code, gender, orientation, politics, race, age, leaning (annotator noise, logits)"""
    judgements: pd.DataFrame
    """one row a judgement: post and annotator (row numbers of the frames above), label"""


def sample_settings(parameters: dict[str, int | float | str]) -> SampleSettings:
    """Checks the parameters of a generated corpus.

    Raises:
        CorpusError: all unknown or wrong parameters at once, with what is allowed.
    """
    try:
        return SampleSettings.model_validate(parameters)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'parameters'}: {e['msg']}" for e in error.errors()]
        allowed = ", ".join(SampleSettings.model_fields)
        raise CorpusError(
            f"parameters of the sample corpus are wrong:\n{bullet_list(lines)}\nallowed: {allowed}"
        ) from None


def generate(settings: SampleSettings) -> Generated:
    """Draws posts, annotators and judgements; equal settings give equal tables on every machine."""
    # RandomState, because numpy promises never to change its streams; Generator's may change with a release
    random = np.random.RandomState(settings.seed)
    posts = _draw_posts(random, settings)
    annotators = _draw_annotators(random, settings.annotators)
    judgements = _draw_judgements(random, settings, posts, annotators)
    return Generated(posts, annotators, judgements)


def raw_tables(generated: Generated) -> dict[str, pd.DataFrame]:
    """The corpus as SBIC.v2 publishes it: split -> texts of all cells, one row a judgement x implied stereotype."""
    judgements = generated.judgements
    posts = generated.posts.loc[judgements["post"]].reset_index(drop=True)
    people = generated.annotators.loc[judgements["annotator"]].reset_index(drop=True)
    label = judgements["label"].reset_index(drop=True)
    offended = label.isin(["Yes", "Maybe"])
    table = pd.DataFrame("", index=posts.index, columns=[*SBIC_COLUMNS, "annotatorOrientation"])
    table["offensiveYN"] = label.map(_CODES)
    table["intentYN"] = label.map({"Yes": "0.66", "Maybe": "0.33", "No": "0.0", "Incomprehensible": ""})
    table["sexYN"] = "0.0"
    table["whoTarget"] = np.where(posts["readable"], "1.0", "0.0")
    table["WorkerId"] = people["code"]
    table["HITId"] = "hit" + judgements["post"].reset_index(drop=True).astype(str).str.zfill(5)
    table["annotatorAge"] = people["age"].astype(str) + ".0"
    for attribute, column in _ATTRIBUTE_COLUMNS.items():
        table[column] = people[attribute]
    table["post"] = posts["text"]
    table["targetMinority"] = posts["target_group"].fillna("")
    table["targetCategory"] = np.where(posts["readable"], "pastime", "")
    table["targetStereotype"] = np.where(offended, posts["trait"], "")
    table["dataSource"] = "sample"
    return _by_split(table, posts["split"], offended & posts["readable"])


def write_corpus(settings: SampleSettings, folder: Path) -> list[Path]:
    """Writes SBIC.v2.trn.csv, SBIC.v2.dev.csv and SBIC.v2.tst.csv into the folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for split, table in raw_tables(generate(settings)).items():
        path = folder / f"SBIC.v2.{SPLIT_FILES[split]}.csv"
        table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
        paths.append(path)
    return paths


def _draw_posts(random: np.random.RandomState, settings: SampleSettings) -> pd.DataFrame:
    sizes = {split: getattr(settings, split) for split in SPLIT_FILES}
    wanted = sum(sizes.values())
    sentences: dict[str, Sentence] = {}
    draws = 0
    while len(sentences) < wanted:
        sentence = draw_sentence(random, settings.salad_share)
        sentences.setdefault(sentence.text.lower(), sentence)
        draws += 1
        if draws > 50 * wanted + 1000:
            raise CorpusError(f"the sample grammar cannot make {wanted} distinct posts; ask for fewer")
    posts = pd.DataFrame(list(sentences.values())).rename_axis(None)
    posts["severity"] += random.normal(0.0, PLANTED.item_sd, wanted)
    posts.insert(0, "split", np.repeat(list(sizes), list(sizes.values())))
    return posts


def _draw_annotators(random: np.random.RandomState, n: int) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {"code": np.array([f"annotator-{i:04d}" for i in range(n)], object)}
    for attribute, values in PLANTED.main.items():
        # dealt out rather than drawn, so that every value has the same number of people
        columns[attribute] = random.permutation(np.resize(np.array(list(values), object), n))
    columns["age"] = random.randint(18, 76, n)
    columns["leaning"] = random.normal(0.0, PLANTED.annotator_sd, n)
    return pd.DataFrame(columns)


def _draw_judgements(
    random: np.random.RandomState, settings: SampleSettings, posts: pd.DataFrame, annotators: pd.DataFrame
) -> pd.DataFrame:
    counts = random.randint(settings.fewest, settings.most + 1, len(posts))
    post = np.repeat(np.arange(len(posts)), counts)
    annotator = _deal(random, len(annotators), len(post), settings.most)
    people = annotators.loc[annotator].reset_index(drop=True)
    judged = posts.loc[post].reset_index(drop=True)
    logit = judged["severity"].to_numpy() + people["leaning"].to_numpy()
    logit = logit + planted_effects(people, judged["target_group"], settings.effect_scale)
    draw = random.random_sample(len(post))
    yes, at_least_maybe = _sigmoid(logit), _sigmoid(logit + PLANTED.maybe_width)
    label = np.select([draw < yes, draw < at_least_maybe], ["Yes", "Maybe"], "No").astype(object)
    lost = ~judged["readable"].to_numpy(bool) & (random.random_sample(len(post)) < 0.9)
    label[lost] = "Incomprehensible"
    return pd.DataFrame({"post": post, "annotator": annotator, "label": label})


def _deal(random: np.random.RandomState, people: int, seats: int, window: int) -> np.ndarray:
    """Seats people evenly, nobody twice within `window` neighbouring seats."""
    rounds: list[np.ndarray] = []
    for _ in range(-(-seats // people)):
        order = random.permutation(people)
        if rounds:
            late = np.isin(order, rounds[-1][-window:])
            order = np.concatenate([order[~late], order[late]])
        rounds.append(order)
    return np.concatenate(rounds)[:seats]


def _by_split(table: pd.DataFrame, split: pd.Series, offended: pd.Series) -> dict[str, pd.DataFrame]:
    # as in SBIC, an annotator who names two implications owns two rows: here every tenth offended one
    second = offended & (np.arange(len(table)) % 10 == 0)
    extra = table[second].assign(targetStereotype=table.loc[second, "targetStereotype"] + ", all of them")
    both = pd.concat([table, extra]).sort_index(kind="stable")
    names = split.loc[both.index]
    return {name: both[names == name].reset_index(drop=True) for name in SPLIT_FILES}


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def main() -> None:
    """Writes the sample corpus into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Writes the sample corpus (three CSV files) into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in write_corpus(SampleSettings(seed=arguments.seed), arguments.folder):
        print(path)


if __name__ == "__main__":
    main()
