"""Ordinal fits against the R packages ordinal (clmm) and emmeans, on its data set wine and on simulated designs.

The reference is clmm's own likelihood at its maximum: clmm stops at gradients of 1e-5 and more and differentiates so
coarsely that its standard errors are up to 1.2 % off in wine, so `make_ordinal.R` goes on by Newton steps. What is left
of that in the standard errors of ``opinions``, whose likelihood is a sum over 3,000 rows, is up to 0.09 %: those by
differences of our gradient agree with ours to 0.01 % (`test_ordinal_engine.py` does the same for ``ratings``).
"""

import io

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import all_pairs, category_probabilities, marginal_means
from bias_platform_tests.golden.write_ordinal_designs import DESIGNS
from bias_platform_tests.statistics.golden_cases import GOLDEN
from bias_platform_tests.statistics.ordinal_cases import CASES, as_in_r, fit_of, golden

MEANS = {"wine": (["temp", "contact"], "rating"), "opinions": (["group", "system"], "answer")}


@pytest.mark.parametrize("case", CASES)
def test_the_reference_is_at_its_maximum(case: str) -> None:
    assert golden(case)["gradient"] < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_loglik(case: str) -> None:
    fit, reference = fit_of(case), golden(case)
    assert fit.converged
    assert fit.loglik == pytest.approx(reference["loglik"], rel=1e-8)
    assert (fit.df_model, fit.n_rows, fit.n_observations) == tuple(reference[k] for k in ("df", "rows", "observations"))


@pytest.mark.parametrize("case", CASES)
def test_thresholds_and_slopes(case: str) -> None:
    reference, ours = golden(case)["coefficients"], fit_of(case).fixed_effects
    errors = np.array(reference["standard_error"])
    assert [as_in_r(name) for name in ours.index] == reference["name"]
    assert np.abs((ours["estimate"] - reference["estimate"]) / errors).max() < 1e-3
    assert np.abs(ours["standard_error"] / errors - 1).max() < 2e-3


@pytest.mark.parametrize("case", CASES)
def test_variance_components(case: str) -> None:
    ours, reference = fit_of(case).variance_components.set_index("term"), golden(case)
    assert set(ours.index) == set(reference["sd"])
    for term, sd in reference["sd"].items():
        assert ours["sd"][term] == pytest.approx(sd, rel=1e-3)
        if sd:
            assert ours["sd_standard_error"][term] == pytest.approx(reference["sd_standard_error"][term], rel=5e-3)


@pytest.mark.parametrize(("case", "term"), [("wine_two", "bottle"), ("still_opinions", "persona")])
def test_a_variance_at_zero_is_zero(case: str, term: str) -> None:
    components = fit_of(case).variance_components.set_index("term")
    assert golden(case)["sd"][term] == 0
    assert components["sd"][term] == 0
    assert components["singular"][term]


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str]) -> None:
    theirs = theirs.rename(columns={"prob": "theirs", "estimate": "theirs"})
    both = ours.merge(theirs, on=keys, validate="one_to_one")
    assert len(both) == len(theirs) == len(ours)
    assert np.abs((both["estimate"] - both["theirs"]) / both["SE"]).max() < 2e-3
    assert np.abs(both["standard_error"] / both["SE"] - 1).max() < 2e-3
    assert np.abs(both["p"] - both["p.value"]).max() < 5e-4


def reference(case: str, kind: str) -> pd.DataFrame:
    """Of emmeans, which numbers the categories from 1 up."""
    theirs = pd.DataFrame(golden(case)["emmeans"][kind])
    names = fit_of(case).design.categories
    return theirs.assign(category=[names[int(k) - 1] for k in theirs[MEANS[case][1]]])


@pytest.mark.parametrize("case", MEANS)
def test_probabilities_of_categories(case: str) -> None:
    by = MEANS[case][0]
    ours = category_probabilities(fit_of(case), by).frame("conditional")
    compare(ours, reference(case, "shares"), [*by, "category"])


@pytest.mark.parametrize("case", MEANS)
def test_differences_of_probabilities(case: str) -> None:
    first, *others = MEANS[case][0]
    shares = category_probabilities(fit_of(case), MEANS[case][0])
    gaps = all_pairs(shares, first, within=[*others, "category"]).frame("conditional")
    compare(gaps, reference(case, "share_pairs"), ["contrast", *others, "category"])


@pytest.mark.parametrize("case", MEANS)
def test_contrasts_on_the_latent_scale(case: str) -> None:
    first, *others = MEANS[case][0]
    gaps = all_pairs(marginal_means(fit_of(case), MEANS[case][0]), first, within=others).frame("link")
    compare(gaps, pd.DataFrame(golden(case)["emmeans"]["pairs"]), ["contrast", *others])


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_what_their_script_writes(name: str) -> None:
    made = pd.read_csv(io.StringIO(DESIGNS[name]().to_csv(index=False)))
    pd.testing.assert_frame_equal(made, pd.read_csv(GOLDEN / f"{name}.csv.gz"))
