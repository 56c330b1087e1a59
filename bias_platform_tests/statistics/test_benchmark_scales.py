"""Words for sizes of agreement, as irrCAC gives them, and where it gives none."""

import numpy as np
import pytest

from bias_platform.statistics import (
    ALTMAN,
    FLEISS,
    LANDIS_KOCH,
    BenchmarkScale,
    ModelError,
    benchmark_band,
    membership_probabilities,
)


def test_landis_and_koch_as_irrcac() -> None:
    found = membership_probabilities([0.7084, 0.80528], [0.07941, 0.07167], digits=5)
    assert found[0].tolist() == [0.12425, 0.91387, 0.99995, 1, 1, 1]
    assert found[1].tolist() == [0.52781, 0.9979, 1, 1, 1, 1]
    assert benchmark_band([0.7084, 0.80528], [0.07941, 0.07167]).tolist() == ["moderate", "substantial"]


def test_other_scales_as_irrcac() -> None:
    """Its formula in R 4.2.2, for the AC1 of its example."""
    assert membership_probabilities(0.77544, 0.14295, FLEISS, digits=5).tolist() == [0.54414, 0.99542, 1.0]
    found = membership_probabilities(0.77544, 0.14295, ALTMAN, digits=5)
    assert found.tolist() == [0.39674, 0.88336, 0.99542, 0.99997, 1.0]


@pytest.mark.parametrize("scale", [LANDIS_KOCH, ALTMAN, FLEISS])
def test_agreement_known_exactly_is_in_its_band(scale: BenchmarkScale) -> None:
    assert benchmark_band(1.0, 0.0, scale).item() == scale.bands[0]
    assert benchmark_band(scale.lower[1], 0.0, scale).item() == scale.bands[1]
    assert benchmark_band(-1.0, 0.0, scale).item() == scale.bands[-1]
    for value in (-0.3, 0.1, 0.5, 0.77, 0.95):
        assert benchmark_band(value, 0.0, scale) == benchmark_band(value, 1e-9, scale)


def test_probabilities_add_up() -> None:
    values, errors = np.meshgrid(np.linspace(-1.2, 1, 23), [0.0, 1e-8, 0.01, 0.1, 1.0])
    found = membership_probabilities(values, errors)
    assert found.shape == (*values.shape, 6)
    assert (np.diff(found, axis=-1) >= -1e-12).all()
    assert found[..., -1] == pytest.approx(1.0)
    assert (found >= 0).all()


def test_unknown_stays_unknown() -> None:
    assert np.isnan(membership_probabilities([np.nan, 0.5], [0.1, np.nan])).all()
    assert benchmark_band([np.nan, 0.5, 0.5], [0.1, np.nan, 0.01]).tolist() == ["", "", "moderate"]


def test_a_stricter_certainty_gives_a_lower_band() -> None:
    bands = [benchmark_band(0.7084, 0.07941, certainty=level).item() for level in (0.1, 0.9, 0.99999)]
    assert bands == ["almost perfect", "substantial", "fair"]


def test_mistakes() -> None:
    with pytest.raises(ModelError, match="falling from below 1 to -1"):
        membership_probabilities(0.5, 0.1, BenchmarkScale(("a", "b"), (0.2, 0.4)))
    with pytest.raises(ModelError, match="0 or more"):
        membership_probabilities(0.5, -0.1)
    with pytest.raises(ModelError, match="certainty"):
        benchmark_band(0.5, 0.1, certainty=95)
