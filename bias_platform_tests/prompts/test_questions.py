"""Questions: what makes their ids, and that nothing else does."""

from typing import Any

import pandas as pd
import pytest

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import CatalogError, TableError
from bias_platform.prompts import build_questions
from bias_platform.schemas import Questions, validate_table

ITEMS = pd.DataFrame({"item_id": ["i-000001", "i-000002", "i-000003"], "text": ["one", "two", "three"]})


@pytest.fixture
def ids(personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry) -> Any:
    """Builds questions with some inputs changed and returns the set of their ids."""
    plain = {"items": ITEMS, "personas": personas, "templates": templates, "task_slug": "t", "task": task}

    def build(**changed: Any) -> set[str]:
        return set(build_questions(**{**plain, **changed})["question_id"])

    return build


def test_every_item_in_every_way_and_the_baseline_once(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    table = validate_table(build_questions(ITEMS, personas, templates, "t", task, 2), Questions, "questions")
    counts = table.groupby("persona_id").size()
    assert counts["no-persona"] == 3 * 2
    assert (counts.drop("no-persona") == 3 * 3 * 2).all()
    assert table[table["persona_id"] == "no-persona"]["template_id"].isna().all()
    assert set(table["option_order"]) == {"0-1-2-3", "3-2-1-0"}
    assert not table.duplicated(["item_id", "persona_id", "template_id", "option_order"]).any()


def test_a_question_keeps_its_id(personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry) -> None:
    # bought answers hang on these ids: they may change only with the version of a task
    table = build_questions(ITEMS, personas, templates, "t", task)
    first = table[(table["persona_id"] == "man") & (table["template_id"] == "be")].iloc[0]
    assert first["question_id"] == "fe43685525cd4b9c35a5843faf667c2f"


def test_ids_do_not_depend_on_order_or_names(ids: Any, personas: pd.DataFrame, templates: dict[str, str]) -> None:
    plain = ids()
    assert ids(items=ITEMS[::-1], personas=personas[::-1], templates=dict(reversed(templates.items()))) == plain
    renamed = {f"{name}-new": text for name, text in templates.items()}
    assert ids(items=ITEMS.assign(item_id=["x-000001", "x-000002", "x-000003"]), templates=renamed) == plain
    assert ids(items=ITEMS[:1]) < plain
    assert ids(option_orders=2) > plain


def test_anything_asked_differently_is_another_question(
    ids: Any, personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    plain = ids()
    glossed = task.options[0].model_copy(update={"gloss": "other"})
    changed_tasks = [
        task.model_copy(update={"version": 2}),
        task.model_copy(update={"question": task.question + " "}),
        task.model_copy(update={"options": (glossed, *task.options[1:])}),
        task.model_copy(update={"options": task.options[::-1]}),
    ]
    for changed in changed_tasks:
        assert not ids(task=changed) & plain
    assert not ids(task_slug="u") & plain
    assert not ids(items=ITEMS.assign(text=ITEMS["text"] + ".")) & plain
    other_words = personas.assign(phrase=personas["phrase"] + "!")
    assert len(ids(personas=other_words) & plain) == len(ITEMS), "only the baseline stays"
    assert len(ids(templates={name: text + " " for name, text in templates.items()}) & plain) == len(ITEMS)


def test_texts_cannot_flow_into_each_other(ids: Any, personas: pd.DataFrame) -> None:
    # phrase + template must not be told apart by their concatenation alone
    one = personas.iloc[[0]]
    first = ids(personas=one.assign(phrase="ab"), templates={"x": "c{persona}"})
    second = ids(personas=one.assign(phrase="a"), templates={"x": "bc{persona}"})
    assert not first & second


def test_equal_texts_under_two_names_are_refused(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    twins = personas.assign(phrase=personas["phrase"].replace({"a man-again person": "a man person"}))
    with pytest.raises(TableError) as caught:
        build_questions(
            pd.concat([ITEMS, ITEMS.head(1).assign(item_id="i-000009")]),
            twins,
            {**templates, "be-too": templates["be"]},
            "t",
            task,
        )
    message = str(caught.value)
    for part in ("personas man, man-again", "templates be, be-too", "items i-000001, i-000009"):
        assert part in message


def test_many_questions_have_as_many_ids(personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry) -> None:
    numbers = [f"n{place:07d}" for place in range(10_000)]
    table = build_questions(pd.DataFrame({"item_id": numbers, "text": numbers}), personas, templates, "t", task)
    assert len(table) == 10_000 * 19
    assert table["question_id"].is_unique
    assert table["question_id"].str.len().eq(32).all()


def test_replicates_are_questions_of_their_own_side_by_side(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    once = build_questions(ITEMS, personas, templates, "t", task, 2)
    thrice = build_questions(ITEMS, personas, templates, "t", task, 2, 3)
    validate_table(thrice, Questions, "questions")
    assert len(thrice) == 3 * len(once)
    assert thrice["replicate"].tolist() == [0, 1, 2] * len(once)
    first = thrice[thrice["replicate"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, once)  # what was asked once is not asked again
    asked = ["item_id", "persona_id", "template_id", "option_order"]
    for number in (1, 2):
        other = thrice[thrice["replicate"] == number].reset_index(drop=True)
        pd.testing.assert_frame_equal(other[asked], once[asked])
    assert thrice["question_id"].is_unique
    four = build_questions(ITEMS, personas, templates, "t", task, 2, 4)
    assert set(four["question_id"]) > set(thrice["question_id"])


def test_a_task_without_options_has_one_empty_order(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    free = task.model_copy(update={"options": (), "answer": "text", "question": "What of it? {content}"})
    table = validate_table(build_questions(ITEMS, personas, templates, "t", free), Questions, "questions")
    assert set(table["option_order"]) == {""}
    assert len(table) == 3 * 19
    with pytest.raises(CatalogError, match="without options has no orders of them; allowed: 1, not 2"):
        build_questions(ITEMS, personas, templates, "t", free, 2)


def test_how_an_answer_is_read_does_not_change_what_is_asked(ids: Any, task: TaskEntry) -> None:
    spelled = tuple(option.model_copy(update={"also": ("Yep",)}) for option in task.options)
    for change in ({"answer": "option-list"}, {"positive": ("No",)}, {"options": spelled}):
        assert ids(task=task.model_copy(update=change)) == ids()
