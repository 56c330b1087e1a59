"""What must not matter to a fit: order of rows, names of levels, coding of X, units of x, counts instead of rows."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.statistics import MixedModelFit, fit_mixed_model, marginal_means, term_tests
from bias_platform_tests.statistics.golden_cases import GOLDEN
from bias_platform_tests.statistics.made_designs import MODEL_A, named_personas

SMALL = "yes ~ persona * system + (1 | item) + (1 | item:persona) + (1 | persona:template)"


def measured(seed: int = 1) -> pd.DataFrame:
    """The named personas with a numeric outcome that varies over items, their personas, and persona x wording."""
    frame = named_personas(seed=seed)
    rng = np.random.default_rng(seed)
    value = 0.5 * (frame["persona"] == "p1") - 0.4 * (frame["system"] == "tuned") + 0.2 * frame["x"]
    for columns, sd in ((["item"], 1.2), (["item", "persona"], 0.5), (["persona", "template"], 0.4)):
        level = frame.groupby(columns).ngroup()
        value += sd * rng.standard_normal(level.max() + 1)[level]
    return frame.assign(y=(value + 0.7 * rng.standard_normal(len(frame))).round(3))


def of_family(family: str, frame: pd.DataFrame, formula: str = SMALL, weights: str | None = None) -> MixedModelFit:
    """`SMALL` or another formula, with the outcome ``y`` and by maximum likelihood if Gaussian."""
    if family == "gaussian":
        formula = formula.replace("yes ~", "y ~")
        return fit_mixed_model(formula, frame, family=family, method="ML", weights=weights)
    return fit_mixed_model(formula, frame, weights=weights)


def assert_same(one: MixedModelFit, other: MixedModelFit) -> None:
    errors = one.fixed_effects["standard_error"].to_numpy()
    assert other.loglik == pytest.approx(one.loglik, abs=1e-6)
    assert list(other.fixed_effects.index) == list(one.fixed_effects.index)
    assert (np.abs(other.fixed_effects["estimate"] - one.fixed_effects["estimate"]) < 1e-4 * errors).all()
    assert other.fixed_effects["standard_error"].to_numpy() == pytest.approx(errors, rel=1e-4)
    ours, theirs = (fit.variance_components["sd"].to_numpy() for fit in (one, other))
    assert theirs == pytest.approx(ours, rel=1e-4, abs=1e-5)


@pytest.fixture(scope="module")
def fit() -> MixedModelFit:
    return fit_mixed_model(SMALL, named_personas())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows(fit: MixedModelFit, seed: int) -> None:
    again = fit_mixed_model(SMALL, named_personas().sample(frac=1, random_state=seed))
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    assert again.fixed_effects["estimate"].to_numpy() == pytest.approx(
        fit.fixed_effects["estimate"].to_numpy(), abs=1e-5
    )


@settings(max_examples=8, deadline=None)
@given(names=st.lists(st.text("abcdefxyz _-é", min_size=1, max_size=6), min_size=18, max_size=18, unique=True))
def test_names_of_levels(fit: MixedModelFit, names: list[str]) -> None:
    frame = named_personas()
    frame["item"] = frame["item"].map(dict(enumerate(names)))
    again = fit_mixed_model(SMALL, frame)
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    assert again.covariance.to_numpy() == pytest.approx(fit.covariance.to_numpy(), abs=1e-5)


@pytest.mark.parametrize(
    "coded",
    [
        "C(persona, contr.sum) * C(system, contr.sum)",
        "C(persona, contr.treatment('p2')) * system",
        "persona:system - 1",
        "system * persona",
    ],
)
def test_coding_of_x(fit: MixedModelFit, coded: str) -> None:
    again = fit_mixed_model(SMALL.replace("persona * system", coded), named_personas())
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    ours, theirs = (marginal_means(one, by=["system", "persona"]).frame("probability") for one in (fit, again))
    assert theirs["estimate"].to_numpy() == pytest.approx(ours["estimate"].to_numpy(), abs=1e-5)
    assert theirs["standard_error"].to_numpy() == pytest.approx(ours["standard_error"].to_numpy(), rel=1e-4)


def test_counts_are_the_rows_they_stand_for() -> None:
    frame = named_personas(seed=3)
    keys = ["item", "persona", "system"]
    counts = frame.groupby(keys, as_index=False).agg(won=("yes", "sum"), asked=("yes", "size"))
    formula = "yes ~ persona * system + (1 | item) + (1 | item:persona)"
    by_row = fit_mixed_model(formula, frame)
    by_count = fit_mixed_model(formula.replace("yes", "cbind(won, asked - won)"), counts)
    assert by_count.fixed_effects["estimate"].to_numpy() == pytest.approx(
        by_row.fixed_effects["estimate"].to_numpy(), abs=1e-6
    )
    assert by_count.loglik > by_row.loglik
    assert by_count.n_observations == by_row.n_observations == len(frame)


def test_weights_are_repetitions() -> None:
    frame = named_personas(seed=4)
    often = np.random.default_rng(0).integers(0, 4, len(frame))
    weighted = fit_mixed_model(SMALL, frame.assign(times=often), weights="times")
    repeated = fit_mixed_model(SMALL, frame.loc[frame.index.repeat(often)])
    assert weighted.loglik == pytest.approx(repeated.loglik, abs=1e-7)
    assert weighted.n_observations == repeated.n_observations


def test_categories_and_text_are_the_same() -> None:
    frame = named_personas()
    typed = frame.astype({"persona": "category", "system": "category", "item": "category"})
    typed["persona"] = typed["persona"].cat.add_categories(["never seen"])
    typed["yes"] = typed["yes"].astype(bool)
    plain, other = fit_mixed_model(MODEL_A, frame), fit_mixed_model(MODEL_A, typed)
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-7)
    pd.testing.assert_index_equal(other.fixed_effects.index, plain.fixed_effects.index)


FAMILIES = ["binomial", "gaussian"]


def test_order_and_names_in_a_gaussian_fit() -> None:
    frame = measured()
    renamed = frame.assign(item=frame["item"].map(lambda item: f"{97 - item} é")).sample(frac=1, random_state=8)
    one, other = of_family("gaussian", frame), of_family("gaussian", renamed)
    assert_same(one, other)
    ours, theirs = (fit.conditional_modes["item"] for fit in (one, other))
    assert theirs[[f"{97 - int(item)} é" for item in ours.index]].to_numpy() == pytest.approx(ours.to_numpy(), abs=1e-4)


@pytest.mark.parametrize("coded", ["C(persona, contr.sum) * C(system, contr.sum)", "persona:system - 1"])
def test_coding_of_x_in_a_gaussian_fit(coded: str) -> None:
    one, other = (
        of_family("gaussian", measured(), SMALL.replace("persona * system", x)) for x in ("persona * system", coded)
    )
    assert other.loglik == pytest.approx(one.loglik, abs=1e-7)
    ours, theirs = (marginal_means(fit, by=["system", "persona"]).frame("response") for fit in (one, other))
    assert theirs["estimate"].to_numpy() == pytest.approx(ours["estimate"].to_numpy(), abs=1e-5)
    assert theirs["standard_error"].to_numpy() == pytest.approx(ours["standard_error"].to_numpy(), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weight_is_the_sum_of_its_parts(family: str) -> None:
    frame, rng = measured(seed=4), np.random.default_rng(0)
    first, second = rng.integers(0, 3, len(frame)), rng.integers(0, 3, len(frame))
    whole = of_family(family, frame.assign(w=first + second), weights="w")
    parts = of_family(family, pd.concat([frame.assign(w=first), frame.assign(w=second)]), weights="w")
    assert_same(whole, parts)
    assert whole.n_observations == parts.n_observations == (first + second).sum()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (-1e-4, 0.0), (1.0, 50.0), (2.0, -1e4)])
def test_units_and_origin_of_a_covariate(family: str, factor: float, shift: float) -> None:
    frame, formula = measured(), SMALL.replace("persona * system", "persona + x")
    one = of_family(family, frame, formula)
    other = of_family(family, frame.assign(x=factor * frame["x"] + shift), formula)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-6)
    ours, theirs = (fit.fixed_effects.loc["x", ["estimate", "standard_error"]].astype(float) for fit in (one, other))
    assert (theirs * [factor, abs(factor)]).to_numpy() == pytest.approx(ours.to_numpy(), rel=1e-4)
    assert other.variance_components["sd"].to_numpy() == pytest.approx(
        one.variance_components["sd"], rel=1e-4, abs=1e-5
    )
    start = one.fixed_effects.loc["Intercept", "estimate"] - shift / factor * ours["estimate"]
    assert other.fixed_effects.loc["Intercept", "estimate"] == pytest.approx(start, rel=1e-4, abs=1e-4)


TO_THE_LAST_DIGIT = """
import numpy as np
from bias_platform.statistics import fit_mixed_model
from bias_platform_tests.statistics.made_designs import named_personas

frame = named_personas(seed=6)
frame["y"] = frame["yes"] + np.sin(np.arange(len(frame)))
for random in ("(1 | item) + (1 | item:persona) + (1 | persona:template)", "(1 + x | item) + (1 | persona:template)"):
    for outcome, family in (("yes", "binomial"), ("y", "gaussian")):
        fit = fit_mixed_model(f"{outcome} ~ persona * system + x + {random}", frame, family=family)
        columns = fit.fixed_effects, fit.covariance, fit.variance_components[["sd", "sd_standard_error"]]
        print(fit.loglik.hex(), *(float(number).hex() for part in columns for number in part.to_numpy().ravel()))
"""


def test_a_fit_is_the_same_to_the_last_digit(capsys: pytest.CaptureFixture[str]) -> None:
    """Twice in this process and once in a fresh one."""
    found = []
    for _ in range(2):
        exec(TO_THE_LAST_DIGIT, {})
        found.append(capsys.readouterr().out)
    command = [sys.executable, "-c", TO_THE_LAST_DIGIT]
    found.append(subprocess.run(command, capture_output=True, text=True, check=True, cwd=GOLDEN.parents[1]).stdout)
    assert len(found[0].splitlines()) == 4
    assert found[0] == found[1]
    assert found[0] == found[2]


@pytest.mark.parametrize("written", ["`my group`", "Q('my group')", "C(Q('my group'))", "C(`my group`)"])
def test_how_a_column_is_written_changes_no_test_and_no_message(written: str) -> None:
    frame = named_personas()
    frame["group"] = "g" + (frame["persona"].str[1:].astype(int) % 2).astype(str)
    plain = fit_mixed_model("yes ~ group + (1 | item)", frame)
    other = fit_mixed_model(f"yes ~ {written} + (1 | item)", frame.rename(columns={"group": "my group"}))
    columns = ["df", "f", "denominator_df", "f_p", "carrier"]
    theirs, ours = (term_tests(fit, likelihood_ratio=False)[columns].values.tolist() for fit in (other, plain))
    assert theirs[0][:4] == pytest.approx(ours[0][:4], rel=1e-6)
    assert theirs[0][4] == ours[0][4] == "residual"
    assert [text.replace("my group", "group") for text in other.messages] == list(plain.messages)
    assert len(plain.diagnostics.missing_random_effects) > 0
