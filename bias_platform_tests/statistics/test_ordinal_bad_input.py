"""Each mistake with an ordinal model is one sentence that says what, where and what to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    MixedModelFit,
    ModelError,
    category_probabilities,
    effects_by_threshold,
    fit_mixed_model,
    proportional_odds_test,
)
from bias_platform_tests.statistics.ordinal_cases import data_named, fit_of

GOOD = "grade ~ persona + (1 | item)"


def graded() -> pd.DataFrame:
    return data_named("graded").copy()


OUTCOMES: dict[str, tuple[Callable[[pd.DataFrame], object], str]] = {
    "no order": (lambda data: data["grade"].astype(str), r"'grade'.*needs an order.*ordered=True"),
    "unordered categories": (lambda data: data["grade"].astype(str).astype("category"), "needs an order"),
    "fractions": (lambda data: np.linspace(0, 1, len(data)), "needs an order.*float64.*whole numbers"),
    "two categories": (lambda data: data["grade"].isin(["a", "b"]).astype(int), "2 observed.*family='binomial'"),
    "one category": (lambda data: np.ones(len(data), dtype=int), "1 observed"),
    "infinite": (lambda data: np.where(np.arange(len(data)) == 3, np.inf, 1.0), "needs an order|finite"),
    "too many": (lambda data: np.arange(len(data)), "20 can be fitted; with more, use family='gaussian'"),
    "missing": (lambda data: data["grade"].where(np.arange(len(data)) > 2), "Missing values"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcomes(name: str) -> None:
    make, said = OUTCOMES[name]
    data = graded()
    with pytest.raises(ModelError, match=said):
        fit_mixed_model(GOOD, data.assign(grade=make(data)), family="ordinal")


FORMULAS = {
    "grade ~ 0 + persona + (1 | item)": "intercept.*thresholds",
    "grade ~ persona - 1 + (1 | item)": "intercept.*thresholds",
    "cbind(often, rest) ~ persona + (1 | item)": "family='binomial'",
    "grade ~ persona": "no random intercept",
    "grade ~ grade + (1 | item)": "both sides",
    "grad ~ persona + (1 | item)": "grad.*did you mean grade",
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas(formula: str) -> None:
    data = graded().assign(often=1, rest=2)
    with pytest.raises(ModelError, match=FORMULAS[formula]):
        fit_mixed_model(formula, data, family="ordinal")


def test_method_and_weights() -> None:
    with pytest.raises(ModelError, match=r"'REML'.*leave method out"):
        fit_mixed_model(GOOD, graded(), family="ordinal", method="REML")
    with pytest.raises(ModelError, match="whole numbers"):
        fit_mixed_model(GOOD, graded().assign(often=0.5), family="ordinal", weights="often")
    two = graded().assign(often=lambda data: data["grade"].isin(["a", "b"]).astype(int))
    with pytest.raises(ModelError, match="2 observed"):
        fit_mixed_model(GOOD, two, family="ordinal", weights="often")
    with pytest.raises(ModelError, match="ordinal"):
        fit_mixed_model(GOOD, graded(), family="ordnal")


ASKED: dict[str, tuple[Callable[[MixedModelFit], object], str]] = {
    "an unknown factor": (lambda fit: category_probabilities(fit, "person"), "did you mean persona"),
    "an unknown term": (lambda fit: proportional_odds_test(fit, "person"), "did you mean persona"),
    "another unknown term": (lambda fit: effects_by_threshold(fit, "itm"), "no fixed term 'itm'"),
    "a level of 95": (lambda fit: effects_by_threshold(fit, "persona", level=95), "between 0 and 1"),
}


@pytest.mark.parametrize("name", ASKED)
def test_questions_to_a_fit(name: str) -> None:
    ask, said = ASKED[name]
    with pytest.raises(ModelError, match=said):
        ask(fit_of("graded"))


def test_questions_to_other_families() -> None:
    data = data_named("ratings")
    fit = fit_mixed_model("high ~ arm + (1 | rater)", data)
    for ask in (category_probabilities, proportional_odds_test, effects_by_threshold):
        with pytest.raises(ModelError, match="family 'binomial'"):
            ask(fit, "arm")


def test_no_term_to_test() -> None:
    fit = fit_mixed_model("grade ~ 1 + (1 | item)", graded(), family="ordinal")
    with pytest.raises(ModelError, match="no fixed term"):
        proportional_odds_test(fit)


def test_separation_is_said() -> None:
    """All answers of a persona in the highest category: no finite effect."""
    data = graded()
    data.loc[data["persona"] == "p2", "grade"] = "a"
    fit = fit_mixed_model(GOOD, data, family="ordinal")
    assert "persona[T.p2]" in fit.diagnostics.separated
    assert any("p2" in text for text in fit.messages)
