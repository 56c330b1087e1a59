"""A small study in a workplace of its own: catalog, lake and Dagster home under one temporary folder."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from bias_platform.catalog import load_catalog
from bias_platform.orchestration.build import build_definitions
from bias_platform.orchestration.execution import execute_plan, prepare_instance
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plan import study_plan
from bias_platform.storage import Lake

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
STUDY = "offence"


@dataclass
class Workplace:
    """Where a test's study lives."""

    folder: Path

    @property
    def catalog_file(self) -> Path:
        return self.folder / "catalog" / "catalog.yaml"

    @property
    def home(self) -> Path:
        return self.folder / "dagster_home"

    @property
    def environment(self) -> dict[str, str]:
        """For processes started by a test."""
        return {
            **os.environ,
            "BIAS_PLATFORM_CATALOG": str(self.catalog_file.parent),
            "BIAS_PLATFORM_LAKE": str(self.folder / "lake"),
            "DAGSTER_HOME": str(self.home),
            "OMP_NUM_THREADS": "1",
        }

    def edit(self, old: str, new: str) -> None:
        """Changes the catalog as a user would."""
        text = self.catalog_file.read_text()
        assert old in text
        self.catalog_file.write_text(text.replace(old, new))

    def house(self) -> House:
        catalog = load_catalog(self.catalog_file.parent)
        return House.over(catalog, Lake(self.folder / "lake", catalog.name))

    def definitions(self) -> dg.Definitions:
        house = self.house()
        return build_definitions(house.catalog, house.lake)

    def instance(self) -> dg.DagsterInstance:
        return prepare_instance(self.home)

    def run_plan(self, instance: dg.DagsterInstance, *, until: str | None = None) -> list[str]:
        """Runs what is missing of the study's plan (up to the asset whose key ends in `until`); returns the log."""
        lines: list[str] = []
        house = self.house()
        steps = study_plan(house, STUDY)
        if until:
            last = max(number for number, step in enumerate(steps) if step.key.path[-1] == until)
            steps = steps[: last + 1]
        execute_plan(self.definitions(), house, steps, instance, lines.append)
        return lines


def make_workplace(folder: Path) -> Workplace:
    place = Workplace(folder)
    place.catalog_file.parent.mkdir(parents=True)
    place.home.mkdir()
    shutil.copy(HERE / "small_catalog.yaml", place.catalog_file)
    shutil.copy(REPOSITORY / "dagster_home" / "dagster.yaml", place.home)
    return place


@pytest.fixture(scope="session")
def finished_workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The whole study, run once by the plan; tests copy it before they change anything."""
    place = make_workplace(tmp_path_factory.mktemp("finished"))
    instance = place.instance()
    place.run_plan(instance)
    instance.dispose()
    return place


@pytest.fixture
def workplace(finished_workplace: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the finished study."""
    shutil.copytree(finished_workplace.folder, tmp_path / "place")
    return Workplace(tmp_path / "place")


@pytest.fixture
def instance(workplace: Workplace) -> Iterator[dg.DagsterInstance]:
    """The copy's Dagster instance."""
    made = workplace.instance()
    yield made
    made.dispose()
