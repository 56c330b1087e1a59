"""The benchmark of coverage looks at what it says: every kind of claim, and only tests of what is true."""

from bias_platform_tests.analysis.known_truth import CLAIM, findings
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

TINY = Design(items=20, sizes={"gender": 3}, scales=(1.0, 0.3), persona_sd=0.0, wording_sd=0.0, wording_system_sd=0.0)


def test_every_kind_is_held_against_its_truth() -> None:
    found = findings(simulate_study(TINY, 1), TINY)
    assert found.claims.columns.tolist() == CLAIM
    assert set(found.claims["kind"]) == {
        "persona - control",
        "change between systems",
        "pair of personas",
        "spread (max - min)",
        "spread (sd)",
        "scores, persona - control",
        "scores, change between systems",
    }
    assert found.claims["covered"].mean() > 0.8
    kinds = set(found.rejections["kind"])
    for part in ("scores: persona, f_p", "scores: change of persona, f_p", "null pattern: spread of a dimension"):
        assert part in kinds


def test_a_null_that_is_false_is_not_counted() -> None:
    design = Design(items=20, sizes={"gender": 3}, far_out=1.5, orders=2, lost=0.1, lost_by_item=True)
    study = simulate_study(design, 2)
    found = findings(study, design, models=False)
    assert set(found.rejections["kind"]) <= {"equivalence at its margin"}
    assert study.truth.these[:, 1].min() > study.truth.these[:, 0].max()
    assert study.inputs.predictions["option_order"].nunique() == 2
    assert found.claims["covered"].mean() > 0.8
