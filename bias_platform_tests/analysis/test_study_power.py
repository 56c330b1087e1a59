from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm
from statsmodels.stats.power import TTestPower

from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.assumed_answers import DecidedItems, GradedItems, StudySize
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.material import gather
from bias_platform.analysis.replicated_tests import (
    against_control,
    between_systems,
    interactions,
    item_tests,
    p_beyond_wording,
    wording_covariance,
    wording_products,
)
from bias_platform.analysis.study_power import CHANGE, CONTRAST, StudyPower, study_power, study_size
from bias_platform.catalog import load_catalog
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS
from bias_platform.statistics import ModelError, adjust_p_values
from bias_platform_tests.analysis.simulated_study import Design, simulate_study, study_entry

SYSTEMS = ("small", "small+tuned", "small@int8")


def _cells(answers: Answers) -> NDArray[np.float64]:
    """(items, 1 study, systems, personas, wordings), the control first."""
    rows = answers.with_persona
    wide = rows.pivot_table(
        index="item_id", columns=["system", "persona_id", "template_id"], values="yes", observed=True
    )
    personas = [answers.control, *answers.named]
    templates = list(rows["template_id"].cat.categories)
    order = [(s, p, t) for s in answers.systems for p in personas for t in templates]
    shape = (-1, 1, len(answers.systems), len(personas), len(templates))
    return wide[order].to_numpy(float).reshape(shape)


@pytest.mark.parametrize(
    "design",
    [
        Design(items=40, systems=SYSTEMS, sizes={"gender": 3, "race": 2}, intercepts=(0.3, 0.0, -1.0)),
        Design(items=30, systems=SYSTEMS, sizes={"gender": 4}, intercepts=(0.3, 0.2, 0.1), wording_sd=0.6),
        Design(items=50, systems=SYSTEMS, sizes={"gender": 4}, intercepts=(0.0, 0.0, 0.0), bimodal=True),
        Design(items=12, systems=SYSTEMS, sizes={"gender": 3}, intercepts=(4.5, 4.5, 4.5)),
    ],
    ids=["graded", "strong wordings", "nearly decided", "next to no minority"],
)
@pytest.mark.parametrize("method", ["holm", "fdr_bh"])
def test_the_same_numbers_as_the_report(design: Design, method: str) -> None:
    for seed in range(3):
        study = simulate_study(design, seed, multiplicity=method)
        answers = prepare_answers(study.inputs)
        material = gather(answers, "primary", study.inputs.study.analysis)
        cells = _cells(answers)
        personas, wordings = cells.shape[3] - 1, cells.shape[4]
        apart = interactions(cells)
        products = np.stack([wording_products(apart[:, :, s], apart) for s in range(3)], axis=1)
        families = {
            control_contrasts: against_control(3, personas),
            system_changes: between_systems([(0, 1), (0, 2)], personas),
        }
        for of_report, family in families.items():
            table = of_report(material)
            found = item_tests(family.gaps(cells.mean(axis=-1)), family.bound)
            variance = family.wording_variance(wording_covariance(products))
            beyond = p_beyond_wording(found, variance, personas * (wordings - 1.0))
            for scope, p in ((THESE_WORDINGS, found.p_value), (BEYOND_WORDING, beyond)):
                expected = table[table["scope"] == scope]
                np.testing.assert_allclose(found.difference[0], expected["difference"], atol=1e-12)
                np.testing.assert_allclose(p[0], expected["p_value"], rtol=1e-8)
                np.testing.assert_allclose(adjust_p_values(p, method)[0], expected["p_adjusted"], rtol=1e-8)


@pytest.mark.parametrize("assumed", [GradedItems(wording_sd=0.5), DecidedItems(flipped_share=0.05)])
def test_what_the_gap_does_not_touch_need_not_be_tested_again(assumed: GradedItems | DecidedItems) -> None:
    """Each study made anew with its gap, all of it tested: the same findings."""
    size, gaps = StudySize(50, 4, 3, 3), (0.0, 0.15, 0.3)
    study = study_entry(SYSTEMS)
    curve = study_power(study, size, assumptions=assumed, items=[30, 50], gaps=gaps, replicates=6, seed=5).curve
    families = {CONTRAST: (against_control(3, 4), 4), CHANGE: (between_systems([(0, 1), (0, 2)], 4), 0)}
    found: dict[tuple[str, str, float], list[float]] = {}
    for k in range(6):
        drawn = assumed.draw(size, 1, gaps, np.random.default_rng([5, k]))
        for gap, moved in zip(gaps, drawn.with_gap, strict=True):
            cells = drawn.cells[:30, None].copy()
            cells[:, 0, 1, 1] = moved[:30]
            apart = interactions(cells)
            products = np.stack([wording_products(apart[:, :, s], apart) for s in range(3)], axis=1)
            for question, (family, at) in families.items():
                tests = item_tests(family.gaps(cells.mean(axis=-1)), family.bound)
                beyond = p_beyond_wording(tests, family.wording_variance(wording_covariance(products)), 8.0)
                for scope, p in ((THESE_WORDINGS, tests.p_value), (BEYOND_WORDING, beyond)):
                    found.setdefault((question, scope, gap), []).append(adjust_p_values(p, "holm")[0, at] < 0.05)
    rows = curve[curve["items"] == 30]
    assert 0 < rows["power"].mean() < 1
    for row in rows.itertuples():
        assert row.power == pytest.approx(np.mean(found[row.question, row.scope, row.gap]))


def test_log_odds_give_the_wanted_rate() -> None:
    graded = GradedItems(item_sd=2.0, wording_sd=0.5)
    total = np.sqrt(2.0**2 + 0.5**2 + 0.3**2 + 0.3**2 + 0.5**2 + 0.1**2)
    at = norm.ppf((np.arange(4001) + 0.5) / 4001)
    for rate in (0.05, 0.45, 0.9):
        assert expit(graded.log_odds(rate) + total * at).mean() == pytest.approx(rate, abs=2e-4)


@pytest.mark.parametrize("assumed", [GradedItems(base_rate=0.3), DecidedItems(base_rate=0.3, flipped_share=0.05)])
def test_drawn_answers_have_the_rates_and_the_gap(assumed: GradedItems | DecidedItems) -> None:
    gaps = (0.0, 0.05, 0.2)
    drawn = assumed.draw(StudySize(20_000, 2, 2, 2, option_orders=2), 1, gaps, np.random.default_rng(4))
    assert drawn.cells.shape == (20_000, 2, 3, 2)
    assert drawn.cells.mean(axis=(0, 3)) == pytest.approx(np.full((2, 3), 0.3), abs=0.05)
    # the same wordings of the same persona with and without the gap: their own effect cancels out
    np.testing.assert_array_equal(drawn.with_gap[0], drawn.cells[:, 1, 1])
    rates = drawn.with_gap.mean(axis=(1, 2))
    assert rates - rates[0] == pytest.approx(gaps, abs=0.012)
    assert (np.diff(drawn.with_gap, axis=0) >= 0).all()


def _one_comparison(assumed: GradedItems, items: int, gaps: list[float], replicates: int = 2000) -> StudyPower:
    study = study_entry(("only",))
    size = StudySize(items, 1, 3, 1)
    return study_power(study, size, assumptions=assumed, items=[items], gaps=gaps, replicates=replicates, seed=3)


def test_a_gap_of_nothing_is_found_as_often_as_alpha() -> None:
    """One persona, one system: a single test, so that the adjustment changes nothing."""
    without = _one_comparison(GradedItems(wording_sd=0.0, wording_system_sd=0.0), 60, [0.0])
    power = without.curve.set_index("scope")["power"]
    assert 0.04 < power[THESE_WORDINGS] < 0.062  # 0.05 within 2.3 standard errors
    assert power[BEYOND_WORDING] <= power[THESE_WORDINGS]  # what is not there can only be thought to be
    with_wordings = _one_comparison(GradedItems(wording_sd=0.5), 400, [0.0], replicates=400)
    power = with_wordings.curve.set_index("scope")["power"]
    assert power[THESE_WORDINGS] > 0.4  # these wordings do differ
    assert power[BEYOND_WORDING] < 0.16  # 2 degrees of freedom for the wordings: not exact, far from 0.4


def test_power_of_one_test_is_that_of_a_paired_t_test() -> None:
    """The deviation of the items' gaps by quadrature, the power by statsmodels."""
    graded = GradedItems(wording_sd=0.0, wording_system_sd=0.0)
    gaps = [0.05, 0.1, 0.15]
    found = _one_comparison(graded, 80, gaps)
    table = found.curve[found.curve["scope"] == THESE_WORDINGS].set_index("gap")
    shared = np.sqrt(graded.item_sd**2 + graded.item_system_sd**2) * norm.ppf((np.arange(301) + 0.5) / 301)
    own_sd = np.hypot(graded.item_persona_sd, graded.item_persona_system_sd)
    own = own_sd * norm.ppf((np.arange(101) + 0.5) / 101)
    middle = graded.log_odds(graded.base_rate)
    for gap in gaps:
        raised = graded.log_odds(graded.base_rate + gap)
        cells = [expit(at + shared[:, None] + own) for at in (raised, middle)]
        within = sum((p * (1 - p)).mean() / 3 for p in cells)
        between = sum(p.var(axis=1).mean() for p in cells) + (cells[0].mean(axis=1) - cells[1].mean(axis=1)).var()
        expected = TTestPower().power(gap / np.sqrt(within + between), 80, 0.05)
        assert table.loc[gap, "power"] == pytest.approx(expected, abs=0.03)


@pytest.fixture(scope="module")
def several() -> StudyPower:
    study = study_entry(SYSTEMS)
    return study_power(study, StudySize(60, 5, 3, 3), items=[30, 120], gaps=[0.0, 0.1, 0.2, 0.4], replicates=150)


def test_the_tables_are_tidy_and_rise(several: StudyPower) -> None:
    keys = ["question", "scope", "items"]
    assert len(several.curve) == 2 * 2 * 2 * 4
    for _, part in several.curve.groupby(keys):
        assert part["power"].is_monotonic_increasing or part["power"].diff().min() > -0.03
        assert part["power"].between(part["lower"], part["upper"]).all()
    wide = several.curve.pivot_table(index=["question", "scope", "gap"], columns="items", values="power")
    assert (wide[120] >= wide[30] - 0.03).all()
    nothing = several.curve[several.curve["gap"] == 0]["power"]
    assert nothing.max() < 0.06  # adjusted over 15 (10) tests
    smallest = several.smallest.set_index(keys)
    for question in (CONTRAST, CHANGE):
        for scope in (THESE_WORDINGS, BEYOND_WORDING):
            few, many = smallest.loc[question, scope, 30], smallest.loc[question, scope, 120]
            assert np.isnan(few["gap"]) or few["gap"] > many["gap"]
            assert many["lower"] <= many["gap"] <= many["upper"]
    assert smallest.loc[CONTRAST, THESE_WORDINGS, 120]["gap"] < smallest.loc[CHANGE, THESE_WORDINGS, 120]["gap"]


def test_the_sentence_names_sizes_gaps_and_assumptions(several: StudyPower) -> None:
    row = several.smallest.query("question == @CONTRAST and scope == @THESE_WORDINGS and items == 120").iloc[0]
    assert several.sentence.startswith(
        "With 120 items, 5 personas, 3 wordings and 3 systems, 80 % of such studies find"
    )
    assert f"{100 * row['gap']:.1f} points" in several.sentence
    assert "45 % of the control's answers are Yes" in several.sentence
    assert several.sentence.count(".") - several.sentence.count(" points") * 3 <= 2  # one sentence


def test_a_gap_beyond_reach_is_missing_and_said() -> None:
    found = study_power(study_entry(("only",)), StudySize(10, 3, 1, 1), items=[10], gaps=[0.0, 0.02], replicates=20)
    assert found.smallest["gap"].isna().all()
    assert set(found.curve["scope"]) == {THESE_WORDINGS}  # one wording tells nothing of others
    assert "more than 2.0 points" in found.sentence


def test_holm_stands_in_for_a_single_step() -> None:
    """Its power of one gap is a little below that of the report, never above it by more than chance."""
    size = StudySize(40, 3, 2, 2)
    curves = [
        study_power(
            study_entry(SYSTEMS[:2], multiplicity=method), size, items=[40], gaps=[0.0, 0.3], replicates=10
        ).curve
        for method in ("holm", "single_step")
    ]
    assert curves[0].equals(curves[1])


def test_nothing_depends_on_how_many_studies_are_tested_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> StudyPower:
        study = study_entry(SYSTEMS, multiplicity="fdr_bh")
        decided = DecidedItems(own_share=0.05)
        return study_power(
            study, StudySize(40, 3, 2, 3), assumptions=decided, gaps=[0.0, 0.2, 0.4], replicates=12, seed=9
        )

    together = found()
    monkeypatch.setattr("bias_platform.analysis.study_power._BATCH_NUMBERS", 1)
    assert together.curve.equals(found().curve)
    assert set(together.curve["items"]) == {10, 20, 40, 80}


def test_more_tests_need_wider_gaps() -> None:
    assumed = replace(GradedItems(), wording_sd=0.0)
    reach = []
    for personas in (1, 25):
        size = StudySize(80, personas, 3, 1)
        found = study_power(
            study_entry(("only",)), size, assumptions=assumed, items=[80], gaps=[0.05, 0.1, 0.15, 0.2], replicates=200
        )
        reach.append(found.smallest.loc[0, "gap"])
    # normal quantiles: 1.96 + 0.84 against 3.09 + 0.84
    assert reach[1] / reach[0] == pytest.approx(3.93 / 2.8, rel=0.1)


def test_sizes_of_the_demo() -> None:
    catalog = load_catalog("demo")
    study = catalog.studies["offensiveness"]
    assert study_size(catalog, study) == StudySize(120, 27, 3, 5, 1)
    few = study.model_copy(update={"dimensions": ("gender_identity",), "no_persona_baseline": False})
    assert study_size(catalog, few, items=50) == StudySize(50, 5, 3, 5, 1)
    everything = study.model_copy(update={"items": study.items.model_copy(update={"n": None})})
    with pytest.raises(ModelError, match="all items of its corpus"):
        study_size(catalog, everything)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda study, size: study_power(study, size, gaps=[0.0, 0.6]), "cannot be put on a base rate of 0.45"),
        (lambda study, size: study_power(study, size, gaps=[0.2, 0.1]), "must rise"),
        (lambda study, size: study_power(study, size, items=[1]), "two items"),
        (lambda study, size: study_power(study, size, replicates=0), "at least one replicate"),
        (lambda study, size: GradedItems(item_sd=-1.0), "item_sd must not be negative"),
        (lambda study, size: DecidedItems(base_rate=0.01), "no share of Yes items"),
        (lambda study, size: DecidedItems(base_rate=1.5), "between 0 and 1"),
    ],
)
def test_mistakes_are_one_sentence(wrong, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match=said):
        wrong(study_entry(("only",)), StudySize(20, 2, 3, 1))
