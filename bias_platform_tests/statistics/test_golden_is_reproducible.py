"""The golden files still come out of their scripts: R's where R is installed, the simulated designs everywhere."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bias_platform_tests.golden import write_mixed_model_designs as intercepts
from bias_platform_tests.golden import write_people_designs as people
from bias_platform_tests.golden import write_random_slope_designs as slopes
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of

SCRIPTS = sorted(GOLDEN.glob("make_*.R"))
QUICK = {
    "make_mixed_models": ["cbpp", "rare", "p_adjust", "sleepstudy", "sleepstudy_ml", "penicillin", "pastes"],
    "make_random_slopes": [
        "sleep_correlated",
        "sleep_apart_ml",
        "crossed",
        "tied",
        "item_score",
        "counts",
        "cbpp_slope",
    ],
    "make_profiles": ["sleep_intercept", "penicillin", "wine"],
    "make_ordinal": ["wine_7", "proportional_wine", "mixed_wine", "cbpp_5"],
    "make_people_models": ["people"],
    "make_degrees_of_freedom": ["pastes", "penicillin", "sleepstudy_slopes", "tied_slopes"],
}
"""Cases that are refitted. Of a script that is not named here but takes names of cases, the first is."""
WHOLE = ("make_marginal_models", "make_term_tests")
"""Scripts without names of cases that are quick as a whole."""
DESIGNS: dict[str, Callable[[], pd.DataFrame]] = {
    "model_a": intercepts.model_a,
    "model_b": intercepts.model_b,
    "nested": intercepts.nested,
    "rare": intercepts.rare,
    "scores": intercepts.scores,
    "errors": people.errors,
    "people": people.people,
    "slopes": slopes.slopes,
    "rare_slopes": slopes.rare_slopes,
    "count_slopes": slopes.count_slopes,
    "flat_slopes": slopes.flat_slopes,
}


def json_of(script: Path) -> Path:
    return script.with_name(f"{script.stem.removeprefix('make_')}.json")


def kept_numbers(script: Path) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads(json_of(script).read_text())
    return numbers


def missing_packages(script: Path) -> list[str]:
    needed = set(re.findall(r"library\((\w+)\)|\b(\w+)::", script.read_text()))
    names = sorted({name for pair in needed for name in pair if name})
    code = f"for (p in c({', '.join(map(repr, names))})) if (!requireNamespace(p, quietly = TRUE)) cat(p, '')"
    return subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True).stdout.split()


def differences(fresh: Any, kept: Any, where: str = "") -> list[str]:
    """Where two trees of numbers and names differ; ``gradient`` is rounding noise by its nature."""
    if isinstance(kept, dict):
        if not isinstance(fresh, dict) or fresh.keys() != kept.keys():
            return [f"{where}: other entries"]
        return [
            line for key in kept if key != "gradient" for line in differences(fresh[key], kept[key], f"{where}/{key}")
        ]
    if isinstance(kept, list):
        if not isinstance(fresh, list) or len(fresh) != len(kept):
            return [f"{where}: another length"]
        return [
            line for k, pair in enumerate(zip(fresh, kept, strict=True)) for line in differences(*pair, f"{where}/{k}")
        ]
    if isinstance(kept, float) and isinstance(fresh, int | float):
        near = {"rel": 1e-8, "abs": 0.0} if where.endswith("loglik") else {"rel": 1e-5, "abs": 1e-7}
        return [] if fresh == pytest.approx(kept, **near) else [f"{where}: {fresh} for {kept}"]
    return [] if fresh == kept else [f"{where}: {fresh!r} for {kept!r}"]


def cases_of(script: Path) -> list[str]:
    """The cases to refit."""
    kept = [case for case in kept_numbers(script) if case != "versions"]
    takes_names = "trailingOnly" in script.read_text()
    return kept if script.stem in WHOLE else QUICK.get(script.stem, kept[:1]) if takes_names else []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_r_gives_the_numbers_that_are_kept(script: Path, tmp_path: Path) -> None:
    """In a copy of the folder, so that no run of the tests can change what it is compared with."""
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")
    missing, cases = missing_packages(script), cases_of(script)
    if missing:
        pytest.skip(f"R has no package {', '.join(missing)}")
    if not cases:
        pytest.skip(f"{script.name} takes no names of cases and is too slow to run as a whole")
    copied = Path(shutil.copytree(GOLDEN, tmp_path / "golden")) / script.name
    printed = [] if script.stem in WHOLE else [*cases, "-"]
    run = subprocess.run(["Rscript", str(copied), *printed], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stderr
    fresh = json.loads(run.stdout if printed else json_of(copied).read_text())
    assert set(cases) <= set(fresh)
    found = [line for case in cases for line in differences(fresh[case], kept_numbers(script)[case], case)]
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_versions_are_kept(script: Path) -> None:
    assert {"R"} < set(kept_numbers(script)["versions"])


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_what_their_script_writes(name: str) -> None:
    made = pd.read_csv(io.StringIO(DESIGNS[name]().to_csv(index=False)))
    pd.testing.assert_frame_equal(made, data_of(name))


def test_every_difference_is_seen() -> None:
    kept = {"loglik": -3.0, "sd": [1.0, 2.0], "name": "x", "gradient": 1e-9, "df": 3}
    assert differences(dict(kept, gradient=1.0), kept) == []
    for change in ({"loglik": -3.0000001}, {"sd": [1.0, 2.0001]}, {"sd": [1.0]}, {"name": "y"}, {"df": 4}, {"more": 1}):
        assert len(differences(kept | change, kept)) == 1, change
