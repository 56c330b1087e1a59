"""Changes of spreads between systems, and wordings as a factor."""

import numpy as np
import pytest

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.spread_changes import exchange_p, spread_changes, variance_change
from bias_platform.analysis.wording_effects import wording_effects
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform_tests.analysis.simulated_people import Sampled, answered, inputs_of
from bias_platform_tests.analysis.simulated_study import CONTROL

MEMBERS = ("a-0", "a-1", "a-2", "a-3")
CHANGE = [{"from": "small", "to": "small+tuned"}]


def material(design: Sampled, seed: int, **settings: object) -> Material:
    found = answered(design, [CONTROL, *MEMBERS], np.random.default_rng(seed))
    inputs = inputs_of(found, {"a": MEMBERS}, changes=CHANGE, **settings)
    return gather(prepare_answers(inputs), PRIMARY, inputs.study.analysis)


def test_the_change_of_variance_and_its_error_are_those_of_normal_means() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6)) * 0.02
    covariance = root @ root.T
    true = np.array([0.3, 0.5, 0.4, 0.2, 0.6, 0.4])
    drawn = [variance_change(mean, covariance) for mean in rng.multivariate_normal(true, covariance, 20_000)]
    estimates = np.array([one.estimate for one in drawn])
    wanted = true[3:].var(ddof=1) - true[:3].var(ddof=1)
    assert estimates.mean() == pytest.approx(wanted, abs=4 * estimates.std() / 141)
    squares = np.mean([one.standard_error**2 for one in drawn])
    assert squares == pytest.approx(estimates.var(), rel=0.05)


def test_a_wider_spread_is_found_and_a_shift_of_all_is_none() -> None:
    wide = dict(zip(MEMBERS, ((0.0, -1.2), (0.0, -0.4), (0.0, 0.4), (0.0, 1.2)), strict=True))
    table = spread_changes(material(Sampled(items=200, effects=wide), 3))
    assert set(table["scope"]) == {THESE_WORDINGS, BEYOND_WORDING}
    assert table["significant"].all()
    assert (table["change_lower"] > 0).all()
    assert (table["exchange_p"] == 1 / 1000).all()
    shift = dict.fromkeys([CONTROL, *MEMBERS], (0.0, 1.0))
    table = spread_changes(material(Sampled(items=200, effects=shift), 3))
    assert (table["p_value"] > 0.05).all()
    assert (table["exchange_p"] > 0.05).all()


def test_another_pattern_of_the_same_spread_is_no_change() -> None:
    turned = dict(zip(MEMBERS, ((-1.0, 1.0), (-0.4, 0.4), (0.4, -0.4), (1.0, -1.0)), strict=True))
    row = spread_changes(material(Sampled(items=200, effects=turned), 7)).iloc[0]
    assert row["p_value"] > 0.2
    assert row["change_lower"] < 0 < row["change_upper"]
    assert row["deviation_from"] > 0.05 < row["deviation_to"]


def test_exchanges_are_symmetric_in_the_systems_and_seeded() -> None:
    shares = np.random.default_rng(1).random((40, 6))
    turned = np.hstack([shares[:, 3:], shares[:, :3]])
    assert exchange_p(shares, 5) == exchange_p(turned, 5)
    assert exchange_p(np.hstack([shares[:, :3], shares[:, :3]]), 5) == 1.0


def test_a_wording_is_found_with_its_size() -> None:
    quiet = material(Sampled(items=300, item_sd=0.5), 5)
    table = wording_effects(quiet.answers, quiet.wording, quiet.settings)
    by_hand = quiet.answers.frame.query("system == 'small'").groupby("template_id", observed=True)["yes"].mean()
    by_hand = by_hand - by_hand.mean()
    rows = table[table["system"] == "small"].set_index("template_id")["difference"]
    np.testing.assert_allclose(rows, by_hand.reindex(rows.index), atol=1e-12)
    assert table.groupby("system")["difference"].sum().abs().max() < 1e-12
    assert table.loc[table["template_id"] != "t1", "significant"].all()
    assert (table["persona_wording_sd"] < 0.03).all()


def test_one_wording_has_no_effect_to_show() -> None:
    single = material(Sampled(items=30, templates=1), 5)
    assert wording_effects(single.answers, single.wording, single.settings).empty
