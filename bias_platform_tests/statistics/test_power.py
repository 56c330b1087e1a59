"""Simulated studies, and the power found in them, against what others say and against the fits they stand for."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from scipy.special import expit
from scipy.stats import binomtest, norm, ttest_ind
from statsmodels.stats.power import TTestIndPower

from bias_platform.statistics import ModelError, fit_mixed_model, logistic_normal, term_tests
from bias_platform.statistics.power import TermPower, _carried, power_of_term, smallest_detectable
from bias_platform.statistics.power_curve import PowerCurve, _monotone
from bias_platform.statistics.power_replicates import STATES
from bias_platform.statistics.study_design import Attribute, StudyDesign
from bias_platform.statistics.study_simulation import latent_parts, simulate_answers, simulate_study

FORMULA = "yes ~ group + (1 | item) + (1 | persona)"
OLD = {"group=old": 1.0}
R_CHECK = {("wald", 0.0): (21, 400), ("f", 0.0): (16, 400), ("wald", 0.5): (1029, 1400), ("f", 0.5): (981, 1400)}
"""(test, gap) -> (found, studies) in R, where the studies were drawn as well as fitted."""


def _design(items: int = 40, personas: int = 24, intercept: float = -0.3, **sds: float) -> StudyDesign:
    return StudyDesign(
        factors={"item": items, "persona": personas},
        attributes={"group": Attribute("persona", {"young": personas // 2, "old": personas - personas // 2})},
        sds=sds or {"item": 1.2, "persona": 0.3},
        intercept=intercept,
    )


def test_frame_has_every_combination_once() -> None:
    sizes = {"young": 2, "old": 3}
    design = StudyDesign({"item": 4, "persona": 5, "system": ("base", "tuned")}, {"group": Attribute("persona", sizes)})
    frame = design.frame()
    assert len(frame) == len(frame.drop_duplicates()) == design.rows == 40
    assert frame.groupby("group", observed=True)["persona"].nunique().to_dict() == sizes
    assert frame.groupby("persona", observed=True)["group"].nunique().max() == 1


def test_effects_are_put_where_they_are_named() -> None:
    design = StudyDesign(
        {"item": 3, "persona": 2, "system": ("base", "tuned")}, {"group": Attribute("persona", {"young": 1, "old": 1})}
    )
    frame = design.frame()
    found = design.predictor({"group=old": 1.0, "group=old, system=tuned": 0.5}, base=-2.0)
    old, tuned = frame["group"] == "old", frame["system"] == "tuned"
    np.testing.assert_array_equal(found, -2.0 + old + 0.5 * (old & tuned))


def test_simulated_answers_have_the_rates_and_the_deviations() -> None:
    design = _design(60, 30, item=1.5, persona=0.6)
    answers = simulate_answers(design, {"group=old": 0.8}, seed=2, replicates=300)
    old = (design.frame()["group"] == "old").to_numpy()
    total = np.hypot(1.5, 0.6)
    expected = logistic_normal(np.array([-0.3, 0.5]), total).mean
    found = [answers[:, ~old].mean(), answers[:, old].mean()]
    assert found == pytest.approx(expected, abs=0.015)
    latent = latent_parts(design, 2, 300).reshape(300, 60, 30)
    # of the means over the other factor: own variance plus that of the noise, pi^2 / 3, spread over it
    of_item, of_persona = latent.mean(axis=2).var(axis=1).mean(), latent.mean(axis=1).var(axis=1).mean()
    assert of_item == pytest.approx(1.5**2 + np.pi**2 / 3 / 30, rel=0.08)
    assert of_persona == pytest.approx(0.6**2 + np.pi**2 / 3 / 60, rel=0.08)


def test_one_study_is_the_first_of_many_and_replicates_do_not_depend_on_how_many() -> None:
    design = _design(12, 6)
    many = simulate_answers(design, OLD, seed=5, replicates=7)
    np.testing.assert_array_equal(simulate_study(design, OLD, seed=5)["yes"], many[0])
    np.testing.assert_array_equal(simulate_answers(design, OLD, seed=5, replicates=3, first=4), many[4:])
    assert not np.array_equal(many[0], many[1])
    assert not np.array_equal(many, simulate_answers(design, OLD, seed=6, replicates=7))


def test_a_wider_gap_turns_answers_one_way_only() -> None:
    """Common random numbers: each gap's answers are a draw of its own model, and coupled to the others."""
    design = _design(30, 10)
    before, after = (simulate_answers(design, {"group=old": gap}, seed=1, replicates=40) for gap in (0.2, 0.6))
    assert (after >= before).all()
    old = (design.frame()["group"] == "old").to_numpy()
    np.testing.assert_array_equal(before[:, ~old], after[:, ~old])


def test_simulated_studies_are_those_of_plain_uniforms() -> None:
    """The power of a t test between the personas' Yes-rates, in studies drawn without this package."""
    rng = np.random.default_rng(5)
    eta = (
        -0.3 + 0.5 * (np.arange(24) >= 12) + 1.2 * rng.normal(size=(4000, 40, 1)) + 0.3 * rng.normal(size=(4000, 1, 24))
    )
    plain = rng.random(eta.shape) < expit(eta)
    mine = simulate_answers(_design(), {"group=old": 0.5}, seed=8, replicates=4000).reshape(plain.shape)
    rates = [answers.mean(axis=1) for answers in (plain, mine)]
    powers = [(ttest_ind(one[:, :12], one[:, 12:], axis=1).pvalue < 0.05).mean() for one in rates]
    assert powers[1] == pytest.approx(powers[0], abs=0.03)  # the error of the difference is 0.010


@pytest.fixture(scope="module")
def found() -> TermPower:
    return power_of_term(
        _design(), FORMULA, "group", pattern=OLD, gaps=[0.0, 0.5, 0.8], replicates=120, seed=20, processes=2
    )


def test_power_is_that_of_a_t_test_between_personas(found: TermPower) -> None:
    """A persona's log-odds vary by their deviation and the noise of 40 answers; the rest is statsmodels."""
    eta = -0.3 + 1.2 * norm.ppf((np.arange(501) + 0.5) / 501)
    noise = 1.0 / (40 * (expit(eta) * (1 - expit(eta))).mean())
    expected = [TTestIndPower().power(gap / np.sqrt(0.3**2 + noise), 12, 0.05) if gap else 0.05 for gap in found.gaps]
    table = found.table().set_index(["test", "gap"])
    for gap, power in zip(found.gaps, expected, strict=True):
        hits = round(table.loc[("f", gap), "power"] * 120)
        # to three standard errors: the t test takes item effects as known
        assert binomtest(hits, 120, power).pvalue > 0.0027, (gap, hits, power)


def test_power_is_that_of_another_engine(found: TermPower) -> None:
    """R 4.2.2 with glmmTMB 1.1.5: the same design simulated there, Wald's z and the F with 22 df from it."""
    table = found.table().set_index(["test", "gap"])
    for (test, gap), (hits, replicates) in R_CHECK.items():
        mine = round(table.loc[(test, gap), "power"] * 120)
        both = (mine + hits) / (120 + replicates)
        error = np.sqrt(both * (1 - both) * (1 / 120 + 1 / replicates))
        assert abs(mine / 120 - hits / replicates) < 3 * error


def test_tests_are_those_of_the_mixed_model(found: TermPower) -> None:
    design = _design()
    for replicate, at in ((0, 0), (3, 2), (119, 1)):
        answers = simulate_answers(design, {"group=old": found.gaps[at]}, seed=20, replicates=1, first=replicate)
        data = design.frame().assign(yes=answers[0].astype(int))
        expected = term_tests(fit_mixed_model(FORMULA, data), ["group"])
        assert found.p_values["f"][replicate, at] == pytest.approx(expected["f_p"][0], rel=1e-6)
        assert found.p_values["wald"][replicate, at] == pytest.approx(expected["wald_p"][0], rel=1e-6)


def test_the_table_counts_every_fit(found: TermPower) -> None:
    table = found.table()
    assert table["test"].tolist() == ["f"] * 3 + ["wald"] * 3
    assert (table["replicates"] == 120).all()
    assert found.denominator_df == 22
    assert table["singular"].sum() > 0  # 24 personas with 40 answers: some samples show no variance
    assert table[["failed", "not_converged", "separated"]].to_numpy().sum() == 0
    for row in table.itertuples():
        bounds = binomtest(round(row.power * 120), 120).proportion_ci(method="wilson")
        assert (row.lower, row.upper) == pytest.approx((bounds.low, bounds.high))


def test_nothing_depends_on_how_the_work_is_shared_out() -> None:
    kwargs = {"pattern": OLD, "gaps": [0.4], "replicates": 9, "seed": 3, "likelihood_ratio": True}
    alone = power_of_term(_design(15, 8), FORMULA, "group", **kwargs, processes=1)  # type: ignore[arg-type]
    shared = power_of_term(_design(15, 8), FORMULA, "group", **kwargs, processes=2)  # type: ignore[arg-type]
    for test in ("f", "wald", "lr"):
        np.testing.assert_array_equal(alone.p_values[test], shared.p_values[test])
    assert np.isfinite(alone.p_values["lr"]).all()


def test_fits_that_claim_nothing_are_counted_and_find_nothing() -> None:
    """Nearly everybody says Yes: in some studies all do, in others a whole group does."""
    design = _design(6, 6, intercept=4.0, item=0.1)
    found = power_of_term(design, "yes ~ group + (1 | item)", "group", pattern=OLD, gaps=[0.0, 3.0], replicates=40)
    counts = found.table().set_index(["test", "gap"]).loc["f"]
    assert counts["failed"].sum() > 0
    assert counts["separated"].sum() > 0
    silent = found.states[:, :, : STATES.index("singular")].any(axis=2)
    assert np.isnan(found.p_values["f"][silent]).all()
    assert not found.curve("f").found[silent].any()
    assert (counts["replicates"] == 40).all()


def test_answers_that_share_a_row_of_the_model_are_counted() -> None:
    """The model does not know the wordings: three answers a row."""
    design = StudyDesign(
        {"item": 20, "persona": 8, "wording": 3}, {"group": Attribute("persona", {"young": 4, "old": 4})}, {"item": 1.0}
    )
    found = power_of_term(design, "yes ~ group + (1 | item)", "group", pattern=OLD, gaps=[0.5], replicates=2, seed=4)
    data = simulate_study(design, {"group=old": 0.5}, seed=4)
    expected = term_tests(fit_mixed_model("yes ~ group + (1 | item)", data), ["group"])
    assert found.denominator_df == expected["denominator_df"][0] == 480 - 20 - 1
    assert found.p_values["f"][0, 0] == pytest.approx(expected["f_p"][0], rel=1e-6)


def test_degrees_of_freedom_of_the_carrying_unit() -> None:
    design = StudyDesign(
        {"item": 5, "persona": 10, "system": 3},
        {
            "group": Attribute("persona", {"a": 4, "b": 3, "c": 3}),
            "half": Attribute("persona", {"x": 5, "y": 5}),
            "kind": Attribute("item", {"k": 2, "l": 3}),
        },
    )
    units = "(1 | item) + (1 | persona) + (1 | persona:system)"
    assert _carried(design, f"yes ~ group * system + {units}", "group").df == 7
    assert _carried(design, f"yes ~ group * system + {units}", "group:system").df == 14
    assert _carried(design, f"yes ~ group + half + group:half + {units}", "half:group").df == 6  # four of six occur
    assert _carried(design, f"yes ~ group + kind + {units}", "kind").df == 3
    assert _carried(design, "yes ~ group + (1 | item)", "group").df == 150 - 5 - 2
    with pytest.raises(ModelError, match="leaves persona no degree of freedom"):
        _carried(design, "yes ~ persona + (1 | persona)", "persona")


def test_smallest_gap_of_a_known_curve() -> None:
    """Where studies find a gap beyond a normal threshold, the crossing is its quantile."""
    threshold = np.random.default_rng(1).normal(0.5, 0.1, 4000)
    gaps = (0.3, 0.45, 0.6, 0.75)
    curve = PowerCurve(gaps, threshold[:, None] < np.array(gaps))
    for power in (0.5, 0.8, 0.9):
        expected = 0.5 + 0.1 * norm.ppf(power)
        crossing = curve.smallest(power)
        assert crossing.estimate == pytest.approx(expected, abs=0.008)
        assert crossing.lower < expected < crossing.upper
        assert crossing.upper - crossing.lower < 0.02
    assert curve.smallest(0.01).estimate == 0.3
    nowhere = PowerCurve((0.1, 0.2), np.zeros((50, 2), dtype=bool)).smallest(0.8)
    assert np.isinf([nowhere.estimate, nowhere.lower, nowhere.upper]).all()


def test_the_curve_is_made_to_rise() -> None:
    rows = np.random.default_rng(3).normal(np.linspace(0, 1, 9), 0.5, (30, 9))
    for row, found in zip(rows, _monotone(rows), strict=True):
        np.testing.assert_allclose(found, isotonic_regression(row).x, atol=1e-12)


def test_interval_of_the_smallest_gap_holds_it() -> None:
    """Over 200 curves of 100 replicates each."""
    gaps, expected = (0.4, 0.55, 0.7), 0.5 + 0.1 * norm.ppf(0.8)
    rng = np.random.default_rng(7)
    curves = [PowerCurve(gaps, rng.normal(0.5, 0.1, 100)[:, None] < np.array(gaps)) for _ in range(200)]
    intervals = [curve.smallest(0.8) for curve in curves]
    assert np.mean([one.lower <= expected <= one.upper for one in intervals]) > 0.9


def test_smallest_detectable_has_the_power_it_says() -> None:
    design = _design(15, 10, item=1.0, persona=0.2)
    found = smallest_detectable(design, FORMULA, "group", pattern=OLD, near=0.9, replicates=30, seed=2)
    assert found.gap.lower < found.gap.estimate < found.gap.upper
    assert found.around.gaps[0] < found.gap.estimate <= found.around.gaps[-1]
    again = power_of_term(design, FORMULA, "group", pattern=OLD, gaps=[found.gap.estimate], replicates=60, seed=77)
    assert again.curve().power[0] == pytest.approx(0.8, abs=0.2)  # errors of 30 and of 60 replicates


def _power(**changed: object) -> TermPower:
    arguments: dict[str, object] = {"pattern": OLD, "gaps": [0.0, 0.5], "replicates": 2, **changed}
    formula = str(arguments.pop("formula", FORMULA))
    return power_of_term(_design(6, 6), formula, str(arguments.pop("term", "group")), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gaps": []}, "gaps that rise"),
        ({"gaps": [0.5, 0.2]}, "gaps that rise"),
        ({"alpha": 0.0}, "between 0 and 1"),
        ({"replicates": 0}, "at least one replicate"),
        ({"pattern": {"group=odl": 1.0}}, "did you mean old"),
        ({"pattern": {"grupo=old": 1.0}}, "did you mean group"),
        ({"pattern": {"old": 1.0}}, "write factor=level"),
        ({"term": "item"}, "no fixed term"),
        ({"term": "persona", "denominator_df": 3.0}, "no fixed term"),
        ({"formula": "yes ~ grup + (1 | item)"}, "did you mean group"),
        ({"formula": "cbind(yes, no) ~ group + (1 | item)"}, "single column"),
        ({"seed": -1}, "from 0 up"),
    ],
)
def test_mistakes_are_one_sentence(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        _power(**changed)


@pytest.mark.parametrize(
    ("factors", "attributes", "sds", "said"),
    [
        ({}, {}, {}, "no factor"),
        ({"item": 0}, {}, {}, "at least one level"),
        ({"item": 3}, {"item": Attribute("item", {"a": 3})}, {}, "both a factor and an attribute"),
        ({"item": 3}, {"kind": Attribute("itme", {"a": 3})}, {}, "did you mean item"),
        ({"item": 3}, {"kind": Attribute("item", {"a": 2})}, {}, "add up to"),
        ({"item": 3}, {}, {"item:sistem": 1.0}, "names 'sistem'"),
        ({"item": 3}, {}, {"item": -1.0}, "must not be negative"),
        ({"item": 100_000, "persona": 1000}, {}, {}, "can be simulated"),
    ],
)
def test_impossible_designs_are_refused(factors, attributes, sds, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match=said):
        StudyDesign(factors, attributes, sds)
