"""Single-step adjustment of the report: what it keeps, and that it costs nothing beside Bonferroni and Holm."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from bias_platform.analysis import RegressionResults, adjustment, analyse_study
from bias_platform.analysis.adjustment import SINGLE_STEP, adjust, adjusted, item_correlation
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.comparisons import FloatArray, PairedGaps, compared, together
from bias_platform.analysis.material import gather
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY
from bias_platform.statistics import Estimates, EstimateSet, adjust_p_values, all_pairs, largest_statistic
from bias_platform_tests.analysis.conftest import SMALL
from bias_platform_tests.analysis.simulated_study import CONTROL, SimulatedStudy, simulate_study

SETTINGS = AnalysisSettings(multiplicity=SINGLE_STEP)
ITEMS, PERSONAS, SYSTEMS = 40, 6, 2
STUDIES = 800


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """The report of the small study, adjusted in a single step."""
    return analyse_study(simulate_study(SMALL, seed=11, groups="half", multiplicity=SINGLE_STEP).inputs)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer directions: an error of 0.001 of a p value, for many studies."""
    monkeypatch.setattr(adjustment, "largest_statistic", partial(largest_statistic, directions=2**12))


def _pairs_of_means() -> EstimateSet:
    means = EstimateSet(
        pd.DataFrame({"persona": list("abcd")}),
        {"link": Estimates(np.array([0.0, 0.5, 1.9, 3.1]), np.diag([1.0, 0.5, 0.8, 1.2]) + 0.2)},
    )
    return all_pairs(means, "persona")


def test_it_is_that_of_the_library_for_all_pairs() -> None:
    pairs = _pairs_of_means()
    theirs = pairs.frame("link", adjust="mvt")
    mine = adjusted(theirs["p"].to_numpy(), SETTINGS, pairs.on("link").covariance)
    assert mine.p == pytest.approx(theirs["adjusted_p"].to_numpy(), abs=1e-12)
    critical = (theirs["simultaneous_upper"] - theirs["estimate"]) / theirs["standard_error"]
    assert mine.error == pytest.approx(2 * norm.sf(critical[0]), rel=1e-9)


def test_comparisons_without_a_test_do_not_count() -> None:
    covariance = _pairs_of_means().on("link").covariance
    p = np.array([0.5, 0.2, 0.004, 0.3, 0.02, 0.6])
    wider = np.full((7, 7), np.nan)
    wider[:6, :6] = covariance
    found = adjusted(np.append(p, np.nan), SETTINGS, wider)
    assert found.p[:6] == pytest.approx(adjusted(p, SETTINGS, covariance).p)
    assert np.isnan(found.p[6])


def test_correlation_over_the_items_that_two_have_in_common() -> None:
    rng = np.random.default_rng(5)
    cells = rng.normal(size=(4000, 4))
    gaps = cells[:, 1:] - cells[:, :1]
    gaps[:1000, 0] = np.nan
    found = item_correlation(gaps)
    assert found[1, 2] == pytest.approx(0.5, abs=0.04)
    assert found[0, 1] == pytest.approx(0.5 * np.sqrt(0.75), abs=0.04)
    few, off = rng.normal(size=(6, 12)), ~np.eye(12, dtype=bool)
    seen = np.asarray(np.corrcoef(few, rowvar=False))
    assert np.abs(seen[off]).max() > 0.7  # by chance alone
    assert np.abs(item_correlation(few)[off]).max() < 0.6 * np.abs(seen[off]).max()


def test_contrasts_share_what_wordings_do_to_the_control() -> None:
    study = simulate_study(SMALL, seed=11)
    material = gather(prepare_answers(study.inputs), PRIMARY, SETTINGS)
    one, other = study.inputs.study.systems
    first, second = study.personas[1:3]
    cells = [[(1.0, p, s), (-1.0, CONTROL, s)] for p, s in ((first, one), (second, one), (first, other))]
    found = material.gaps(BEYOND_WORDING, cells).wording_covariance
    variance, shared = material.wording.variance[0], material.wording.covariance[0, 1]
    assert found[0] == pytest.approx([2 * variance, variance, 2 * shared])
    assert found[1, 2] == pytest.approx(shared)


def _decisions(gap: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Single p values and those adjusted in a single step, (studies, comparisons); the first comparison has the gap.

    An adjusted p is between the single one and Bonferroni's: where these agree at 5 %, Bonferroni's is taken.
    """
    rng = np.random.default_rng(seed)
    alone = []
    jointly = []
    for _ in range(STUDIES):
        cells = rng.normal(size=(ITEMS, SYSTEMS, PERSONAS + 1)) + rng.normal(size=(ITEMS, 1, 1))
        cells[:, 0, 1] += gap
        gaps = (cells[:, :, 1:] - cells[:, :, :1]).reshape(ITEMS, -1)
        count = gaps.shape[1]
        paired = PairedGaps(gaps, np.zeros((count, count)), np.ones(count), np.inf, 1e-9)
        table = compared(pd.DataFrame(index=range(count)), paired, 0.95)
        p = table["p_value"].to_numpy()
        alone.append(p)
        open_ = ((p < 0.05) & (p * count >= 0.05)).any()
        covariance = together(table, paired, [], None, SINGLE_STEP) if open_ else None
        jointly.append(adjust(table, SETTINGS, covariance)["p_adjusted"].to_numpy() if open_ else p * count)
    return np.array(alone), np.array(jointly)


@pytest.mark.usefixtures("quick")
def test_false_findings_in_a_family_stay_at_five_per_cent() -> None:
    alone, jointly = _decisions(0.0, seed=3)
    wrong = (jointly < 0.05).any(axis=1).mean()
    assert 0.03 < wrong < 0.07  # two and a half Monte-Carlo errors
    assert (jointly >= alone).all()
    assert (jointly <= alone * alone.shape[1] + 1e-9).all()


@pytest.mark.usefixtures("quick")
def test_a_single_difference_is_found_no_less_often_than_by_holm() -> None:
    alone, jointly = _decisions(0.75, seed=4)
    holm = np.array([adjust_p_values(row) for row in alone])
    mine, theirs = (jointly[:, 0] < 0.05), (holm[:, 0] < 0.05)
    assert 0.3 < theirs.mean() < 0.95
    assert mine.mean() >= theirs.mean() - 2 * np.sqrt((mine != theirs).mean() / STUDIES)


def test_the_report_is_between_single_tests_and_bonferroni(results: RegressionResults) -> None:
    for name in ("control_contrasts", "persona_pairs", "system_changes", "baseline_differences"):
        table = results.tables[name]
        keys = [key for key in ("reading", "scope") if key in table.columns]
        for _, part in table.groupby(keys) if keys else [((), table)]:
            scales = [("p_value", "p_adjusted")]
            scales += [("log_odds_p", "log_odds_p_adjusted")] if "log_odds_p" in part else []
            for single, joint in scales:
                assert (part[joint] >= part[single]).all()
                assert (part[joint] <= np.minimum(1.0, len(part) * part[single]) + 1e-9).all()
                assert (part[joint] < np.minimum(1.0, len(part) * part[single]) - 1e-6).any()


def test_simultaneous_intervals_agree_with_the_tests(results: RegressionResults, study: SimulatedStudy) -> None:
    table = results.tables["control_contrasts"]
    holm = analyse_study(study.inputs).tables["control_contrasts"]
    clear = (table["simultaneous_lower"] > 0) | (table["simultaneous_upper"] < 0)
    assert (clear == table["significant"]).all()
    width = table["simultaneous_upper"] - table["simultaneous_lower"]
    assert (width < holm["simultaneous_upper"] - holm["simultaneous_lower"]).all()
    assert (width > table["upper"] - table["lower"]).all()
    assert table["equivalence_p"].equals(holm["equivalence_p"])


def test_what_is_no_contrast_is_adjusted_by_holm_and_says_so(results: RegressionResults, study: SimulatedStudy) -> None:
    families = results.tables["test_families"]
    apart = ("personas of a dimension being alike", "changes of spreads", "each wording")
    spreads = families["family"].str.startswith(apart)
    assert set(families.loc[spreads, "method"]) == {"holm"}
    assert set(families.loc[~spreads, "method"]) == {SINGLE_STEP}
    holm = analyse_study(study.inputs).tables
    assert (results.tables["dimension_spreads"]["p_adjusted"] == holm["dimension_spreads"]["p_adjusted"]).all()
    assert (results.tables["persona_pairs"]["sign_p_adjusted"] == holm["persona_pairs"]["sign_p_adjusted"]).all()
    assert "single-step adjustment" in results.headline
    assert "Holm’s correction" in " ".join(results.summary)
