"""Each mistake of an agreement report, a group's system or a run is named with its place and what is allowed."""

from copy import deepcopy
from typing import Any

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.errors import CatalogError
from bias_platform_tests.catalog.conftest import Writer

STUDY: dict[str, Any] = {
    "group_systems": [{"system": "big+tuned", "persona": "man", "labels": "by-gender", "composite": "tiny+tuned"}],
    "runs": {"by-gender": {"dimensions": ["gender"]}, "rest": {"personas": ["night-owl", "anyone", "no-persona"]}},
    "agreement": {
        "human_labels": ["by-gender"],
        "human_personas": ["man"],
        "overall_labels": "commonest",
        "targeted": {"owls": {"title": "On owls", "group": "^owls$", "label": "Yes", "dimensions": ["sleep"]}},
    },
}
POLICIES = {"by-gender": {"rule": "unanimous", "within": "gender"}, "commonest": {"rule": "majority"}}
POLICIES["every-label"] = {"rule": "union", "within": "gender"}
WRONG: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("group_systems", 0, "system"), "tiny", "group_systems[0].system: 'tiny' is asked in every persona already"),
    (("group_systems", 0, "system"), "big+tunned", "'big+tunned': there is no adapter 'tunned'"),
    (
        ("group_systems", 0, "persona"),
        "mann",
        "there is no persona in this study 'mann'; allowed: man, woman, night-owl",
    ),
    (("group_systems", 0, "persona"), "night-owl", "labels for groups by gender, which is none of the `attributes` of"),
    (
        ("group_systems", 0, "labels"),
        "by-sex",
        "there is no label policy of corpus 'posts' 'by-sex'; allowed: by-gender",
    ),
    (("group_systems", 0, "labels"), "commonest", "'commonest' labels for all annotators together"),
    (("group_systems", 0, "composite"), "big", "group_systems[0].composite: 'big' is not among the study's systems"),
    (("group_systems", 1), STUDY["group_systems"][0], "asks 'big+tuned' as 'man' a second time"),
    (("runs", "rest", "personas"), ["night-owl", "anyone"], "runs: no run launches no-persona; name"),
    (("runs", "rest", "personas", 3), "woman", "'woman' is launched by run 'by-gender' already"),
    (("runs", "by-gender", "dimensions"), ["gendr"], "there is no dimension 'gendr'; allowed: gender, sleep"),
    (("runs", "rest", "personas", 0), "owl", "there is no persona in this study 'owl'"),
    (("agreement", "human_labels"), ["commonest"], "agreement.human_labels[0]: 'commonest' labels for all annotators"),
    (("agreement", "human_labels"), ["every-label"], "'every-label' may give a group several labels of one item"),
    (("agreement", "human_personas"), ["owl"], "agreement.human_personas[0]: there is no persona in this study 'owl'"),
    (("agreement", "overall_labels"), "by-gender", "'by-gender' does not give each item one label"),
    (("agreement", "targeted", "owls", "group"), "(owls", "agreement.targeted.owls.group: is no regular expression"),
    (("agreement", "targeted", "owls", "label"), "Yess", "there is no option 'Yess'; allowed: Yes, Perhaps"),
    (("agreement", "targeted", "owls", "dimensions"), ["slep"], "there is no dimension of the study 'slep'"),
    (("no_persona_baseline",), False, "agreement.reference: compares with the model without persona, which the study"),
    (("agreement", "level"), "ordinal", ""),
]


def changed(study: dict[str, Any], way: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    place: Any = study
    for part in way[:-1]:
        place = place[part]
    if isinstance(place, list) and way[-1] == len(place):
        place.append(value)
    else:
        place[way[-1]] = value
    return study


def catalog(sound: dict[str, Any], study: dict[str, Any]) -> dict[str, Any]:
    sound["corpora"]["posts"]["label_policies"] = POLICIES
    sound["studies"]["first"] |= study
    return sound


def test_the_study_is_right(write: Writer, sound: dict[str, Any]) -> None:
    entry = load_catalog(write({"a.yaml": catalog(sound, deepcopy(STUDY))})).studies["first"]
    assert entry.group_systems[0].system == "big+tuned"


@pytest.mark.parametrize(("way", "value", "expected"), WRONG)
def test_each_mistake(
    way: tuple[str | int, ...], value: Any, expected: str, write: Writer, sound: dict[str, Any]
) -> None:
    folder = write({"a.yaml": catalog(sound, changed(deepcopy(STUDY), way, value))})
    if not expected:
        load_catalog(folder)
        return
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    assert expected in str(caught.value)


def test_bad_answers_have_no_place_on_a_scale(write: Writer, sound: dict[str, Any]) -> None:
    study = deepcopy(STUDY)
    study["agreement"] |= {"level": "ordinal", "bad_answers": "category"}
    with pytest.raises(CatalogError, match="makes bad answers a category, which has no place on a scale"):
        load_catalog(write({"a.yaml": catalog(sound, study)}))


def test_a_task_whose_answers_are_written_needs_the_report(write: Writer, sound: dict[str, Any]) -> None:
    sound["tasks"]["tell"] = {"question": "What is it about?\n{content}", "answer": "text"}
    engine = {"ask": "generate"}
    sound["studies"]["first"] |= {"task": "tell", "engine": engine}
    with pytest.raises(CatalogError, match=r"studies\.first\.agreement: is required: answers of task 'tell' \(text\)"):
        load_catalog(write({"a.yaml": sound}))
    sound["studies"]["first"]["agreement"] = {"similarity": {"scorers": ["bertscore"]}}
    with pytest.raises(CatalogError, match="bertscore_model: is required by the scorer 'bertscore'"):
        load_catalog(write({"a.yaml": sound}))
    sound["studies"]["first"]["agreement"] = {"targeted": STUDY["agreement"]["targeted"]}
    with pytest.raises(CatalogError, match="is used only for answers of kind 'option', not 'text'"):
        load_catalog(write({"a.yaml": sound}))
