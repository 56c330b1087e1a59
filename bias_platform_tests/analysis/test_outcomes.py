import numpy as np
import pytest

from bias_platform.analysis import RegressionResults
from bias_platform_tests.analysis.simulated_study import CONTROL, SimulatedStudy


def test_counts_add_up_and_bounds_hold_the_rate(study: SimulatedStudy, results: RegressionResults) -> None:
    table = results.tables["system_outcomes"]
    predictions = study.inputs.predictions
    for row in table.itertuples():
        mine = predictions[(predictions["system"] == row.system) & predictions["template_id"].notna()]
        judged = mine["answer"].isin(["Yes", "Maybe", "No"])
        assert row.questions == len(mine)
        assert row.refused == (mine["outcome"] == "refused").sum()
        assert row.set_aside == (mine["answer"] == "Incomprehensible").sum()
        assert row.judged == judged.sum()
        assert row.yes_rate == pytest.approx((mine["answer"] == "Yes").sum() / judged.sum())
        assert row.coverage == pytest.approx(judged.mean())
        assert row.bound_low == pytest.approx((mine["answer"] == "Yes").mean())
        assert row.bound_high == pytest.approx(((mine["answer"] == "Yes") | ~judged).mean())
        assert row.lower < row.yes_rate < row.upper
        assert row.lenient_rate > row.yes_rate


def test_each_persona_has_a_row_and_the_baseline_one_answer_an_item(results: RegressionResults) -> None:
    table = results.tables["persona_outcomes"].set_index(["system", "persona_id"])
    assert len(table) == 2 * 9
    assert table.loc[("small", "no-persona"), "questions"] == 40
    assert table.loc[("small", CONTROL), "questions"] == 120
    assert (table["minority"] <= table["judged"] / 2).all()


def test_answer_shares_cover_every_answered_question(results: RegressionResults) -> None:
    shares = results.tables["answer_shares"].groupby(["system", "persona_id"])["count"].sum()
    outcomes = results.tables["persona_outcomes"].set_index(["system", "persona_id"])["answered"]
    assert np.array_equal(shares.reindex(outcomes.index), outcomes)
