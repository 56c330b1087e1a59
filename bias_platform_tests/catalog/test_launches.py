"""The launch matrix: what the study had as 85 copied scripts comes of its systems and runs."""

from collections import Counter

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.launches import Launch, launches, study_runs
from bias_platform.catalog.systems import study_cells

GROUPS = ("man", "woman", "asian", "black", "hispanic", "white", "mixed-race")
LEANINGS = ("cons", "mod-cons", "mod-liberal", "liberal", "libert", "independent")
TEXT = ("qwen3-30b-a3b", "llama3.3-70b-instruct")


@pytest.fixture(scope="module")
def paper() -> Catalog:
    return load_catalog("paper")


def expected() -> set[tuple[str, str, str]]:
    """(study, system, run) as the published tables of models, tunings and launches give them."""
    found = set()
    runs = ("gender", "gender-by-orientation", "politics", "orientation", "race", "mixed-race")
    variants = [system for base in TEXT for system in (base, f"{base}+sbic-composite")] + ["kimi-k2-instruct"]
    found |= {("sbic-personas", system, run) for system in variants for run in runs}
    found |= {("sbic-personas", f"{base}+sbic-specific-{p}", p) for base in TEXT for p in (*GROUPS, *LEANINGS)}
    variants = [system for base in TEXT for system in (base, f"{base}+exist-composite")] + ["kimi-k2-instruct"]
    found |= {("exist-personas", system, "gender") for system in variants}
    found |= {("exist-personas", f"{base}+exist-specific-{p}", p) for base in TEXT for p in ("man", "woman")}
    vision = ("qwen2.5-vl-32b-instruct", "qwen2.5-vl-72b-instruct")
    variants = [system for base in vision for system in (base, f"{base}+hatred-memes")] + ["llama4-scout-instruct"]
    found |= {
        ("hatred-personas", system, run) for system in variants for run in ("gender", "orientation", "race", "religion")
    }
    return found


def test_the_study_has_its_85_launches(paper: Catalog) -> None:
    every = [
        launch for study in ("sbic-personas", "exist-personas", "hatred-personas") for launch in launches(paper, study)
    ]
    assert Counter(launch.study for launch in every) == {
        "sbic-personas": 56,
        "exist-personas": 9,
        "hatred-personas": 20,
    }
    assert len(every) == 85
    assert {(launch.study, launch.system, launch.run) for launch in every} == expected()


def test_launches_cover_every_partition_once(paper: Catalog) -> None:
    for study, entry in paper.studies.items():
        keys = [key for launch in launches(paper, study) for key in launch.partitions]
        assert sorted(keys) == sorted(f"{system}|{persona}" for system, persona in study_cells(paper, entry))
        assert len(set(keys)) == len(keys)


def test_a_system_of_a_group_is_asked_in_its_persona_about_its_items(paper: Catalog) -> None:
    found = [launch for launch in launches(paper, "sbic-personas") if launch.labels is not None]
    assert (
        Launch("sbic-personas", "hispanic", "qwen3-30b-a3b+sbic-specific-hispanic", ("hispanic",), "unanimous-race")
        in found
    )
    assert len(found) == 26


def test_without_runs_each_dimension_is_one_and_the_references_are_one() -> None:
    catalog = load_catalog("demo")
    runs = study_runs(catalog, catalog.studies["offensiveness"])
    assert list(runs) == [*catalog.persona_sets["sociodemographic-27"].dimensions, "references"]
    assert runs["references"] == ("generic-person", "no-persona")
    assert runs["sexual_orientation"] == ("straight", "gay-or-lesbian", "bisexual")
