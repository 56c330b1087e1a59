"""By-group test sets of a study."""

import pandas as pd
import pytest

from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.errors import CorpusError
from bias_platform.prompts.group_items import group_items
from bias_platform.schemas import GroupItems, validate_table

ITEMS = pd.DataFrame(
    {"item_id": ["a-2", "a-1", "a-3"], "text": ["tea", "milk", "jam"], "split": ["test", "dev", "test"]}
)
LABELS = pd.DataFrame(
    [
        ("a-1", "by-gender", "woman", "No", 2),
        ("a-2", "by-gender", "woman", "Yes", 1),
        ("a-1", "by-gender", "man", "Yes", 1),
        ("a-3", "majority", "", "No", 3),
    ],
    columns=["item_id", "policy", "group", "label", "annotators"],
)
PERSONAS = pd.DataFrame(
    {
        "persona_id": ["woman", "man", "robot"],
        "attributes": ['{"gender": "woman"}', '{"gender": "man"}', '{"gender": "robot"}'],
    }
)
POLICIES = {"by-gender": LabelPolicy(rule="majority", within="gender")}


def test_each_group_has_the_items_its_people_judged_with_what_they_said() -> None:
    table = group_items(ITEMS, LABELS, PERSONAS, POLICIES, [("woman", "by-gender"), ("man", "by-gender")])
    validate_table(table, GroupItems, "group items")
    assert table.to_numpy().tolist() == [
        ["woman", "by-gender", "a-1", "No", 2],
        ["woman", "by-gender", "a-2", "Yes", 1],
        ["man", "by-gender", "a-1", "Yes", 1],
    ]


def test_a_group_that_judged_nothing_is_named() -> None:
    with pytest.raises(CorpusError, match=r"'robot' \(gender, persona 'robot'\)"):
        group_items(ITEMS, LABELS, PERSONAS, POLICIES, [("woman", "by-gender"), ("robot", "by-gender")])
