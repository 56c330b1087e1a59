"""The cases of the speed benchmark: what is fitted, to which simulated answers. Every number follows from the seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PERSONAS, GROUPS, SYSTEMS = 40, 5, 4
STUDY_PERSONAS, STUDY_TEMPLATES, STUDY_SYSTEMS = 28, 3, 5
STUDY_SDS = {
    "item": 1.4,
    "item:system": 0.6,
    "item:persona": 0.7,
    "persona:template": 0.3,
    "persona:template:system": 0.2,
}


@dataclass(frozen=True)
class Case:
    """One data set and the model fitted to it."""

    name: str
    design: str
    """``dealt``: each persona judges each post once, by a system drawn for that answer. ``every``: each persona judges
    each post by every system. ``study``: model A of the studies, items x personas x templates x systems."""
    units: int
    """Posts or items."""
    family: str = "binomial"
    sum_coded: tuple[str, ...] = ()
    terms: tuple[str, ...] = ("post", "persona")
    fixed: str = "model * group"
    sds: Mapping[str, float] = field(default_factory=lambda: {"post": 1.5, "persona": 0.3})

    @property
    def outcome(self) -> str:
        """Column of the outcome."""
        return "margin" if self.family == "gaussian" else "yes"

    @property
    def formula(self) -> str:
        """As lme4 and glmmTMB read it; ``sum_coded`` columns get their contrasts from the column."""
        return f"{self.outcome} ~ {self.fixed} + " + " + ".join(f"(1 | {term})" for term in self.terms)

    @property
    def rows(self) -> int:
        """Answers."""
        if self.design == "study":
            return self.units * STUDY_PERSONAS * STUDY_TEMPLATES * STUDY_SYSTEMS
        return self.units * PERSONAS * (SYSTEMS if self.design == "every" else 1)

    def described(self) -> dict[str, object]:
        """What the results say of the case."""
        sizes = (
            f"{self.units} items x {STUDY_PERSONAS} personas x {STUDY_TEMPLATES} templates x {STUDY_SYSTEMS} systems"
            if self.design == "study"
            else f"{self.units} posts x {PERSONAS} personas in {GROUPS} groups x "
            + (f"{SYSTEMS} systems" if self.design == "every" else f"one of {SYSTEMS} systems, drawn")
        )
        return {
            "formula": self.formula,
            "family": self.family,
            "rows": self.rows,
            "sizes": sizes,
            "sds": dict(self.sds),
        }


def _intercepts(name: str, design: str, units: int, family: str = "binomial") -> Case:
    return Case(name, design, units, family)


def _study(items: int) -> Case:
    return Case(
        f"model-a-{items}",
        "study",
        items,
        sum_coded=("template",),
        terms=tuple(STUDY_SDS),
        fixed="persona * system + template",
        sds=STUDY_SDS,
    )


CASES = {
    case.name: case
    for case in (
        _intercepts("intercepts-10k", "dealt", 250),
        _intercepts("intercepts-100k", "dealt", 2_500),
        _intercepts("intercepts-1M", "dealt", 25_000),
        _intercepts("intercepts-5M", "dealt", 125_000),
        _intercepts("every-system-10k", "every", 63),
        _intercepts("every-system-100k", "every", 625),
        _intercepts("every-system-1M", "every", 6_250),
        _intercepts("every-system-5M", "every", 31_250),
        _intercepts("linear-10k", "dealt", 250, "gaussian"),
        _intercepts("linear-100k", "dealt", 2_500, "gaussian"),
        _intercepts("linear-1M", "dealt", 25_000, "gaussian"),
        _study(50),
        _study(500),
        _study(4_691),
    )
}


def write_case(case: Case, folder: Path) -> tuple[Path, Path]:
    """Parquet and CSV of a case, written once."""
    parquet, text = folder / f"{case.name}.parquet", folder / f"{case.name}.csv"
    if not parquet.exists() or not text.exists():
        folder.mkdir(parents=True, exist_ok=True)
        frame = simulate(case)
        frame.to_csv(text, index=False)
        frame.to_parquet(parquet, index=False)
    return parquet, text


def simulate(case: Case) -> pd.DataFrame:
    """One row an answer; groupings are pandas categories, as they are factors in R."""
    rng = np.random.default_rng([2_024, case.units, len(case.terms)])
    codes = _study_codes(case.units) if case.design == "study" else _post_codes(case, rng)
    first, second, size = _crossing(case, codes)
    eta = -0.3 + rng.normal(0.0, 0.4, size)[first, second]
    for term in case.terms:
        level = _combined([codes[name] for name in term.split(":")])
        eta = eta + rng.normal(0.0, case.sds[term], int(level.max()) + 1)[level]
    noise = rng.random(len(eta)) if case.family == "binomial" else rng.normal(0.0, 1.0, len(eta))
    frame = pd.DataFrame({name: _named(name, code) for name, code in codes.items()})
    frame[case.outcome] = (
        (noise < 1.0 / (1.0 + np.exp(-eta))).astype(np.int64) if case.outcome == "yes" else eta + noise
    )
    return frame


def _crossing(case: Case, codes: Mapping[str, NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple]:
    if case.design == "study":
        return codes["persona"], codes["system"], (STUDY_PERSONAS, STUDY_SYSTEMS)
    return codes["model"], codes["group"], (SYSTEMS, GROUPS)


def _post_codes(case: Case, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    sizes = [case.units, PERSONAS, SYSTEMS] if case.design == "every" else [case.units, PERSONAS]
    axes = [axis.ravel() for axis in np.indices(sizes)]
    systems = axes[2] if case.design == "every" else rng.integers(0, SYSTEMS, len(axes[0]))
    return {"post": axes[0], "persona": axes[1], "model": systems, "group": axes[1] % GROUPS}


def _study_codes(items: int) -> dict[str, NDArray[np.int64]]:
    axes = np.indices([items, STUDY_PERSONAS, STUDY_TEMPLATES, STUDY_SYSTEMS])
    names = ("item", "persona", "template", "system")
    return {name: axis.ravel() for name, axis in zip(names, axes, strict=True)}


def _combined(codes: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    joint = codes[0]
    for code in codes[1:]:
        joint = joint * (int(code.max()) + 1) + code
    return joint


def _named(name: str, code: NDArray[np.int64]) -> pd.Categorical:
    count = int(code.max()) + 1
    width = len(str(count))
    return pd.Categorical.from_codes(code, [f"{name[0]}{level:0{width}d}" for level in range(1, count + 1)])
