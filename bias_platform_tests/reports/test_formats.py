import numpy as np
import pytest

from bias_platform.reports import formats


@pytest.mark.parametrize("write", [formats.points, formats.percent, formats.decimal, formats.count, formats.p_value])
@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, float("inf")])
def test_missing_is_a_dash_never_zero(write, missing) -> None:  # type: ignore[no-untyped-def]
    assert write(missing) == "–"


def test_zero_has_no_sign() -> None:
    assert formats.points(-0.00001) == "0.0"
    assert formats.points(0.00001) == "0.0"
    assert formats.decimal(-0.001) == "0.00"
    assert formats.points(-0.2) == "−20.0"
