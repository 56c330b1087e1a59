"""Random slopes against lmer and glmmTMB: sleepstudy, cbpp, VerbAgg and simulated designs of 2 to 5 terms."""

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import MixedModelFit, conditional_mode_table, fit_mixed_model
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of

REFERENCE: dict[str, dict[str, Any]] = json.loads((GOLDEN / "random_slopes.json").read_text())
CASES = [case for case in REFERENCE if case != "versions"]
REGULAR = [case for case in CASES if not REFERENCE[case]["singular"]]
SINGULAR = [case for case in CASES if REFERENCE[case]["singular"]]
CORRELATED = [case for case in REGULAR if "correlations" in REFERENCE[case]]
WITH_SPREAD_ERRORS = [case for case in REGULAR if "sd_standard_error" in REFERENCE[case]["components"]]


@cache
def fit_of(case: str) -> MixedModelFit:
    reference = REFERENCE[case]
    method = reference["method"] if reference["family"] == "gaussian" else None
    return fit_mixed_model(reference["formula"], data_of(reference["data"]), family=reference["family"], method=method)


def plain(name: str) -> str:
    """An effect as R writes it, from ``system[T.tuned]`` or R's own name."""
    return re.sub(r"\[(?:T\.)?([^]]*)\]", r"\1", name).replace("(Intercept)", "Intercept")


def grouping(term: str) -> str:
    """``item:system`` from ``1 + x | item:system``, and from lme4's ``system:item`` for ``item/system``."""
    return ":".join(sorted(term.rpartition("|")[2].strip().split(":")))


def theirs(case: str, table: str) -> pd.DataFrame:
    frame = pd.DataFrame(REFERENCE[case][table])
    for column in ("effect", "other"):
        if column in frame:
            frame[column] = frame[column].map(plain)
    return frame.assign(group=frame["group"].map(grouping))


def ours(frame: pd.DataFrame) -> pd.DataFrame:
    named = frame.assign(group=frame["term"].map(grouping), effect=frame["effect"].map(plain))
    return named.assign(other=named["other"].map(plain)) if "other" in named else named


def side_by_side(case: str, table: str, found: pd.DataFrame) -> pd.DataFrame:
    """Reference and fit joined on what they are about; the reference's columns end in ``_r``."""
    reference = theirs(case, table)
    keys = [name for name in ("group", "effect", "other", "level") if name in reference]
    joined = reference.merge(found, on=keys, how="left", suffixes=("_r", ""), validate="one_to_one", indicator=True)
    assert (joined["_merge"] == "both").all(), joined.loc[joined["_merge"] != "both", keys].to_string()
    return joined


@pytest.mark.parametrize("case", REGULAR)
def test_loglik(case: str) -> None:
    fit, reference = fit_of(case), REFERENCE[case]
    assert fit.converged
    assert fit.loglik == pytest.approx(reference["loglik"], rel=1e-8 if fit.family == "gaussian" else 1e-6)
    assert (fit.df_model, fit.n_rows) == (reference["df"], reference["rows"])
    assert not fit.variance_components["singular"].any()


@pytest.mark.parametrize("case", REGULAR)
def test_coefficients_and_standard_errors(case: str) -> None:
    reference, found = pd.DataFrame(REFERENCE[case]["coefficients"]), fit_of(case).fixed_effects
    found = found.set_axis([plain(name) for name in found.index]).loc[reference["name"].map(plain)]
    assert len(found) == len(fit_of(case).fixed_effects)
    errors = reference["standard_error"].to_numpy()
    assert np.abs((found["estimate"] - reference["estimate"].to_numpy()) / errors).max() < 1e-3
    assert np.abs(found["standard_error"] / errors - 1).max() < 1e-3


@pytest.mark.parametrize("case", REGULAR)
def test_variance_components(case: str) -> None:
    found = ours(fit_of(case).variance_components)
    joined = side_by_side(case, "components", found)
    assert len(joined) == len(found) - ("residual" in REFERENCE[case])
    assert joined["variance"].to_numpy() == pytest.approx(joined["sd_r"].to_numpy() ** 2, rel=1e-3)
    assert joined["sd"].to_numpy() ** 2 == pytest.approx(joined["variance"].to_numpy())
    if "residual" in REFERENCE[case]:
        assert found.iloc[-1]["term"] == "residual"
        assert found.iloc[-1]["sd"] == pytest.approx(REFERENCE[case]["residual"], rel=5e-4)


@pytest.mark.parametrize("case", REGULAR)
def test_correlations(case: str) -> None:
    found = fit_of(case).random_correlations
    if case not in CORRELATED:
        assert found.empty
        return
    joined = side_by_side(case, "correlations", ours(found))
    assert len(joined) == len(found)
    assert joined["correlation"].to_numpy() == pytest.approx(joined["correlation_r"].to_numpy(), abs=2e-4)


@pytest.mark.parametrize("case", WITH_SPREAD_ERRORS)
def test_standard_errors_of_deviations_and_correlations(case: str) -> None:
    joined = side_by_side(case, "components", ours(fit_of(case).variance_components))
    assert joined["sd_standard_error"].to_numpy() == pytest.approx(joined["sd_standard_error_r"].to_numpy(), rel=1e-3)
    if case in CORRELATED:
        joined = side_by_side(case, "correlations", ours(fit_of(case).random_correlations))
        assert joined["standard_error"].to_numpy() == pytest.approx(joined["standard_error_r"].to_numpy(), rel=1e-3)


def mode_tables(fit: MixedModelFit) -> pd.DataFrame:
    """The modes of all terms; levels as lme4 writes them for ``item/system``: ``tuned:i001``, sorted here."""
    parts = [conditional_mode_table(fit, term).assign(term=term) for term in fit.conditional_modes]
    frame = ours(pd.concat(parts, ignore_index=True))
    return frame.assign(level=frame["level"].map(lambda level: ":".join(sorted(str(level).split(":")))))


def reference_modes(case: str) -> pd.DataFrame:
    frame = theirs(case, "modes")
    return frame.assign(level=frame["level"].map(lambda level: ":".join(sorted(level.split(":")))))


@pytest.mark.parametrize("case", REGULAR)
def test_modes_and_their_standard_errors(case: str) -> None:
    keys = ["group", "effect", "level"]
    joined = reference_modes(case).merge(mode_tables(fit_of(case)), on=keys, suffixes=("_r", ""), validate="one_to_one")
    assert len(joined) == len(reference_modes(case))
    assert (np.abs(joined["mode"] - joined["mode_r"]) / joined["conditional_sd_r"]).max() < 1e-3
    assert np.abs(joined["conditional_sd"] / joined["conditional_sd_r"] - 1).max() < 1e-3
    assert np.abs(joined["standard_error"] / joined["standard_error_r"] - 1).max() < 1e-3
    half = (joined["upper"] - joined["lower"]) / 2
    assert half.to_numpy() == pytest.approx(1.959964 * joined["standard_error"].to_numpy(), rel=1e-6)
    assert ((joined["upper"] + joined["lower"]) / 2).to_numpy() == pytest.approx(joined["mode"].to_numpy())


@pytest.mark.parametrize("case", REGULAR)
def test_table_of_modes_is_the_modes(case: str) -> None:
    fit = fit_of(case)
    for term, modes in fit.conditional_modes.items():
        table = conditional_mode_table(fit, term)
        if isinstance(modes, pd.DataFrame):
            wide = table.pivot(index="level", columns="effect", values="mode").loc[modes.index, modes.columns]
            assert wide.to_numpy() == pytest.approx(modes.to_numpy(), rel=1e-12)
        else:
            assert set(table["effect"]) == {"Intercept"}
            assert table.set_index("level")["mode"].loc[modes.index].to_numpy() == pytest.approx(modes.to_numpy())
        narrow = conditional_mode_table(fit, term, level=0.5)
        assert ((narrow["upper"] - narrow["lower"]) < (table["upper"] - table["lower"])).all()


@pytest.mark.parametrize("case", SINGULAR)
def test_a_singular_fit_is_found_and_said(case: str) -> None:
    """glmmTMB only nears such an optimum, so a likelihood above its own is no fault."""
    fit, reference = fit_of(case), REFERENCE[case]
    assert fit.converged
    assert fit.loglik == pytest.approx(reference["loglik"], rel=1e-6)
    if fit.family == "gaussian":
        assert fit.loglik >= reference["loglik"] - 1e-6
    assert fit.df_model == reference["df"]
    flagged = fit.variance_components.loc[fit.variance_components["singular"], "term"].unique()
    assert len(flagged) > 0
    assert set(flagged) == set(fit.diagnostics.singular_terms)
    assert any(term in message for term in flagged for message in fit.messages)
    assert np.isfinite(fit.fixed_effects["standard_error"]).all()


def test_the_two_codings_of_a_factor_slope_are_one_model() -> None:
    means, effects = fit_of("system_means"), fit_of("system_effects")
    assert means.loglik == pytest.approx(effects.loglik, abs=1e-7)
    assert list(means.variance_components["effect"][:3]) == ["system[base]", "system[small]", "system[tuned]"]
    assert list(effects.variance_components["effect"][:3]) == ["Intercept", "system[T.small]", "system[T.tuned]"]


def test_an_unasked_cell_is_dropped_by_name() -> None:
    fit = fit_of("rare_slopes")
    assert fit.diagnostics.dropped_columns == ("persona[T.p4]:system[T.tuned]",)
    assert any("No answers at all in persona=p4, system=tuned" in text for text in fit.messages)
