"""What a report's blueprint knows of crossed personas: all of it where a study asks them, nothing where it does not."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.catalog.entries import Catalog, CrossedDimension, PersonaEntry
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.blueprints import Blueprints
from bias_platform.storage import Lake
from bias_platform_tests.wiring.conftest import STUDY

CROSSED = CrossedDimension(of=("gender", "age"), cells={"old-man": ("man", "old")})


class _Published(Blueprints):
    """Everything upstream is there."""

    def _version(self, folder: Path, name: str) -> str:
        return name


def _report(catalog: Catalog, tmp_path: Path) -> Blueprint:
    return _Published(catalog, Lake(tmp_path, catalog.name)).report(STUDY, {"tiny|man": "1"})


def _catalog(tmp_path: Path, crossed: dict[str, CrossedDimension], dimensions: tuple[str, ...] = ()) -> Catalog:
    folder = tmp_path / "small"
    folder.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "small_catalog.yaml", folder / "catalog.yaml")
    catalog = load_catalog(folder)
    study = catalog.studies[STUDY].model_copy(update={"dimensions": dimensions})
    personas = catalog.persona_sets[study.persona_set]
    more: dict[str, Any] = {**personas.dimensions, "both": (PersonaEntry(id="old-man", phrase="an old man"),)}
    changed = personas.model_copy(update={"dimensions": more, "crossed": crossed})
    return catalog.model_copy(
        update={"persona_sets": {**catalog.persona_sets, study.persona_set: changed}, "studies": {STUDY: study}}
    )


@pytest.mark.parametrize("dimensions", [(), ("both",)])
def test_what_is_crossed_is_a_parameter(tmp_path: Path, dimensions: tuple[str, ...]) -> None:
    found = _report(_catalog(tmp_path, {"both": CROSSED}, dimensions), tmp_path).parameters
    assert found["crossed"] == {"both": {"of": ["gender", "age"], "cells": {"old-man": ["man", "old"]}}}


def test_reports_that_cross_nothing_stay_what_they_are(tmp_path: Path) -> None:
    assert "crossed" not in _report(_catalog(tmp_path, {}), tmp_path).parameters
    assert "crossed" not in _report(_catalog(tmp_path, {"both": CROSSED}, ("gender_identity",)), tmp_path).parameters
