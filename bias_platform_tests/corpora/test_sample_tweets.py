"""The sample tweets: committed as generated, in the form of EXIST, with their planted truth to be found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus
from bias_platform.corpora.sample_tweets import generate_tweets, write_tweets
from bias_platform.corpora.sample_tweets_planted import PLANTED_TWEETS, planted_tweets_markdown

COMMITTED = Path(__file__).parents[2] / "data" / "sample-tweets"


@pytest.fixture(scope="module")
def spanish() -> CorpusTables:
    return read_corpus("t", CorpusEntry(reader="exist", path=str(COMMITTED), parameters={"language": "es", "task": 1}))


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    for path in write_tweets(generate_tweets(), tmp_path):
        assert path.read_bytes() == (COMMITTED / path.name).read_bytes(), f"{path.name}: run the generator again"
    assert sum(file.stat().st_size for file in COMMITTED.iterdir()) < 400_000


def test_the_readme_tells_the_planted_truth() -> None:
    assert planted_tweets_markdown() in (COMMITTED / "README.md").read_text()


def test_it_is_read_as_exist_is(spanish: CorpusTables) -> None:
    assert spanish.facts["splits"] == {"train": 240, "dev": 80}
    assert spanish.facts["tweets_repeated_under_another_id"] == 2
    assert spanish.facts["annotators"] == 48
    sixes = spanish.annotations.groupby("item_id").size().value_counts()
    assert sixes.to_dict() == {6: 318, 12: 2}
    cells = spanish.annotations.groupby("item_id")[["annotator_gender", "annotator_age"]].nunique()
    assert (cells["annotator_gender"] == 2).all()
    assert (cells["annotator_age"] == 3).all()
    assert "Bachelor's degree" in spanish.facts["annotator_attributes"]["study_level"]


def test_the_planted_gaps_are_found_again() -> None:
    drawn = generate_tweets(seed=3, sizes={"TRAIN_ES": 1500})
    judged = drawn.judgements.join(drawn.tweets, on="tweet").join(drawn.annotators, on="annotator")
    judged["yes"] = (judged["label"] == "YES").astype(float)
    judged["woman"] = (judged["gender"] == "F").astype(float)
    fit = smf.logit("yes ~ 0 + kind + woman:kind + C(age, Treatment('23-45')) + severity", judged).fit(disp=0)
    for kind, gap in PLANTED_TWEETS.gender_gaps.items():
        name = f"woman:kind[{kind}]"
        # three standard errors, and what leanings that the fit knows nothing of pull towards zero
        assert abs(fit.params[name] - gap) < 3 * fit.bse[name] + 0.05 * abs(gap)
    for age, effect in PLANTED_TWEETS.ages.items():
        if effect:
            name = f"C(age, Treatment('23-45'))[T.{age}]"
            assert abs(fit.params[name] - effect) < 3 * fit.bse[name] + 0.05


def test_the_committed_tweets_show_the_gap_where_it_was_planted_only() -> None:
    drawn = generate_tweets()
    judged = drawn.judgements.join(drawn.tweets, on="tweet").join(drawn.annotators, on="annotator")
    rates = judged.assign(yes=judged["label"] == "YES").pivot_table(index="kind", columns="gender", values="yes")
    gaps = (rates["F"] - rates["M"]).to_dict()
    assert min(gaps["housework"], gaps["office"]) > 0.25
    assert max(abs(gaps["cars"]), abs(gaps["sport"])) < 0.1


def test_equal_seeds_give_equal_tables() -> None:
    first, again, other = (generate_tweets(seed, {"DEV_ES": 30}) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.tweets, again.tweets)
    pd.testing.assert_frame_equal(first.judgements, again.judgements)
    assert not np.array_equal(first.tweets["severity"], other.tweets["severity"])
