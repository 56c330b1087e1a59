"""The sample corpus: committed as generated, and its planted truth is there to be found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import PLANTED, planted_contrasts, read_corpus
from bias_platform.corpora.sample import (
    SBIC_COLUMNS,
    Generated,
    SampleSettings,
    generate,
    raw_tables,
    sample_settings,
    write_corpus,
)
from bias_platform.corpora.sample_planted import TARGET_GROUPS, planted_answers, planted_markdown
from bias_platform.errors import CorpusError

COMMITTED = Path(__file__).parents[2] / "data" / "sample-posts"


@pytest.fixture(scope="module")
def large() -> pd.DataFrame:
    """15,000 judgements of readable posts by 3,000 annotators, with the truth beside."""
    return judged(generate(SampleSettings(seed=1, train=3500, dev=0, test=0, annotators=3000)))


def judged(generated: Generated) -> pd.DataFrame:
    table = generated.judgements.join(generated.posts, on="post").join(generated.annotators, on="annotator")
    return table[table["readable"]].assign(yes=lambda t: (t["label"] == "Yes").astype(float))


def persona(**attributes: str) -> pd.DataFrame:
    text = pd.Series(attributes).to_json()
    return pd.DataFrame({"persona_id": ["p"], "role": ["named"], "attributes": [text]})


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    for path in write_corpus(SampleSettings(), tmp_path):
        assert path.read_bytes() == (COMMITTED / path.name).read_bytes(), f"{path.name}: run the generator again"
    assert sum(file.stat().st_size for file in COMMITTED.iterdir()) < 1_500_000


def test_the_readme_tells_the_planted_truth() -> None:
    assert planted_markdown() in (COMMITTED / "README.md").read_text()


def test_it_has_the_shape_of_sbic() -> None:
    tables = raw_tables(generate(SampleSettings(train=30, dev=10, test=10)))
    assert list(tables) == ["train", "dev", "test"]
    for table in tables.values():
        assert tuple(table.columns) == (*SBIC_COLUMNS, "annotatorOrientation")
    posts = {split: set(table["post"]) for split, table in tables.items()}
    assert [len(found) for found in posts.values()] == [30, 10, 10]
    assert not posts["train"] & posts["test"]


def test_generated_and_committed_corpus_are_the_same() -> None:
    generated = read_corpus("sample", CorpusEntry(reader="sample"))
    committed = read_corpus("sample", CorpusEntry(reader="sbic", path=str(COMMITTED)))
    key = ["item_id", "annotator_id"]
    for left, right in zip(generated[:2], committed[:2], strict=True):
        by = [name for name in key if name in left]
        pd.testing.assert_frame_equal(left.sort_values(by, ignore_index=True), right.sort_values(by, ignore_index=True))


def test_every_group_has_data_in_train_and_test() -> None:
    tables = read_corpus("sample", CorpusEntry(reader="sample"))
    table = tables.annotations.merge(tables.items[["item_id", "split"]])
    for attribute in PLANTED.main:
        counts = table.groupby(["split", f"annotator_{attribute}"]).size()
        assert counts["train"].min() > 500
        assert counts["test"].min() > 100
    both = table[table["annotator_gender"].isin(["man", "woman"])]
    assert both.groupby(["annotator_gender", "annotator_orientation"]).size().min() > 250


def test_no_annotator_judges_a_post_twice() -> None:
    judgements = generate(SampleSettings(train=400, dev=0, test=0, annotators=30)).judgements
    assert not judgements.duplicated(["post", "annotator"]).any()
    assert np.ptp(judgements["annotator"].value_counts()) <= 1


def test_a_regression_recovers_the_main_effects(large: pd.DataFrame) -> None:
    formula = "yes ~ C(gender, Sum) + C(orientation, Sum) + C(politics, Sum) + C(race, Sum)"
    fit = smf.glm(formula, large, offset=large["severity"], family=sm.families.Binomial()).fit()
    for attribute, values in PLANTED.main.items():
        for value in list(values):
            name = f"C({attribute}, Sum)[S.{value}]"
            if name in fit.params:
                expected = planted_contrasts(persona(**{attribute: value}))["effect"][0]
                assert fit.params[name] == pytest.approx(expected, abs=0.2), name


def test_a_regression_recovers_the_interactions(large: pd.DataFrame) -> None:
    names = []
    for place, inter in enumerate(PLANTED.interactions):
        names.append(f"i{place}")
        both = (large[inter.attribute] == inter.value) & (large["target_group"] == inter.target_group)
        large[names[-1]] = both.astype(float)
    formula = "yes ~ C(gender, Sum) + C(orientation, Sum) + C(politics, Sum) + C(race, Sum) + " + " + ".join(names)
    fit = smf.glm(formula, large, offset=large["severity"], family=sm.families.Binomial()).fit()
    for name, inter in zip(names, PLANTED.interactions, strict=True):
        assert fit.params[name] == pytest.approx(inter.effect, abs=0.6), inter
        assert abs(fit.tvalues[name]) > 4


def test_maybe_lies_between(large: pd.DataFrame) -> None:
    part = large.head(9000)
    at_least_maybe = part.assign(yes=part["label"].isin(["Yes", "Maybe"]).astype(float))
    shift = [
        smf.glm("yes ~ gender + orientation + politics", t, offset=t["severity"], family=sm.families.Binomial())
        .fit()
        .params["Intercept"]
        for t in (part, at_least_maybe)
    ]
    assert shift[1] - shift[0] == pytest.approx(PLANTED.maybe_width, abs=0.2)


def test_scale_zero_plants_nothing() -> None:
    flat = judged(generate(SampleSettings(seed=2, train=3000, dev=0, test=0, annotators=2000, effect_scale=0)))
    fit = smf.glm("yes ~ gender", flat, offset=flat["severity"], family=sm.families.Binomial()).fit()
    assert fit.params.drop("Intercept").abs().max() < 0.25


def test_contrasts_add_up_and_centre_on_the_control() -> None:
    gender, orientation = PLANTED.main["gender"], PLANTED.main["orientation"]
    all_men = [planted_contrasts(persona(gender=value))["effect"][0] for value in gender]
    assert sum(all_men) == pytest.approx(0)
    assert planted_contrasts(persona())["effect"][0] == 0
    on_gamers = planted_contrasts(persona(gender="man"), target_group="gamers")["effect"][0]
    assert on_gamers == pytest.approx(gender["man"] + 1.5 - 1.5 / len(gender))
    both = planted_contrasts(persona(gender="woman", orientation="gay"), target_group="cyclists")["effect"][0]
    assert both == pytest.approx(gender["woman"] + orientation["gay"])
    half = planted_contrasts(persona(gender="man"), scale=0.5)["effect"][0]
    assert half == pytest.approx(planted_contrasts(persona(gender="man"))["effect"][0] / 2)
    with pytest.raises(CorpusError, match="persona 'p': gender=elf"):
        planted_contrasts(persona(gender="elf"))


def test_planted_answers_are_the_annotators_rates(large: pd.DataFrame) -> None:
    posts = large.drop_duplicates("post").head(400)
    rates = planted_answers(persona(politics="libert"), posts)
    everybody = planted_answers(persona(), posts)["yes_rate"][0]
    same = large[large["post"].isin(posts["post"])]
    assert everybody == pytest.approx(same["yes"].mean(), abs=0.03)
    assert rates["yes_rate"][0] == pytest.approx(same[same["politics"] == "libert"]["yes"].mean(), abs=0.06)
    assert rates["difference"][0] == pytest.approx(rates["yes_rate"][0] - everybody)
    assert 0 < rates["log_odds"][0] < planted_contrasts(persona(politics="libert"))["effect"][0]


def test_wrong_parameters_are_all_named() -> None:
    with pytest.raises(CorpusError) as caught:
        sample_settings({"sed": 1, "train": -5, "effect_scale": "much"})
    for part in ("sed", "train", "effect_scale", "allowed: seed, train, dev, test"):
        assert part in str(caught.value)
    with pytest.raises(CorpusError, match="fewest"):
        sample_settings({"fewest": 5, "most": 4})
    with pytest.raises(CorpusError, match="at least one post"):
        sample_settings({"train": 0, "dev": 0, "test": 0})


def test_seeds_differ_and_repeat() -> None:
    small = {"train": 50, "dev": 0, "test": 0}
    first, again, other = (generate(SampleSettings(seed=seed, **small)).posts for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert set(first["text"]) != set(other["text"])
    assert set(first["target_group"].dropna()) <= set(TARGET_GROUPS)
