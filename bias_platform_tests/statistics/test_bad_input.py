"""Each mistake is one sentence that says what, where and what to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from bias_platform.errors import UserError
from bias_platform.statistics import (
    ModelError,
    elimination,
    fit_mixed_model,
    likelihood_ratio_test,
    marginal_means,
    term_tests,
)
from bias_platform_tests.statistics.made_designs import named_personas

GOOD = "yes ~ persona + (1 | item)"
FORMULAS = {
    "yes ~ persno + (1 | item)": "persno.*did you mean persona",
    "yes ~ persona + (1 | itm)": "itm.*did you mean item",
    "ys ~ persona + (1 | item)": "ys.*did you mean yes",
    "yes persona + (1 | item)": "exactly one '~'",
    "~ persona + (1 | item)": "no response",
    "yes ~ persona + (1 | item": "parentheses",
    "yes ~ persona + + (1 | item)": "nothing beside it",
    "yes ~ persona * * system + (1 | item)": "cannot be read",
    "yes ~ nothing(persona) + (1 | item)": "does not have: 'nothing'",
    "yes ~ persona": "no random intercept",
    "yes ~ persona + (1 + x | item)": "random slopes",
    "yes ~ persona + (1 | item + persona)": "joined by ':' or '/'",
    "yes ~ persona + 1 | item": "as '\\+ \\(1 \\| grouping\\)'",
    "yes ~ yes + persona + (1 | item)": "both sides",
    "cbind(yes) ~ persona + (1 | item)": "takes two expressions",
    "cbind(yes, 2 - yes - 1.5) ~ persona + (1 | item)": "whole numbers",
    "yes ~ C(persona, contr.treatment('control')) + (1 | item)": "control",
    "x ~ persona + (1 | item)": "must be 0 or 1",
    "yes ~ one + (1 | item)": "single level",
    "yes ~ persona + (1 | one)": "single level",
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula(formula: str) -> None:
    with pytest.raises(ModelError, match=FORMULAS[formula]) as raised:
        fit_mixed_model(formula, named_personas(items=5).assign(one="only"))
    assert isinstance(raised.value, UserError)
    assert "\n" not in str(raised.value)


def _missing(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"yes": float})
    frame.loc[[3, 8], "yes"] = np.nan
    frame.loc[[5], "persona"] = None
    return frame


CHANGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing": (_missing, r"'yes' has 2 missing value\(s\) \(rows 3, 8\).*'persona' has 1 .*\(rows 5\)"),
    "all no": (lambda frame: frame.assign(yes=0), "constant.*always 0"),
    "all yes": (lambda frame: frame.assign(yes=1), "constant.*always 1"),
    "words": (lambda frame: frame.assign(yes=frame["yes"].map({0: "No", 1: "Yes"})), "must be 0 or 1.*'No'"),
    "shares": (lambda frame: frame.assign(yes=frame["yes"] * 0.5), "must be 0 or 1.*0.5"),
    "empty": (lambda frame: frame.iloc[:0], "at least one row"),
    "mixed": (lambda frame: frame.assign(item=[("a",), *frame["item"][1:]]), "'item' mixes values"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_data(change: str) -> None:
    with pytest.raises(ModelError, match=CHANGES[change][1]):
        fit_mixed_model(GOOD, CHANGES[change][0](named_personas(items=5)))


def test_weights_family_and_errors() -> None:
    frame = named_personas(items=5).assign(w=0.5)
    with pytest.raises(ModelError, match=r"weights column 'w'.*whole numbers"):
        fit_mixed_model(GOOD, frame, weights="w")
    with pytest.raises(ModelError, match="'poisson'"):
        fit_mixed_model(GOOD, frame, family="poisson")
    with pytest.raises(ModelError, match="'full' or 'joint'"):
        fit_mixed_model(GOOD, frame, standard_errors="fast")  # type: ignore[arg-type]


def test_two_crossed_factors_with_too_many_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elimination, "MAX_DENSE_LEVELS", 3)
    with pytest.raises(ModelError, match=r"too many levels: item \(5\), persona \(4\)"):
        fit_mixed_model("yes ~ system + (1 | item) + (1 | persona)", named_personas(items=5))


def test_after_the_fit() -> None:
    fit = fit_mixed_model("yes ~ persona * system + x + (1 | item)", named_personas())
    with pytest.raises(ModelError, match=r"'persna'.*did you mean persona"):
        marginal_means(fit, by="persna")
    with pytest.raises(ModelError, match="'x' is numeric"):
        marginal_means(fit, by="x")
    with pytest.raises(ModelError, match="no level 'p9'"):
        marginal_means(fit, by="persona", at={"persona": ["p9"]})
    with pytest.raises(ModelError, match="contained in persona:system"):
        likelihood_ratio_test(fit, "persona")
    with pytest.raises(ModelError, match="no fixed term 'persona:x'"):
        term_tests(fit, ["persona:x"])
    with pytest.raises(ModelError, match="must be positive"):
        term_tests(fit, denominator_df={"x": 0})
