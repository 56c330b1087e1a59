"""The sample tweets: a seeded generator of mild posts and judgements in the JSON shape of EXIST 2024.

`python -m bias_platform.corpora.sample_tweets data/sample-tweets` writes the committed files again, byte for byte.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.corpora.sample_tweets_planted import PLANTED_TWEETS, planted_logits
from bias_platform.corpora.sample_tweets_sentences import Tweet, draw_tweet

FILES = {"TRAIN": "EXIST2024_training.json", "DEV": "EXIST2024_dev.json"}
SIZES = {"TRAIN_ES": 240, "TRAIN_EN": 16, "DEV_ES": 80, "DEV_EN": 8}
"""Split -> tweets that differ; of the last ones of TRAIN_ES, `REPEATED` stand again under another id"""
REPEATED = 2
FIRST_IDS = {"TRAIN_ES": 100_001, "TRAIN_EN": 200_001, "DEV_ES": 300_001, "DEV_EN": 400_001}

GENDERS = ("F", "M")
PEOPLE_A_CELL = 8
"""annotators of each gender and age band; a tweet has one of each, as in EXIST: three women and three men"""
ETHNICITIES = ("Hispano or Latino", "White or Caucasian", "Multiracial")
STUDY_LEVELS = ("High school degree or equivalent", "Bachelor\u2019s degree", "Master\u2019s degree", "Doctorate")
COUNTRIES = ("Spain", "Mexico", "Chile")


class GeneratedTweets(NamedTuple):
    """Generated tweets with their truth."""

    tweets: pd.DataFrame
    """one row a record: id_EXIST, split, text, kind, severity (logits, item noise included)"""
    annotators: pd.DataFrame
    """one row an annotator: code, gender, age, ethnicity, study_level, country, leaning (logits)"""
    judgements: pd.DataFrame
    """one row a judgement: tweet and annotator (row numbers of the frames above), label"""


def generate_tweets(seed: int = 0, sizes: dict[str, int] | None = None) -> GeneratedTweets:
    """Draws tweets, annotators and judgements; equal arguments give equal tables on every machine.

    Args:
        seed: of everything.
        sizes: split -> number of tweets; None: `SIZES`.
    """
    # RandomState, because numpy promises never to change its streams; Generator's may change with a release
    random = np.random.RandomState(seed)
    tweets = _draw_tweets(random, sizes or SIZES)
    annotators = _draw_annotators(random)
    return GeneratedTweets(tweets, annotators, _draw_judgements(random, tweets, annotators))


def write_tweets(generated: GeneratedTweets, folder: Path) -> list[Path]:
    """Writes EXIST2024_training.json and EXIST2024_dev.json into the folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    records = exist_records(generated)
    paths = []
    for part, name in FILES.items():
        lines = [
            f"{json.dumps(key)}: {json.dumps(record, ensure_ascii=False)}"
            for key, record in records.items()
            if record["split"].startswith(part)
        ]
        path = folder / name
        path.write_bytes(("{\n" + ",\n".join(lines) + "\n}\n").encode())
        paths.append(path)
    return paths


def exist_records(generated: GeneratedTweets) -> dict[str, dict[str, Any]]:
    """The tweets as EXIST 2024 publishes them: id -> record of parallel lists."""
    by_tweet = generated.judgements.groupby("tweet", sort=False)
    records: dict[str, dict[str, Any]] = {}
    for number, judged in by_tweet:
        tweet = generated.tweets.loc[number]
        people = generated.annotators.loc[judged["annotator"]]
        labels = judged["label"].tolist()
        records[str(tweet["id_EXIST"])] = {
            "id_EXIST": tweet["id_EXIST"],
            "lang": tweet["split"][-2:].lower(),
            "tweet": tweet["text"],
            "number_annotators": len(labels),
            "annotators": people["code"].tolist(),
            "gender_annotators": people["gender"].tolist(),
            "age_annotators": people["age"].tolist(),
            "ethnicities_annotators": people["ethnicity"].tolist(),
            "study_levels_annotators": people["study_level"].tolist(),
            "countries_annotators": people["country"].tolist(),
            "labels_task1": labels,
            "labels_task2": ["DIRECT" if label == "YES" else "-" for label in labels],
            "labels_task3": [["STEREOTYPING-DOMINANCE"] if label == "YES" else ["-"] for label in labels],
            "split": tweet["split"],
        }
    return records


def _draw_tweets(random: np.random.RandomState, sizes: dict[str, int]) -> pd.DataFrame:
    seen: set[str] = set()
    parts = []
    for split, size in sizes.items():
        language = split[-2:].lower()
        tweets: list[Tweet] = []
        while len(tweets) < size:
            tweet = draw_tweet(random, language)
            if tweet.text not in seen:
                seen.add(tweet.text)
                tweets.append(tweet)
        if split == "TRAIN_ES":
            tweets += tweets[len(tweets) - REPEATED :]
        part = pd.DataFrame(tweets).assign(split=split)
        part["id_EXIST"] = [str(FIRST_IDS[split] + place) for place in range(len(part))]
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return table.assign(severity=table["severity"] + random.normal(0.0, PLANTED_TWEETS.item_sd, len(table)))


def _draw_annotators(random: np.random.RandomState) -> pd.DataFrame:
    cells = [(gender, age) for gender in GENDERS for age in PLANTED_TWEETS.ages for _ in range(PEOPLE_A_CELL)]
    table = pd.DataFrame(cells, columns=["gender", "age"])
    table.insert(0, "code", [f"Annotator_{number}" for number in range(1, len(table) + 1)])
    for name, values in (("ethnicity", ETHNICITIES), ("study_level", STUDY_LEVELS), ("country", COUNTRIES)):
        table[name] = random.permutation(np.resize(np.array(values, object), len(table)))
    return table.assign(leaning=random.normal(0.0, PLANTED_TWEETS.annotator_sd, len(table)))


def _draw_judgements(random: np.random.RandomState, tweets: pd.DataFrame, annotators: pd.DataFrame) -> pd.DataFrame:
    cells = len(GENDERS) * len(PLANTED_TWEETS.ages)
    seats = random.randint(0, PEOPLE_A_CELL, (len(tweets), cells)) + np.arange(cells) * PEOPLE_A_CELL
    table = pd.DataFrame({"tweet": np.repeat(np.arange(len(tweets)), cells), "annotator": seats.ravel()})
    people = annotators.loc[table["annotator"]].reset_index(drop=True)
    judged = tweets.loc[table["tweet"]].reset_index(drop=True)
    logit = judged["severity"].to_numpy() + people["leaning"].to_numpy()
    logit = logit + planted_logits(judged["kind"], people["gender"], people["age"])
    yes = random.random_sample(len(table)) < 1.0 / (1.0 + np.exp(-logit))
    return table.assign(label=np.where(yes, "YES", "NO").astype(object))


def main() -> None:
    """Writes the sample tweets into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Writes the sample tweets (two JSON files) into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in write_tweets(generate_tweets(arguments.seed), arguments.folder):
        print(path)


if __name__ == "__main__":
    main()
