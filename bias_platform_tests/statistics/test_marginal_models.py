"""What marginal models must do whatever the data, how they fail, and how often their tests are wrong."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.statistics import ModelError, fit_mixed_model, marginal_estimation, versus_reference
from bias_platform.statistics.marginal_data import MarginalData, collapse_answers
from bias_platform.statistics.marginal_models import MarginalModelFit, fit_gee, fit_glm, gee_of, glm_of
from bias_platform.statistics.marginal_probabilities import average_probabilities, average_probabilities_of
from bias_platform_tests.statistics.marginal_cases import case


def answers(
    rng: np.random.Generator, *, items: int = 60, personas: int = 4, wordings: int = 3, **sds: float
) -> pd.DataFrame:
    """Every persona judges every item in every wording, and none differs; deviations by factor, such as item_sd."""
    codes = np.indices((items, personas, wordings)).reshape(3, -1)
    frame = pd.DataFrame(dict(zip(("item", "persona", "wording"), codes, strict=True)))
    item, persona, wording = codes
    eta = sds.get("item_sd", 0.0) * rng.standard_normal(items)[item]
    eta += sds.get("persona_sd", 0.0) * rng.standard_normal(personas)[persona]
    eta += sds.get("item_persona_sd", 0.0) * rng.standard_normal((items, personas))[item, persona]
    eta += sds.get("wording_sd", 0.0) * rng.standard_normal((personas, wordings))[persona, wording]
    frame["yes"] = (rng.random(len(frame)) < expit(eta)).astype(int)
    return frame.assign(persona="p" + frame["persona"].astype(str), wording="w" + frame["wording"].astype(str))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return answers(np.random.default_rng(5), item_sd=1.2, item_persona_sd=0.5)


def test_clustering_by_item_is_the_paired_analysis_where_nothing_is_missing(frame: pd.DataFrame) -> None:
    fit = fit_glm("yes ~ persona + wording", frame, ["item"])
    gaps = versus_reference(average_probabilities(fit, "persona"), "persona", "p0").on("probability")
    wide = frame.groupby(["item", "persona"])["yes"].mean().unstack()
    paired = wide[["p1", "p2", "p3"]].sub(wide["p0"], axis=0)
    assert gaps.values == pytest.approx(paired.mean(), abs=1e-12)
    assert gaps.standard_errors == pytest.approx(paired.sem(), rel=1e-9)


def test_counts_weights_and_rows_are_one_model(frame: pd.DataFrame) -> None:
    counts = frame.groupby(["item", "persona"], as_index=False)["yes"].agg(yes="sum", all="size")
    doubled = frame.assign(times=2)
    plain = fit_gee("yes ~ persona", frame, "item")
    counted = fit_gee("cbind(yes, all - yes) ~ persona", counts, "item")
    np.testing.assert_allclose(counted.covariance, plain.covariance, rtol=1e-9, atol=1e-14)
    repeated = fit_glm("yes ~ persona", pd.concat([frame, frame]), ["item"])
    np.testing.assert_allclose(fit_glm("yes ~ persona", doubled, ["item"], weights="times").beta, repeated.beta)


def test_copying_every_row_moves_naive_errors_only(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame])
    for clusters, ratio in (((), np.sqrt(0.5)), (("item",), 1.0)):
        one, two = (fit_glm("yes ~ persona", data, clusters).coefficients() for data in (frame, twice))
        assert two["standard_error"].to_numpy() == pytest.approx(ratio * one["standard_error"].to_numpy(), rel=1e-9)


def test_the_order_of_groupings_and_rows_does_not_matter(frame: pd.DataFrame) -> None:
    groupings = ["item", "persona:wording"]
    one = fit_glm("yes ~ persona + wording", frame, groupings).covariance
    shuffled = frame.sample(frac=1, random_state=1)
    other = fit_glm("yes ~ persona + wording", shuffled, groupings[::-1]).covariance
    np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-13)


def test_chunks_of_clusters_do_not_matter(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_glm("yes ~ persona + wording", frame, ["item", "persona:wording"])
    monkeypatch.setattr(marginal_estimation, "_CHUNK", 7)
    parts = fit_glm("yes ~ persona + wording", frame, ["item", "persona:wording"])
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-14)


def test_several_fits_are_averaged_as_one_by_one() -> None:
    model = case("named")
    fits = [fit_glm(model.formula, model.data, model.groupings), fit_gee(model.formula, model.data, "item")]
    together = average_probabilities_of(fits, ["persona", "template"])
    for fit, found in zip(fits, together, strict=True):
        alone = average_probabilities(fit, ["persona", "template"])
        for scale in ("link", "probability"):
            np.testing.assert_allclose(found.on(scale).values, alone.on(scale).values)
            np.testing.assert_allclose(found.on(scale).covariance, alone.on(scale).covariance)


def test_degrees_of_freedom_are_those_of_the_smallest_number_of_clusters(frame: pd.DataFrame) -> None:
    naive = fit_glm("yes ~ persona", frame)
    assert np.isinf(naive.degrees_of_freedom)
    both = fit_glm("yes ~ persona + wording", frame, ["item", "persona:wording"])
    assert both.degrees_of_freedom == 11
    assert both.clusters == {"item": 60, "persona:wording": 12}
    assert [text for text in both.messages if text.startswith("Only 12 clusters of persona:wording (fewer than 40)")]
    row = both.coefficients(0.9).iloc[1]
    assert row["p"] == pytest.approx(2 * student.sf(abs(row["t"]), 11))
    assert row["upper"] - row["estimate"] == pytest.approx(student.ppf(0.95, 11) * row["standard_error"])
    assert naive.coefficients()["p"].iloc[1] == pytest.approx(2 * norm.sf(abs(naive.coefficients()["t"].iloc[1])))


def test_marginal_log_odds_are_smaller_than_conditional_ones() -> None:
    """By about (1 + 0.346 var)^-1/2 for normal item effects (Zeger, Liang and Albert, 1988), here 0.65."""
    rng = np.random.default_rng(8)
    item, persona = np.indices((1500, 2)).reshape(2, -1)
    eta = 2.0 * rng.standard_normal(1500)[item] + np.where(persona == 1, 1.0, 0.0)
    data = pd.DataFrame({"item": item, "persona": persona.astype(str), "yes": rng.random(3000) < expit(eta)})
    marginal = fit_glm("yes ~ persona", data, ["item"]).beta[1]
    conditional = fit_mixed_model("yes ~ persona + (1 | item)", data).fixed_effects["estimate"].iloc[1]
    assert marginal / conditional == pytest.approx((1 + 0.346 * 4) ** -0.5, abs=0.06)


def test_a_combination_that_was_never_seen_has_no_average(frame: pd.DataFrame) -> None:
    data = frame[~((frame["persona"] == "p1") & (frame["wording"] == "w2"))]
    means = average_probabilities(fit_glm("yes ~ persona * wording", data, ["item"]), "persona").frame("probability")
    assert means["estimate"].isna().tolist() == [False, True, False, False]
    assert means["standard_error"].isna().tolist() == [False, True, False, False]


_PLAIN: dict[str, Any] = {"formula": "yes ~ persona", "clusters": ["item"]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"formula": "yes ~ persona + (1 | item)"}, "random effects, which a marginal model has not"),
        ({"formula": "yes ~ persna"}, "did you mean persona"),
        ({"clusters": ["itm"]}, "did you mean item"),
        ({"clusters": ["item", "persona", "wording"]}, "in 3 ways"),
        ({"clusters": ["item", "item"]}, "given twice"),
        ({"clusters": ["one"]}, "one cluster of 'one'"),
        ({"clusters": ["persona"]}, "each is fitted exactly"),
        ({"formula": "yes ~ yes"}, "both sides"),
        ({"formula": "item ~ persona"}, "must be 0 or 1"),
        ({"formula": "yes ~ spoiled"}, "'spoiled' (2)"),
    ],
)
def test_what_cannot_be_used_is_said(frame: pd.DataFrame, changed: dict[str, Any], said: str) -> None:
    data = frame.assign(one="x", spoiled=np.where(np.arange(len(frame)) < 2, np.nan, 1.0))
    with pytest.raises(ModelError) as error:
        fit_glm(data=data, **(_PLAIN | changed))
    assert said in str(error.value)


def test_separated_answers_are_said(frame: pd.DataFrame) -> None:
    data = frame.assign(yes=np.where(frame["persona"] == "p2", 1, frame["yes"]))
    for fit in (lambda: fit_glm("yes ~ persona + wording", data), lambda: fit_gee("yes ~ persona", data, "item")):
        with pytest.raises(ModelError, match=r"persona = p2.* nearly all are Yes.*no finite estimate"):
            fit()


def test_a_rare_answer_is_not_called_separated(frame: pd.DataFrame) -> None:
    rare = frame.assign(yes=np.where(frame["persona"] == "p2", 0, frame["yes"]))
    rare.loc[np.flatnonzero(rare["persona"] == "p2")[0], "yes"] = 1
    assert fit_glm("yes ~ persona", rare).beta[2] == pytest.approx(
        np.log(1 / 179) - fit_glm("yes ~ persona", rare).beta[0], rel=1e-9
    )


def test_counts_of_millions_that_the_model_fits_exactly_need_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    """The search starts at probabilities near one half, and statsmodels calls an exact fit of proportions separated."""
    counts = pd.DataFrame({"persona": ["a", "b"], "yes": [1.0, 600_000.0], "no": [2_999_999.0, 400_000.0]})
    fit = fit_glm("cbind(yes, no) ~ persona", counts)
    assert fit.beta == pytest.approx([-np.log(2_999_999), np.log(1.5) + np.log(2_999_999)], rel=1e-12)
    assert fit.coefficients()["standard_error"].iloc[0] == pytest.approx(np.sqrt(1 + 1 / 2_999_999), rel=1e-9)
    assert not len(recwarn)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_of_a_predictor_do_not_matter(unit: float) -> None:
    model = case("verbagg")
    scaled = model.data.assign(Anger=model.data["Anger"] * unit)
    one, other = (fit_gee("r2 ~ Anger + btype", data, "id").coefficients() for data in (model.data, scaled))
    assert other["t"].to_numpy() == pytest.approx(one["t"].to_numpy(), rel=1e-7)
    assert other.loc["Anger", "estimate"] * unit == pytest.approx(one.loc["Anger", "estimate"], rel=1e-7)


def test_a_search_that_does_not_end_is_said(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginal_estimation, "_GEE_ROUNDS", 2)
    with pytest.raises(ModelError, match=r"not solved in 2 rounds: use the working correlation independence"):
        fit_gee("yes ~ persona", frame.drop(index=frame.index[::7]), "item")
    monkeypatch.setattr(marginal_estimation, "_NEWTON_ROUNDS", 2)
    with pytest.raises(ModelError, match="did not converge in 2 rounds"):
        fit_glm("yes ~ persona", frame)


def test_gee_options_and_clusters_that_cannot_be_used_are_said(frame: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="Unknown working correlation 'ar1'"):
        fit_gee("yes ~ persona", frame, "item", correlation="ar1")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="Unknown correction for small samples 'jackknife'"):
        fit_gee("yes ~ persona", frame, "item", small_sample="jackknife")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="has one answer"):
        fit_gee("yes ~ persona", frame.assign(row=np.arange(len(frame))), "row")
    apart = pd.DataFrame({"pair": np.repeat(np.arange(40), 2), "yes": [0, 1] * 40, "x": np.arange(80) % 3})
    with pytest.raises(ModelError, match=r"working correlation within 'pair' is -1.000, which no cluster of 2"):
        fit_gee("yes ~ 1", apart, "pair")
    with pytest.raises(ModelError, match="rests on one cluster of 'persona' alone"):
        fit_gee("yes ~ persona", frame, "persona", correlation="independence", small_sample="mancl_derouen")
    with pytest.raises(ModelError, match="no factor of 'yes ~ persona'"):
        average_probabilities(fit_glm("yes ~ persona", frame), "wording")
    with pytest.raises(ModelError, match="not grouped by 'itm'"):
        collapse_answers("yes ~ persona", frame, ["item"]).clustered_by("itm")


GROUPINGS = ["item", "persona", "item:persona", "persona:wording"]

Method = Callable[[MarginalData], MarginalModelFit]


def glm_by(*clusters: str) -> Method:
    return lambda data: glm_of(data.clustered_by(*clusters))


def small_sample_by(cluster: str) -> Method:
    return lambda data: gee_of(data.clustered_by(cluster), "independence", "mancl_derouen")


def false_findings(
    formula: str,
    coefficient: int,
    methods: Sequence[Method],
    studies: int,
    sizes: dict[str, int],
    **sds: float,
) -> list[float]:
    """Share of studies in which a coefficient that is zero is found at 5 %, by method.

    The rows are read once: a study is new answers to the same questions. Deviations by grouping, `:` written as `_`.
    """
    rng = np.random.default_rng(3)
    frame = answers(rng, **sizes)
    frame["group"] = np.where(frame["persona"].str[1:].astype(int) % 2, "b", "a")
    data = collapse_answers(formula, frame, GROUPINGS)
    code = {one.name: one for one in data.groupings}
    found = np.zeros((studies, len(methods)))
    for k in range(studies):
        eta = np.zeros(len(data.trials))
        for name, sd in sds.items():
            eta += sd * rng.standard_normal(code[name.replace("_", ":")].size)[code[name.replace("_", ":")].code]
        drawn = replace(data, successes=rng.binomial(data.trials.astype(int), expit(eta)).astype(float))
        found[k] = [fit(drawn).coefficients()["p"].iloc[coefficient] < 0.05 for fit in methods]
    return found.mean(axis=0).tolist()


def test_how_often_a_persona_is_found_that_does_not_differ() -> None:
    """Items that differ much: naive errors are too large, those clustered by item hold their 5 %.

    Monte-Carlo standard error at 5 %: 1.4 points of 250 studies.
    """
    methods = [glm_by(), glm_by("item"), small_sample_by("item")]
    naive, by_item, small = false_findings("yes ~ persona + wording", 1, methods, 250, {"items": 40}, item=3.0)
    assert naive < 0.02
    assert 0.02 < by_item < 0.085
    assert 0.02 < small <= by_item


def test_what_wordings_do_is_missed_by_clusters_of_items() -> None:
    """And with three wordings a persona two ways of clusters do not mend it."""
    methods = [glm_by("item"), glm_by("item", "persona:wording")]
    by_item, two_ways = false_findings("yes ~ persona + wording", 1, methods, 150, {"items": 40}, persona_wording=0.6)
    assert by_item > 0.2
    assert two_ways > 0.1


def test_a_group_effect_that_is_none_is_found_by_clusters_of_items() -> None:
    """The unit that carries a group is the persona: clustered by it the test is nearly right, by item it is not.

    Monte-Carlo standard error at 5 %: 2 points of 120 studies.
    """
    sizes = {"items": 60, "personas": 40, "wordings": 1}
    methods = [glm_by("item"), glm_by("persona"), small_sample_by("persona")]
    by_item, by_persona, small = false_findings("yes ~ group", 1, methods, 120, sizes, item=1.5, persona=0.6)
    assert by_item > 0.3
    assert by_persona < 0.12
    assert small <= by_persona
