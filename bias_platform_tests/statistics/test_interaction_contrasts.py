"""Products of one-factor contrasts, by hand and against the other contrasts."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    ModelError,
    all_pairs,
    contrast,
    difference_of_differences,
    interaction_contrasts,
    versus_reference,
)

PERSONAS, SYSTEMS, TEMPLATES = ["control", "a", "b"], ["base", "tuned"], ["t1", "t2"]


@pytest.fixture(scope="module")
def means() -> EstimateSet:
    rows = [(template, s, p) for template in TEMPLATES for s in SYSTEMS for p in PERSONAS]
    rng = np.random.default_rng(4)
    root = rng.standard_normal((12, 12))
    labels = pd.DataFrame(rows, columns=["template", "system", "persona"])
    return EstimateSet(labels, {"link": Estimates(rng.normal(size=12), root @ root.T)})


def same_numbers(one: EstimateSet, other: EstimateSet) -> None:
    assert one.on("link").values == pytest.approx(other.on("link").values)
    assert one.on("link").covariance == pytest.approx(other.on("link").covariance)


def test_one_factor_is_the_plain_contrast(means: EstimateSet) -> None:
    same_numbers(interaction_contrasts(means, {"persona": "pairs"}), all_pairs(means, "persona"))
    same_numbers(
        interaction_contrasts(means, {"persona": ("reference", "control")}),
        versus_reference(means, "persona", "control"),
    )


def test_two_factors_are_the_difference_of_differences(means: EstimateSet) -> None:
    both = interaction_contrasts(means, {"persona": ("reference", "control"), "system": "pairs"})
    gaps = versus_reference(means, "persona", "control")
    same_numbers(both, difference_of_differences(gaps, "system", "tuned", "base"))
    assert list(both.labels.columns) == ["template", "persona", "system", "contrast"]
    assert both.labels.iloc[0].tolist() == ["t1", "a - control", "tuned - base", "(a - control) : (tuned - base)"]


def test_three_factors(means: EstimateSet) -> None:
    found = interaction_contrasts(means, {"template": "pairs", "system": "pairs", "persona": ("reference", "control")})
    cells = means.frame("link").set_index(["template", "system", "persona"])["estimate"]
    change = cells.loc["t2"] - cells.loc["t1"]
    gap = change.loc["tuned"] - change.loc["base"]
    assert found.on("link").values == pytest.approx([gap["a"] - gap["control"], gap["b"] - gap["control"]])
    assert list(found.labels.columns) == ["template", "system", "persona", "contrast"]


def test_weights_of_ones_own(means: EstimateSet) -> None:
    named_against_control = {"named": {"control": -1.0, "a": 0.5, "b": 0.5}, "only b": {"b": 1.0, "a": 0}}
    found = interaction_contrasts(
        means, {"persona": named_against_control, "system": {"mean": dict.fromkeys(SYSTEMS, 0.5)}}
    )
    weights = [[-0.5, 0.25, 0.25, -0.5, 0.25, 0.25], [0, 0, 0.5, 0, 0, 0.5]]
    same_numbers(found, contrast(means, np.kron(np.eye(2), weights), list("abcd")))
    assert found.labels["persona"].tolist() == ["named", "only b"] * 2


def test_products_without_all_their_means_are_left_out(means: EstimateSet) -> None:
    lacking = means.subset(np.arange(12) != 5)
    found = interaction_contrasts(lacking, {"persona": ("reference", "control"), "system": "pairs"})
    assert found.labels[["template", "persona"]].to_numpy().tolist() == [
        ["t1", "a - control"],
        ["t2", "a - control"],
        ["t2", "b - control"],
    ]


def test_within_fewer_columns(means: EstimateSet) -> None:
    one = means.subset(means.labels["template"] == "t1")
    found = interaction_contrasts(one, {"persona": "pairs", "system": "pairs"}, within=[])
    assert list(found.labels.columns) == ["persona", "system", "contrast"]
    assert len(found.labels) == 3


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        ({}, "at least one factor"),
        ({"persna": "pairs"}, r"'persna' \(did you mean persona"),
        ({"persona": ("reference", "nobody")}, "no level 'nobody'"),
        ({"persona": {"odd": {"nobody": 1.0}}}, "no level 'nobody'"),
        ({"persona": {"nothing": {"a": 0.0}}}, "'nothing' of 'persona' needs finite weights"),
        ({"persona": {"odd": {"a": np.inf}}}, "needs finite weights"),
        ({"persona": "pairwise"}, "cannot be 'pairwise': give 'pairs'"),
        ({"persona": {}}, "nothing to compare"),
    ],
)
def test_errors(means: EstimateSet, factors: dict[str, object], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        interaction_contrasts(means, factors)


def test_cells_must_be_unique(means: EstimateSet) -> None:
    with pytest.raises(ModelError, match=r"share a level of 'persona', 'system'.*name the other factors"):
        interaction_contrasts(means, {"persona": "pairs", "system": "pairs"}, within=[])
