"""What a study assumes beforehand: its defaults hold together, and what cannot be is named with what can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import PowerSettings, load_catalog
from bias_platform.catalog.power_settings import GAPS
from bias_platform.errors import CatalogError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"replicates": 5}, "studies.first.power.replicates: 5 is not possible: it must be greater than or equal to 20"),
    ({"graded": {"sd": 1}}, "studies.first.power.graded.sd: there is no such field; allowed: item_sd,"),
    ({"decided": {"own_share": 0.6}}, "studies.first.power.decided.own_share: 0.6 is not possible: it must be less"),
    ({"gaps": []}, "studies.first.power.gaps: must hold at least 1, not 0"),
    ({"gaps": [0.1, 0.05]}, "studies.first.power.gaps: must rise, but is [0.1, 0.05]; sort it"),
    (
        {"gaps": [-0.1, 0.1]},
        "studies.first.power.gaps: must lie from 0 to below 0.55, which is what a base_rate",
    ),
    ({"base_rate": 0.8}, "power.gaps: must lie from 0 to below 0.2, which is what a base_rate of 0.8 leaves; drop the"),
    ({"items": [50, 1]}, "studies.first.power.items[1]: 1 is too few to compare personas; at least 2"),
]


@pytest.mark.parametrize(("power", "expected"), WRONG)
def test_a_mistake_is_named(
    write: Callable[..., Path], sound: dict[str, Any], power: dict[str, Any], expected: str
) -> None:
    sound["studies"]["first"]["power"] = power
    with pytest.raises(CatalogError) as caught:
        load_catalog(write({"a.yaml": sound}))
    (line,) = str(caught.value).splitlines()[1:]
    assert expected in line


def test_a_study_may_say_its_own(write: Callable[..., Path], sound: dict[str, Any]) -> None:
    sound["studies"]["first"]["power"] = {
        "base_rate": 0.9,
        "gaps": [0, 0.01, 0.05],
        "items": [50, 500],
        "graded": {"item_sd": 2.0},
    }
    power = load_catalog(write({"a.yaml": sound})).studies["first"].power
    assert (power.base_rate, power.gaps, power.items) == (0.9, (0.0, 0.01, 0.05), (50, 500))
    assert (power.graded.item_sd, power.graded.wording_sd) == (2.0, 0.15)
    assert (PowerSettings().gaps, PowerSettings().replicates, PowerSettings().seed) == (GAPS, 400, 0)
