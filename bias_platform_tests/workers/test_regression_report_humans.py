"""What people set aside is no judgement, and so no No."""

from pathlib import Path

import pandas as pd

from bias_platform.corpora import human_yes_share
from bias_platform.storage import write_table
from bias_platform.workers.regression_report import _judgements, _of_people, _target_groups
from bias_platform_tests.analysis.simulated_study import task_entry


def test_labels_set_aside_are_dropped_before_the_majority(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "item_id": ["a", "a", "a", "b", "c"],
            "label": ["Yes", "No", "Incomprehensible", "Incomprehensible", "No"],
            "annotators": [2, 1, 4, 3, 3],
        }
    )
    write_table(table, tmp_path / "annotations.parquet")
    items = pd.DataFrame({"item_id": ["a", "b", "c"]})
    humans = human_yes_share(_judgements(tmp_path / "annotations.parquet", task_entry(), items), ["Yes"])
    assert humans.set_index("item_id")["annotators"].to_dict() == {"a": 3, "c": 3}
    assert humans.set_index("item_id")["yes"].to_dict() == {"a": 2, "c": 0}


def test_judgements_keep_who_made_them_where_that_is_known() -> None:
    table = pd.DataFrame(
        {
            "item_id": ["a", "a", "b"],
            "annotator_id": ["p1", "p2", None],
            "label": ["Yes", "No", "Yes"],
            "annotators": [1, 1, 1],
            "annotator_gender": ["man", "woman", None],
        }
    )
    found = _of_people(table, task_entry())
    assert found is not None
    assert found.columns.tolist() == ["item_id", "annotator_id", "annotator_gender", "yes"]
    assert found["yes"].tolist() == [1, 0, 1]
    assert _of_people(table.drop(columns="annotator_gender"), task_entry()) is None
    assert _of_people(table.assign(annotator_id=None), task_entry()) is None


def test_items_without_a_target_group_are_left_out() -> None:
    items = pd.DataFrame({"item_id": ["a", "b"], "target_group": ["neighbours", None]})
    assert _target_groups(items) == {"a": "neighbours"}
