"""Counts, modes and majorities of human labels."""

import pandas as pd
import pytest

from bias_platform.corpora import human_yes_share, majority_label, modal_label
from bias_platform.errors import CorpusError

ORDER = ("Yes", "Maybe", "No", "Incomprehensible")


def annotations(**labels: list[str] | dict[str, int]) -> pd.DataFrame:
    rows = []
    for item, given in labels.items():
        pairs = given.items() if isinstance(given, dict) else [(label, 1) for label in given]
        rows += [(item, None, label, n) for label, n in pairs]
    return pd.DataFrame(rows, columns=["item_id", "annotator_id", "label", "annotators"])


def test_yes_counts_are_weighted_by_annotators() -> None:
    table = human_yes_share(annotations(b={"Yes": 2, "Maybe": 1, "No": 5}, a=["No", "Yes"]), ("Yes", "Maybe"))
    assert table.to_numpy().tolist() == [["a", 2, 1, 0.5], ["b", 8, 3, 0.375]]


def test_ties_go_to_the_declared_priority() -> None:
    # the study's own cases: one Yes, one No -> Yes; two missing answers beat one Maybe; Maybe wins its tie
    given = annotations(
        p1=["Yes", "No"], p2=["Maybe", "Incomprehensible", "Incomprehensible"], p3=["Incomprehensible", "Maybe"]
    )
    table = modal_label(given, ORDER)
    assert table["label"].tolist() == ["Yes", "Incomprehensible", "Maybe"]
    assert table["tied"].tolist() == [True, False, True]
    assert table["share"].tolist() == pytest.approx([0.5, 2 / 3, 0.5])
    assert modal_label(given, ORDER[::-1])["label"].tolist() == ["No", "Incomprehensible", "Incomprehensible"]


def test_row_order_does_not_matter() -> None:
    given = annotations(p1=["Yes", "No", "No"], p2=["Maybe", "Yes"], p3={"No": 3, "Yes": 3})
    pd.testing.assert_frame_equal(modal_label(given, ORDER), modal_label(given[::-1], ORDER))


def test_a_label_without_priority_is_refused() -> None:
    with pytest.raises(CorpusError, match="no tie priority for the labels Perhaps"):
        modal_label(annotations(a=["Perhaps"]), ORDER)


def test_a_majority_is_more_than_half() -> None:
    table = majority_label(annotations(a=["Yes", "Yes", "No"], b=["Yes", "No"], c=["Yes", "Maybe", "No"], d=["No"]))
    assert table["label"].tolist() == ["Yes", None, None, "No"]
    assert table["annotators"].tolist() == [3, 2, 3, 1]
