"""A broken table is refused with all its failures at once, and without its texts."""

import pandas as pd
import pytest

from bias_platform.errors import TableError
from bias_platform.schemas import Items, Predictions, validate_table
from bias_platform.schemas.results import ControlContrasts, ScoredContrasts, conform


def _items(**changes: object) -> pd.DataFrame:
    columns = {
        "item_id": ["aaaaaaaa", "bbbbbbbb"],
        "text": ["one", "two"],
        "target_group": [None, "cyclists"],
        "split": [None, None],
        "source_id": ["1", None],
    }
    return pd.DataFrame({**columns, **changes})


def _predictions(**changes: object) -> pd.DataFrame:
    columns = {
        "question_id": ["q"],
        "cell_id": ["c"],
        "item_id": ["i"],
        "system": ["s"],
        "persona_id": ["p"],
        "template_id": ["t"],
        "option_order": ["0-1"],
        "replicate": [0],
        "outcome": ["answered"],
        "answer": ["Yes"],
        "option_logprobs": [[-0.1, -2.0]],
        "raw_text": [None],
        "finish": [None],
        "detail": [None],
    }
    return pd.DataFrame({**columns, **changes})


def test_a_right_table_passes_unchanged() -> None:
    table = _items()
    pd.testing.assert_frame_equal(validate_table(table, Items, "t"), table)
    validate_table(_predictions(), Predictions, "p")


def test_all_failures_are_named_at_once_and_texts_are_not_shown() -> None:
    table = _items(item_id=["aaaaaaaa", "aaaaaaaa"], text=["", "a secret sentence"]).drop(columns="split")
    table["extra"] = 1
    with pytest.raises(TableError) as caught:
        validate_table(table, Items, "corpora/x")
    message = str(caught.value)
    assert "corpora/x" in message
    for part in ("split", "extra", "uniqueness"):
        assert part in message
    assert message.count("a row: must meet an item has a text, a picture, or both in 1 row, first at row 0") == 1
    assert "secret" not in message


def test_an_answer_without_the_outcome_answered_is_refused() -> None:
    with pytest.raises(TableError, match="an answer is there exactly when"):
        validate_table(_predictions(outcome=["refused"]), Predictions, "p")
    with pytest.raises(TableError, match="an answer is there exactly when"):
        validate_table(_predictions(answer=[None]), Predictions, "p")


def test_an_unknown_outcome_and_a_wrong_dtype_are_refused() -> None:
    with pytest.raises(TableError, match="outcome"):
        validate_table(_predictions(outcome=["maybe"], answer=[None]), Predictions, "p")
    with pytest.raises(TableError, match="replicate"):
        validate_table(_predictions(replicate=["0"]), Predictions, "p")


def test_differences_of_probabilities_have_a_bound_and_those_of_scores_have_not() -> None:
    shared = {"standard_error": [0.1], "df": [9.0], "p_value": [0.01], "p_adjusted": [0.02], "significant": [True]}
    wide = {"lower": [2.5], "upper": [3.5], "simultaneous_lower": [2.0], "simultaneous_upper": [4.0]}
    named = {"system": ["s"], "persona_id": ["p"], "label": ["a p"], "dimension": ["d"], "scope": ["these wordings"]}
    scores = {**shared, **wide, **named, "difference": [3.0], "detectable": [0.3], "scale": ["log-odds"]}
    table = conform(pd.DataFrame(scores), ScoredContrasts)
    validate_table(table, ScoredContrasts, "scored_contrasts")
    with pytest.raises(TableError, match="lower <= estimate"):
        validate_table(table.assign(difference=5.0), ScoredContrasts, "scored_contrasts")
    with pytest.raises(TableError, match="less_than_or_equal_to"):
        validate_table(conform(pd.DataFrame(scores), ControlContrasts), ControlContrasts, "control_contrasts")
