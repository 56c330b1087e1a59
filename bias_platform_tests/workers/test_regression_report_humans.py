"""What people set aside is no judgement, and so no No."""

from pathlib import Path

import pandas as pd

from bias_platform.storage import write_table
from bias_platform.workers.regression_report import _humans
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
    humans = _humans(tmp_path / "annotations.parquet", task_entry(), items)
    assert humans is not None
    assert humans.set_index("item_id")["annotators"].to_dict() == {"a": 3, "c": 3}
    assert humans.set_index("item_id")["yes"].to_dict() == {"a": 2, "c": 0}
