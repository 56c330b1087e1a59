"""Each mistake is one sentence that says what, where and what to do."""

import subprocess
import sys
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
    "yes ~ persona + (1 | item + persona)": "joined by ':' or '/'",
    "yes ~ persona + 1 | item": "as '\\+ \\(1 \\| grouping\\)'",
    "yes ~ yes + persona + (1 | item)": "both sides",
    "cbind(yes) ~ persona + (1 | item)": "takes two expressions",
    "cbind(yes, 2 - yes - 1.5) ~ persona + (1 | item)": "whole numbers",
    "yes ~ C(persona, contr.treatment('control')) + (1 | item)": "control",
    "x ~ persona + (1 | item)": "must be 0 or 1",
    "yes ~ one + (1 | item)": "single level",
    "yes ~ persona + (1 | one)": "single level",
    "yes ~ 0 + (1 | item)": "no fixed effect to estimate: keep the intercept",
    "yes ~ 0 + zero + (1 | item)": "no fixed effect to estimate: keep the intercept",
    "yes ~ infinite + (1 | item)": "not finite in infinite",
    "cbind(yes, 1 - yes) ~ yes + (1 | item)": "both sides",
    "yes ~ date + (1 | item)": "'date'.*dates",
    "yes ~ . + (1 | item)": "name the columns",
}
SLOPES = {
    "(1 + x item)": "Missing operator between `x` and `item`",
    "(1 + x | item": "has 1 opening and 0 closing parentheses",
    "(x + | item)": r"does not say what varies.*\(1 \+ x \| item\)",
    "( | item)": "does not say what varies",
    "(0 | item)": "does not say what varies",
    "(1 + 0 | item)": "does not say what varies",
    "(1 + x | )": "the grouping '' must be column names",
    "(1 + x | item + persona)": "joined by ':' or '/'",
    "(x ||| item)": "is not of that form",
    "(1 | item | system)": "is not of that form",
    "(1 + x) | item": "is not of that form",
    "(1 + x | item) - 1": "is not of that form",
    "(sistem | item)": "'sistem'.*did you mean system",
    "(1 + x | itm)": "'itm' .*did you mean item",
    "(1 + nothing(x) | item)": "does not have: 'nothing'",
    "(1 + x + + | item)": "does not say what varies",
    "(1 + x * * system | item)": "cannot be read",
    "(1 + yes | item)": "both sides",
    "(flat | item)": "flat cannot be told from the others; a variable that is constant has no slope",
    "(0 + zero | item)": "a variable that is constant has no slope",
    "(1 + one | item)": "single level",
    "(1 + x | one)": "single level",
    "(infinite | item)": "not finite in infinite",
    "(x | item) + (1 | item)": "'Intercept' of 'item' twice",
    "(1 + x | item) + (0 + x | item)": "'x' of 'item' twice",
}
"""Random terms beside ``yes ~ persona``."""


def _odd() -> pd.DataFrame:
    """Five items of 24 rows each, and columns that no model can use."""
    frame = named_personas(items=5).assign(one="only", zero=0.0, flat=2.5, infinite=1.0, date=pd.Timestamp(2020, 1, 1))
    frame.loc[frame.index[7], "infinite"] = np.inf
    frame.loc[frame.index[7], "date"] = pd.Timestamp(2021, 1, 1)
    return frame.assign(row=range(len(frame)), y=frame["x"] + 0.1 * frame["item"])


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula(formula: str) -> None:
    with pytest.raises(ModelError, match=FORMULAS[formula]) as raised:
        fit_mixed_model(formula, _odd())
    assert isinstance(raised.value, UserError)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
@pytest.mark.parametrize("random", SLOPES)
def test_random_slopes(random: str, family: str) -> None:
    outcome = "yes" if family == "binomial" else "y"
    with pytest.raises(ModelError, match=SLOPES[random].replace("yes", outcome)) as raised:
        fit_mixed_model(f"{outcome} ~ persona + {random.replace('yes', outcome)}", _odd(), family=family)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("outcome", ["yes", "y"])
def test_more_slopes_than_a_level_has_rows(outcome: str) -> None:
    """24 effects of each of three items that were asked 8 times: refused, not searched for through 300 parameters."""
    frame = _odd().query("item < 3 and template == 't1'")
    with pytest.raises(ModelError, match=r"C\(row\).*effects"):
        fit_mixed_model(
            f"{outcome} ~ 1 + (C(row) | item)", frame, family="binomial" if outcome == "yes" else "gaussian"
        )


def test_a_column_that_is_all_zero_is_named() -> None:
    for family, outcome in (("binomial", "yes"), ("gaussian", "y")):
        fit = fit_mixed_model(f"{outcome} ~ persona + zero + (1 | item)", _odd(), family=family)
        assert fit.diagnostics.dropped_columns == ("zero",)
        assert "zero" not in fit.fixed_effects.index
        assert any("Not estimable and dropped" in text and "zero" in text for text in fit.messages)


def _missing(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"yes": float})
    frame.loc[[3, 8], "yes"] = np.nan
    frame.loc[[5], "persona"] = None
    return frame


def _twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame[["item"]]], axis=1)


CHANGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing": (_missing, r"'yes' has 2 missing value\(s\) \(rows 3, 8\).*'persona' has 1 .*\(rows 5\)"),
    "all no": (lambda frame: frame.assign(yes=0), "constant.*always 0"),
    "all yes": (lambda frame: frame.assign(yes=1), "constant.*always 1"),
    "words": (lambda frame: frame.assign(yes=frame["yes"].map({0: "No", 1: "Yes"})), "must be 0 or 1.*'No'"),
    "shares": (lambda frame: frame.assign(yes=frame["yes"] * 0.5), "must be 0 or 1.*0.5"),
    "empty": (lambda frame: frame.iloc[:0], "at least one row"),
    "grouping missing": (
        lambda frame: frame.assign(item=frame["item"].where(frame.index != 2)),
        r"'item' has 1 missing value\(s\) \(rows 2\)",
    ),
    "infinite": (lambda frame: frame.assign(yes=frame["yes"].where(frame.index > 0, np.inf)), "must be 0 or 1.* inf"),
    "lists": (lambda frame: frame.assign(yes=[[0]] * len(frame)), "'yes' must be 0 or 1"),
    "one and two": (lambda frame: frame.assign(yes=frame["yes"] + 1), "has values 1, 2: code"),
    "two columns": (_twice, "2 columns .*'item'"),
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
    for bad, message in (
        (np.inf, "row 0 has inf"),
        (-1, "row 0 has -1"),
        ("a", "whole numbers"),
        (0, "positive weight"),
    ):
        for family in ("binomial", "gaussian"):
            with pytest.raises(ModelError, match=message):
                fit_mixed_model("yes ~ persona + (1 | item)", frame.assign(w=bad), family=family, weights="w")
    with pytest.raises(ModelError, match=r"'wt' .*did you mean w"):
        fit_mixed_model(GOOD, frame, weights="wt")
    with pytest.raises(ModelError, match="'poisson'"):
        fit_mixed_model(GOOD, frame, family="poisson")
    with pytest.raises(ModelError, match="'full' or 'joint'"):
        fit_mixed_model(GOOD, frame, standard_errors="fast")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("won", "message"),
    [(0.5, "row 0 has 0.5"), (-1, "row 0 has -1"), (np.inf, "row 0 has inf"), ("a", "whole numbers")],
)
def test_counts(won: object, message: str) -> None:
    with pytest.raises(ModelError, match=rf"successes must be whole numbers.*{message}|{message}"):
        fit_mixed_model("cbind(won, yes) ~ persona + (1 | item)", named_personas(items=5).assign(won=won))


def test_missing_values_in_a_slope() -> None:
    frame = named_personas(items=5)
    frame.loc[4, "x"] = np.nan
    with pytest.raises(ModelError, match=r"'x' has 1 missing value\(s\) \(rows 4\)"):
        fit_mixed_model("yes ~ persona + (1 + x | item)", frame)


def test_a_million_levels_in_two_crossed_factors() -> None:
    """Refused in a few seconds and with little memory, in a process of its own so that its peak can be read."""
    code = """
import resource, time
import numpy as np, pandas as pd
from bias_platform.statistics import ModelError, fit_mixed_model
rng, n = np.random.default_rng(1), 1_000_000
again = rng.integers(0, n, 100_000)
frame = pd.DataFrame({"item": np.r_[np.arange(n), again], "rater": np.r_[rng.permutation(n), again]})
frame["yes"] = rng.integers(0, 2, len(frame))
frame["y"] = rng.normal(size=len(frame))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.process_time()
for outcome, family in (("yes", "binomial"), ("y", "gaussian")):
    try:
        fit_mixed_model(f"{outcome} ~ 1 + (1 | item) + (1 | rater)", frame, family=family)
    except ModelError as problem:
        print(problem)
print(time.process_time() - started, peak() - before, sep=",")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    *said, last = run.stdout.splitlines()
    assert len(said) == 2
    assert all("too many levels: item (1,000,000), rater (1,000,000)" in text for text in said)
    seconds, megabytes = (float(number) for number in last.split(","))
    assert seconds < 15
    assert megabytes < 500


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
