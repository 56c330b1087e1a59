"""The catalogs that come with the package hold what they promise."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from bias_platform.catalog import (
    Catalog,
    all_systems,
    load_catalog,
    parse_system,
    questions_per_item,
    resolve_corpus,
    shipped_catalogs,
    study_personas,
)
from bias_platform.catalog.systems import study_systems

SBIC_CODES = {
    "gender": {"man", "woman", "transman", "transwoman", "nonBinary"},
    "orientation": {"straight", "gay", "bisexual"},
    "politics": {"cons", "mod-cons", "mod-liberal", "liberal", "libert", "other"},
    "race": {"asian", "black", "hisp", "white", "pacific", "native", "other"},
}


@pytest.fixture(scope="module")
def demo() -> Catalog:
    return load_catalog("demo")


@pytest.fixture(scope="module")
def paper() -> Catalog:
    return load_catalog("paper")


@pytest.mark.parametrize("name", shipped_catalogs())
def test_loads_without_any_data_or_variable(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BIAS_PLATFORM")}
    code = f"""
import sys
from bias_platform.catalog import load_catalog
assert load_catalog({name!r}).studies
heavy = {{"torch", "transformers", "dagster", "pandas", "numpy"}} & set(sys.modules)
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_personas_of_the_demo(demo: Catalog) -> None:
    people = demo.persona_sets["sociodemographic-27"]
    sizes = {dimension: len(personas) for dimension, personas in people.dimensions.items()}
    assert sizes == {
        "gender_identity": 5,
        "sexual_orientation": 3,
        "gender_by_orientation": 6,
        "political_leaning": 6,
        "race_ethnicity": 7,
    }
    everybody = [*(p for personas in people.dimensions.values() for p in personas), people.control]
    for persona in everybody:
        assert persona.phrase.startswith(("a ", "an "))
        assert persona.phrase.endswith(" in the United States")
        assert persona.label is not None
        assert len(persona.label) <= 18
    assert people.control.phrase == "a person in the United States"


def test_every_annotator_group_has_its_persona(demo: Catalog) -> None:
    dimensions = demo.persona_sets["sociodemographic-27"].dimensions
    single = [p.attributes for name in dimensions if name != "gender_by_orientation" for p in dimensions[name]]
    assert all(len(attributes) == 1 for attributes in single)
    for attribute, codes in SBIC_CODES.items():
        assert Counter(a[attribute] for a in single if attribute in a) == Counter(codes)
    crossed = {(p.attributes["gender"], p.attributes["orientation"]) for p in dimensions["gender_by_orientation"]}
    assert crossed == {(g, o) for g in ("man", "woman") for o in ("straight", "gay", "bisexual")}


def test_offensiveness_task(demo: Catalog) -> None:
    task = demo.tasks["offensiveness"]
    assert task.option_values == ("Yes", "Maybe", "No", "Incomprehensible")
    assert (task.positive, task.positive_lenient, task.set_aside) == (
        ("Yes",),
        ("Yes", "Maybe"),
        ("Incomprehensible",),
    )
    assert task.question.endswith("{content}"), "the shared beginning of the questions is as long as can be"
    assert len(demo.template_sets["persona-instructions-3"].templates) == 3


def test_demo_study(demo: Catalog) -> None:
    study = demo.studies["offensiveness"]
    assert all_systems(demo) == study.systems
    assert [parse_system(slug)[1:] for slug in study.systems] == [
        (None, None),
        (None, None),
        ("annotators", None),
        (None, "int8"),
        ("annotators", "nf4"),
    ]
    assert len(study_personas(demo, study)) == 29
    assert questions_per_item(demo, study) == 28 * 3 + 1
    assert (study.items.n, study.items.split) == (120, "test")


def test_sample_posts_lie_in_the_repository(demo: Catalog) -> None:
    assert (resolve_corpus(demo, "sample-posts").path or "").endswith(os.path.join("data", "sample-posts"))


def test_paper_knows_the_models_and_no_reference_model(paper: Catalog) -> None:
    hub_ids = {entry.hub_id for entry in paper.models.values()}
    assert {"Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "moonshotai/Kimi-K2-Instruct-0905"} <= hub_ids
    assert len(hub_ids) == len(paper.models) == 21
    assert {entry.kind for entry in paper.models.values()} == {"hub"}
    assert paper.models["qwen3-30b-a3b"].served_as == "fp8"
    assert set(paper.corpora) == {"sbic", "exist-es", "hatred"}


def test_paper_leaves_out_what_is_not_known(paper: Catalog) -> None:
    for entry in paper.models.values():
        assert (entry.revision, entry.licence, entry.parameters, entry.gated) == (None, None, None, None)


def test_paper_adapters_have_the_settings_of_the_study(paper: Catalog) -> None:
    for adapter in paper.adapters.values():
        settings = (adapter.rank, adapter.learning_rate, adapter.epochs, adapter.context, adapter.batch_tokens)
        assert settings == (16, 1e-4, 3, 8192, 32768)
        assert adapter.warm_up == 0


def test_paper_has_an_adapter_for_every_group_of_annotators(paper: Catalog) -> None:
    groups = {
        "gender": {"man", "woman"},
        "race": {"asian", "black", "hispanic", "white", "mixed-race"},
        "politics": {"cons", "mod-cons", "mod-liberal", "liberal", "libert", "independent"},
    }
    for attribute, personas in groups.items():
        for persona in personas:
            data = paper.adapters[f"sbic-specific-{persona}"].training
            assert data is not None
            assert (data.corpus, data.split, data.persona, data.labels) == (
                "sbic",
                "train",
                persona,
                f"unanimous-{attribute}",
            )
    assert sum(slug.startswith("sbic-specific-") for slug in paper.adapters) == 13
    for persona in ("man", "woman"):
        data = paper.adapters[f"exist-specific-{persona}"].training
        assert data is not None
        assert (data.corpus, data.persona, data.labels) == ("exist-es", persona, "unanimous-gender")
    assert paper.adapters["exist-composite"].training.templates == "balanced-by-item"  # type: ignore[union-attr]
    assert paper.adapters["hatred-memes"].training.answer_prefix == "The meme "  # type: ignore[union-attr]


def test_crossed_personas_have_the_attributes_of_both_sides(paper: Catalog) -> None:
    people = paper.persona_sets["sociodemographic-27"]
    named = {persona.id: persona for members in people.dimensions.values() for persona in members}
    (crossed,) = people.crossed.values()
    assert len(crossed.cells) == 6
    for persona, (one, other) in crossed.cells.items():
        assert named[persona].attributes == {**named[one].attributes, **named[other].attributes}


def test_paper_persona_sets(paper: Catalog) -> None:
    sizes = {slug: sum(map(len, entry.dimensions.values())) for slug, entry in paper.persona_sets.items()}
    assert sizes == {"sociodemographic-27": 27, "exist-gender-5": 5, "hatred-20": 20}


def test_models_of_the_paper_studies_can_be_shown_what_is_asked(paper: Catalog) -> None:
    for study in paper.studies.values():
        wanted = "text" if paper.tasks[study.task].shown == "text" else "image-text"
        assert {paper.models[parse_system(slug).base].modality for slug in study_systems(study)} == {wanted}
