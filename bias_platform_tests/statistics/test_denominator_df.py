"""Degrees of freedom of the unit that carries a term, against ranks of dense matrices and by simulation."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from bias_platform.statistics import ModelError, fit_mixed_model, span_rank, term_tests
from bias_platform.statistics.denominator_df import Carrier, carried_df
from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.groupings import Grouping, drawn_rows, finest, joined
from bias_platform.statistics.span_rank import FixedColumns, Slope
from bias_platform.statistics.study_design import Attribute, StudyDesign
from bias_platform.statistics.study_simulation import simulate_answers
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, MODEL_A

MODEL_B = (
    "yes ~ group * system + C(template, contr.sum) + (1 | item) + (1 | item:system) + (1 | persona)"
    " + (1 | persona:system)"
)
GROUPS = Attribute("persona", {"a": 5, "b": 3, "c": 6, "d": 6, "e": 7})


def _frame(items: int, personas: int, systems: int, templates: int = 3, seed: int = 0) -> pd.DataFrame:
    attributes = {"group": GROUPS} if personas == 27 else {"group": Attribute("persona", {"a": personas - 2, "b": 2})}
    factors = {"item": items, "persona": personas, "template": templates, "system": systems}
    frame = StudyDesign(factors, attributes).frame()
    rng = np.random.default_rng(seed)
    return frame.assign(yes=rng.integers(0, 2, len(frame)), x=rng.normal(size=len(frame)).round(2))


def _found(formula: str, frame: pd.DataFrame) -> dict[str, Carrier]:
    return {name: one._replace(fixed=0.0) for name, one in carried_df(build_design(formula, frame)).items()}


def _dense(design: Design, term: str) -> float:
    """The definition, by ranks of matrices of zeros and ones; every random term an intercept."""
    rows = np.arange(len(design.pattern))
    x = design.fixed.patterns[design.pattern]
    z = []
    for one in design.terms:
        z.append(np.zeros((len(rows), one.size)))
        z[-1][rows, one.code] = 1.0
    values = design.fixed.variables.iloc[design.pattern].reset_index(drop=True)

    def inside(name: str, code: np.ndarray) -> bool:
        return all((values[v].groupby(code).nunique() == 1).all() for v in design.fixed.term_variables[name])

    def strictly(k: int, other: int) -> bool:
        alike = pd.Series(design.terms[other].code).groupby(design.terms[k].code).nunique()
        return k != other and bool((alike == 1).all()) and design.terms[other].size < design.terms[k].size

    found = []
    for k, one in enumerate(design.terms):
        if inside(term, one.code):
            columns = [c for name, own in design.fixed.terms.items() if inside(name, one.code) for c in own]
            at = [design.fixed.columns.index(c) for c in columns]
            base = np.column_stack([x[:, at], *(z[other] for other in range(len(z)) if strictly(k, other))])
            whole = np.column_stack([base, z[k]])
            found.append(np.linalg.matrix_rank(whole) - np.linalg.matrix_rank(base))
    whole = np.column_stack([x, *z])
    return float(min(found, default=design.n_observations - np.linalg.matrix_rank(whole)))


def test_paired_systems_have_the_degrees_of_freedom_of_a_paired_t_test() -> None:
    frame = pd.concat([_frame(20, 4, 2)] * 2, ignore_index=True)
    found = _found("yes ~ system + (1 | item) + (1 | item:system)", frame)
    assert found["system"] == Carrier("item:system", 19.0)
    assert found["1"] == Carrier("item", 19.0)


def test_the_models_of_a_study() -> None:
    frame = _frame(40, 27, 3)
    groups = _found(MODEL_B, frame)
    assert groups["group"] == Carrier("persona", 22.0)
    assert groups["group:system"] == Carrier("persona:system", 44.0)
    assert groups["system"] == Carrier("persona:system", 44.0)
    assert groups["C(template, contr.sum)"].unit == "residual"
    named = _found(MODEL_A, frame)
    assert named["persona"] == Carrier("persona:template", 52.0)
    assert named["persona:system"] == Carrier("persona:template:system", 27.0 * 2 * 2)
    assert named["system"] == Carrier("item:system", 78.0)
    assert _found(FOUR_NESTED.split(" + (1 | persona:t")[0], frame)["persona:system"].df == 39 * 26 * 2


@pytest.mark.parametrize("share", [1.0, 0.7, 0.4])
@pytest.mark.parametrize("formula", [MODEL_A, MODEL_B, FOUR_NESTED, f"{MODEL_A} + x", "yes ~ x*group + (1|persona)"])
def test_ranks_are_those_of_dense_matrices(formula: str, share: float) -> None:
    """Also where answers are missing at random, so that nothing is balanced."""
    fixed, *random = formula.replace(" + x", "").split(" + (")
    extra = " + x" if formula.endswith("+ x") else ""
    frame = _frame(7, 5, 2).sample(frac=share, random_state=3)
    design = build_design(f"{fixed}{extra} + ({' + ('.join(random)}", frame)
    for term, columns in design.fixed.terms.items():
        if columns:
            assert carried_df(design, [term])[term].df == _dense(design, term), (term, share)


def test_what_the_fixed_part_takes_of_a_unit() -> None:
    found = carried_df(build_design(MODEL_B, _frame(40, 27, 3)))
    assert found["group"] == Carrier("persona", 22.0, 5.0)
    assert found["group:system"] == Carrier("persona:system", 44.0, 10.0)
    assert found["C(template, contr.sum)"].fixed == 2.0
    slope = carried_df(build_design("yes ~ x * group + (1 + x | persona)", _frame(12, 5, 2)))
    assert slope["x:group"] == Carrier("1 + x | persona", 3.0, 2.0)


def test_counts_and_repeated_rows_are_observations() -> None:
    frame = _frame(6, 5, 2)
    single = _found("yes ~ x + system + (1 | item)", frame)
    counts = frame.assign(no=3 - frame["yes"])
    assert _found("cbind(yes, no) ~ x + system + (1 | item)", counts)["x"].df == 3 * 180 - 8
    assert single["x"].df == single["system"].df == 180 - 8
    collapsed = _found("yes ~ system + (1 | item)", frame)
    assert collapsed["system"] == Carrier("residual", 180.0 - 7)


def test_columns_that_x_does_not_have_are_not_counted() -> None:
    """Cells nobody answered: their columns of the interaction are dropped, and carry nothing."""
    frame = _frame(8, 6, 3)
    frame = frame[~((frame["persona"] == "persona6") & (frame["system"] == "system3"))]
    design = build_design(MODEL_A, frame)
    assert design.fixed.dropped
    for term in design.fixed.terms:
        assert carried_df(design, [term])[term].df == _dense(design, term)


def test_two_names_of_one_unit_are_refused() -> None:
    frame = _frame(10, 6, 2)
    frame["name"] = frame["persona"].astype(str) + "!"
    with pytest.raises(ModelError, match=r"'persona' and 'name' .*cannot be told from each other"):
        _found("yes ~ group + (1 | persona) + (1 | name)", frame)


def test_a_unit_used_up_by_the_fixed_part_tests_nothing() -> None:
    frame = _frame(10, 6, 2).assign(y=lambda one: one["x"])
    fit = fit_mixed_model("y ~ persona + (1 | item) + (1 | persona)", frame, family="gaussian")
    row = term_tests(fit, likelihood_ratio=False).iloc[0]
    assert (row["carrier"], row["denominator_df"]) == ("persona", 0.0)
    assert np.isfinite(row["f"])
    assert np.isnan(row["f_p"])


def test_a_term_may_be_given_its_degrees_of_freedom() -> None:
    frame = _frame(10, 6, 2)
    fit = fit_mixed_model("yes ~ group + system + (1 | item) + (1 | persona)", frame)
    table = term_tests(fit, denominator_df={"system": 7}, likelihood_ratio=False).set_index("term")
    assert table["carrier"].tolist() == ["persona", "given"]
    assert table["denominator_df"].tolist() == [4.0, 7.0]
    assert table.loc["system", "f"] == table.loc["system", "wald"]
    assert table.loc["group", "f"] == pytest.approx(table.loc["group", "wald"] * 4 / 6)  # two of six personas are used
    before = carried_df(fit.design)
    again = term_tests(fit, denominator_df=before | {"system": 7}, likelihood_ratio=False).set_index("term")
    pd.testing.assert_frame_equal(again, table)


def test_slopes_carry_what_varies_by_their_variable() -> None:
    frame = _frame(12, 5, 2)
    assert _found("yes ~ x + (1 + x | item)", frame)["x"] == Carrier("1 + x | item", 11.0)
    assert _found("yes ~ x + (x || item)", frame)["x"].df == 11.0
    several = _found("yes ~ x + z + (x + z || item)", frame.assign(z=frame["x"].to_numpy()[::-1]))
    assert (several["x"], several["z"]) == (Carrier("0 + x | item", 11.0), Carrier("0 + z | item", 11.0))
    grouped = _found("yes ~ x * group + (1 + x | persona) + (1 | item)", frame)
    assert (grouped["x"].df, grouped["x:group"].df, grouped["group"]) == (3.0, 3.0, Carrier("persona", 3.0))
    wider = _found("yes ~ x + (1 + x | item) + (0 + x | item:persona)", frame)
    assert wider["x"] == Carrier("1 + x | item", 11.0)
    only_finer = _found("yes ~ x * system + (0 + x | item:system) + (1 + x | item)", frame)
    assert only_finer["x:system"] == Carrier("0 + x | item:system", 11.0)


def test_a_slope_of_a_factor_is_its_interaction() -> None:
    frame = pd.concat([_frame(12, 5, 3)] * 2, ignore_index=True)
    slope = _found("yes ~ system + x + (1 + system | item)", frame)
    terms = _found("yes ~ system + x + (1 | item) + (1 | item:system)", frame)
    assert slope["system"].df == terms["system"].df == 22.0
    assert _found("yes ~ system + (0 + system | item)", frame)["system"].df == 22.0
    assert slope["x"] == terms["x"] == Carrier("residual", 2.0 * 12 * 5 * 9 - 36 - 1)


def test_a_slope_that_is_constant_within_a_unit_is_taken_from_it() -> None:
    days = pd.DataFrame([(s, d, k) for s in range(9) for d in range(5) for k in range(3)], columns=["s", "day", "k"])
    days["yes"] = np.random.default_rng(0).integers(0, 2, len(days))
    found = _found("yes ~ day + (1 + day | s) + (1 | s:day)", days)
    assert found["day"] == Carrier("1 + day | s", 8.0)
    without = _found("yes ~ k + (1 + day | s)", days)
    assert without["k"].df == len(days) - 2 * 9 - 1


def _random_groupings(seed: int, sizes: tuple[int, ...], rows: int) -> list[Grouping]:
    rng = np.random.default_rng(seed)
    codes = [np.unique(rng.integers(0, size, rows), return_inverse=True)[1].astype(np.int64) for size in sizes]
    return [Grouping(str(k), code, int(code.max()) + 1) for k, code in enumerate(codes)]


def _matrix(groupings: list[Grouping], slopes: list[Slope], fixed: FixedColumns) -> np.ndarray:
    columns = [np.eye(one.size)[one.code] for one in groupings]
    columns += [np.eye(one.grouping.size)[one.grouping.code] * one.values[:, None] for one in slopes]
    return np.column_stack([*columns, fixed.patterns[fixed.pattern]])


@pytest.mark.parametrize("rows", [20, 60, 300])
@pytest.mark.parametrize("sizes", [(9,), (20, 15), (20, 15, 11), (12, 9, 8, 7)])
def test_rank_and_its_bound(rows: int, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        groupings = finest(_random_groupings(seed, sizes, rows))
        fixed = FixedColumns(np.column_stack([rng.normal(2000, 1, 6), rng.integers(0, 2, 6)]), rng.integers(0, 6, rows))
        slopes = [Slope(groupings[-1], rng.normal(size=rows))]
        exact = int(np.linalg.matrix_rank(_matrix(groupings, slopes, fixed), tol=1e-7 * rows))
        assert span_rank.span_rank(groupings, slopes, fixed) == exact
        monkeypatch.setattr(span_rank, "_EXACT", 0.0)
        assert exact <= span_rank.span_rank(groupings, slopes, fixed) <= min(rows, exact + 14)
        pair = groupings[:2]
        assert span_rank.span_rank(pair, [], FixedColumns(np.zeros((1, 0)), np.zeros(rows, dtype=np.int64))) == int(
            np.linalg.matrix_rank(np.column_stack([np.eye(one.size)[one.code] for one in pair]))
        )
        monkeypatch.undo()


def test_the_bound_is_exact_in_balanced_designs(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _frame(6, 5, 3, 2)
    exact = _found(f"{MODEL_A} + x".replace(" + x", "").replace("yes ~ ", "yes ~ x + "), frame)
    monkeypatch.setattr(span_rank, "_EXACT", 0.0)
    assert _found(MODEL_A.replace("yes ~ ", "yes ~ x + "), frame) == exact
    assert exact["x"].unit == "residual"


def test_groupings_that_lie_within_each_other() -> None:
    frame = _frame(60, 20, 20, 2)
    assert drawn_rows(len(frame)) is not None
    item, cell = (frame["item"].cat.codes.to_numpy(np.int64), frame.groupby(["item", "system"], observed=True).ngroup())
    coarse, fine = Grouping("item", item, 60), Grouping("item:system", cell.to_numpy(np.int64), 1200)
    assert coarse.coarser_than(fine)
    assert not fine.coarser_than(coarse)
    assert not coarse.coarser_than(coarse)
    assert finest([coarse, fine]) == [fine]
    assert joined(coarse, fine).size == 60
    late = np.zeros(len(frame), dtype=np.int64)
    late[-1] = 1  # hardly ever drawn, so the whole column has to be looked at
    assert not coarse.holds(late)


def test_a_large_design() -> None:
    design = build_design(f"{MODEL_A} + (1 | item:persona:system)", _frame(500, 27, 5))
    found = carried_df(design)
    assert found["persona"].df == 52.0


def _tests(formula: str, term: str, studies: Iterator[pd.DataFrame], family: str) -> pd.DataFrame:
    fits = (fit_mixed_model(formula, frame, family=family) for frame in studies)
    return pd.concat([term_tests(fit, [term], likelihood_ratio=False) for fit in fits])


def _margins(design: StudyDesign, replicates: int, seed: int) -> Iterator[pd.DataFrame]:
    """Studies with a normal outcome, deviations as in the design and 1 within."""
    frame = design.frame()
    for k in range(replicates):
        rng = np.random.default_rng([seed, k])
        y = rng.normal(size=len(frame))
        for name, (code, size) in design.groupings.items():
            y += design.sds[name] * rng.normal(size=size)[code]
        yield frame.assign(y=y)


def test_a_true_null_beyond_three_wordings_is_rejected_as_often_as_promised() -> None:
    """Model A, Gaussian: chi-square finds a difference in one study of four."""
    design = StudyDesign(
        {"item": 12, "persona": 4, "template": 3}, {}, {"item": 1.0, "item:persona": 0.2, "persona:template": 0.7}
    )
    formula = "y ~ persona + template + (1 | item) + (1 | item:persona) + (1 | persona:template)"
    found = _tests(formula, "persona", _margins(design, 120, 1), "gaussian")
    assert found["denominator_df"].unique().tolist() == [6.0]
    assert binomtest(int((found["f_p"] < 0.05).sum()), 120, 0.05).pvalue > 0.01
    assert binomtest(int((found["f_p"] < 0.5).sum()), 120, 0.5).pvalue > 0.001
    assert (found["wald_p"] < 0.05).mean() > 0.09


def test_a_true_null_between_groups_is_rejected_about_as_often_as_promised() -> None:
    """Model B, binomial: 100 studies. What is promised is 5 %; the persona's variance is not known to be above zero."""
    sds = {"item": 1.0, "persona": 0.4}
    design = StudyDesign({"item": 25, "persona": 15}, {"group": Attribute("persona", {"a": 5, "b": 5, "c": 5})}, sds)
    formula = "yes ~ group + (1 | item) + (1 | persona)"
    answers = simulate_answers(design, {}, seed=11, replicates=100)
    frame = design.frame()
    studies = (frame.assign(yes=one.astype(int)) for one in answers)
    found = _tests(formula, "group", studies, "binomial")
    assert found["carrier"].unique().tolist() == ["persona"]
    assert (found["f_p"] < 0.05).mean() <= 0.09  # 5 % and two standard errors
    unaware = (frame.assign(yes=one.astype(int)) for one in answers[:30])
    assert (_tests("yes ~ group + (1 | item)", "group", unaware, "binomial")["f_p"] < 0.05).mean() > 0.15
