"""F tests of fixed terms against lmerTest (Kenward and Roger) and nlme: numerators, denominators, F."""

import json
import re
from functools import cache
from typing import Any

import pandas as pd
import pytest

from bias_platform.statistics import MixedModelFit, fit_mixed_model, term_tests
from bias_platform_tests.statistics.golden_cases import GOLDEN

FACTORS = ("persona", "system", "template", "group", "treatment", "sex")
EXACT = ("named", "wordings", "paired", "slope", "nested")
TWO_STRATA = {"model_a": ["persona", "system"], "model_b": ["system"]}
"""Terms that two crossed units carry: no test is exact, and the smaller degrees of freedom are on the safe side."""


@cache
def _case(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / "term_tests.json").read_text())[name]


@cache
def _fit(name: str) -> MixedModelFit:
    fixed, bar, random = _case(name)["formula"].partition(" + (1")
    for factor in FACTORS:
        fixed = re.sub(rf"\b{factor}\b", f"C({factor}, contr.sum)", fixed)
    return fit_mixed_model(fixed + bar + random, pd.DataFrame(_case(name)["data"]), family="gaussian")


def _compared(name: str) -> pd.DataFrame:
    """Our tests and R's, one row a term, named by its variables in alphabetic order."""
    ours = term_tests(_fit(name), likelihood_ratio=False)
    variables = _fit(name).design.fixed.term_variables
    ours.index = pd.Index([":".join(variables[term]) for term in ours["term"]])
    theirs = pd.DataFrame(_case(name)["tests"])
    theirs.index = pd.Index([":".join(sorted(term.split(":"))) for term in theirs["term"]])
    assert set(ours.index) == set(theirs.index)
    return ours.join(theirs, rsuffix="_r")


@pytest.mark.parametrize("name", [*EXACT, *TWO_STRATA])
def test_f_and_numerator(name: str) -> None:
    table = _compared(name)
    assert not _fit(name).diagnostics.singular_terms
    assert table["df"].tolist() == table["df_r"].tolist()
    assert table["f"].to_numpy() == pytest.approx(table["f_r"].to_numpy(), rel=1e-4)


@pytest.mark.parametrize("name", EXACT)
def test_denominators_are_exact_where_a_term_has_one_stratum(name: str) -> None:
    table = _compared(name)
    assert table["denominator_df"].to_numpy() == pytest.approx(table["denominator_df_r"].to_numpy(), rel=1e-5)


@pytest.mark.parametrize("name", TWO_STRATA)
def test_denominators_of_the_models_of_a_study(name: str) -> None:
    table = _compared(name)
    two = table.index.isin(TWO_STRATA[name])
    one = table[~two]
    assert one["denominator_df"].to_numpy() == pytest.approx(one["denominator_df_r"].to_numpy(), rel=1e-5)
    assert (table[two]["denominator_df"] < table[two]["denominator_df_r"]).all()


def test_units_are_named() -> None:
    assert _compared("named")["carrier"].to_dict() == {
        "persona": "item:persona",
        "system": "item:system",
        "template": "residual",
        "persona:system": "item:persona:system",
    }
    assert _compared("slope")["carrier"].to_dict() == {
        "x": "1 + x | subject",
        "group": "subject",
        "group:x": "1 + x | subject",
    }


@pytest.mark.parametrize("name", ["named", "wordings", "paired", "slope"])
def test_f_of_plain_likelihood_is_that_of_restricted_likelihood(name: str) -> None:
    """In balanced designs the factor makes up for what ML takes from the variances."""
    formula = _fit(name).formula
    fit = fit_mixed_model(formula, pd.DataFrame(_case(name)["data"]), family="gaussian", method="ML")
    table = term_tests(fit, likelihood_ratio=False)
    assert table["f"].to_numpy() == pytest.approx(term_tests(_fit(name))["f"].to_numpy(), rel=1e-3)
    assert (table["f"] < table["wald"] / table["df"]).all()
    given = term_tests(fit, denominator_df=dict.fromkeys(table["term"], 5.0), likelihood_ratio=False)
    assert (given["f"] == given["wald"] / given["df"]).all()
