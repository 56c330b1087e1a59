"""Questions about pictures: what is shown makes the id, and nothing else of an item does."""

import pandas as pd
import pytest

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import CatalogError, TableError
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.prompts.shown_content import shown_pictures, shown_texts
from bias_platform.schemas import Questions, validate_table

ONE, TWO, THREE = (f"{digit * 32}.png" for digit in "123")
ITEMS = pd.DataFrame(
    {
        "item_id": ["i-000001", "i-000002", "i-000003"],
        "text": ["one", "two", "three"],
        "picture": [ONE, TWO, THREE],
    }
)


@pytest.fixture
def about_pictures(task: TaskEntry) -> TaskEntry:
    return task.model_copy(update={"shown": "picture", "question": "Is it rude?\n{options}"})


@pytest.fixture
def about_both(task: TaskEntry) -> TaskEntry:
    return task.model_copy(update={"shown": "picture-and-text"})


def _ids(items: pd.DataFrame, personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry) -> list[str]:
    table = build_questions(items, personas, templates, "t", task)
    return validate_table(table, Questions, "questions")["question_id"].tolist()


def test_a_picture_that_is_not_shown_changes_no_question(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    with_pictures = _ids(ITEMS, personas, templates, task)
    assert with_pictures == _ids(ITEMS.drop(columns="picture"), personas, templates, task)
    table = build_questions(ITEMS, personas, templates, "t", task)
    first = table[(table["persona_id"] == "man") & (table["template_id"] == "be")].iloc[0]
    assert first["question_id"] == "fe43685525cd4b9c35a5843faf667c2f", "as before there were pictures"


def test_a_picture_alone_makes_the_question(
    personas: pd.DataFrame, templates: dict[str, str], about_pictures: TaskEntry
) -> None:
    plain = _ids(ITEMS, personas, templates, about_pictures)
    assert plain == _ids(ITEMS.assign(text=""), personas, templates, about_pictures)
    renamed = ITEMS.assign(picture=ITEMS["picture"].str.replace("png", "jpg"))
    assert plain == _ids(renamed, personas, templates, about_pictures)
    others = ITEMS.assign(picture=[f"{digit * 32}.png" for digit in "456"])
    assert not set(plain) & set(_ids(others, personas, templates, about_pictures))
    bought = _ids(ITEMS.head(1), personas.head(1), {"be": templates["be"]}, about_pictures)
    assert bought == ["6375baa3a826c8a6f34e32bd63a7a2c3"], "answers hang on these ids"


def test_picture_and_text_both_make_the_question(
    personas: pd.DataFrame, templates: dict[str, str], task: TaskEntry, about_both: TaskEntry
) -> None:
    plain = set(_ids(ITEMS, personas, templates, about_both))
    assert not plain & set(_ids(ITEMS.assign(text=ITEMS["text"] + "."), personas, templates, about_both))
    assert not plain & set(_ids(ITEMS.assign(picture=[TWO, THREE, ONE]), personas, templates, about_both))
    assert not plain & set(_ids(ITEMS, personas, templates, task))
    some = ITEMS.assign(picture=[None, TWO, None])
    unseen = set(_ids(ITEMS, personas, templates, task))
    assert len(unseen & set(_ids(some, personas, templates, about_both))) == len(unseen) * 2 // 3


def test_the_same_twice_is_said(
    personas: pd.DataFrame, templates: dict[str, str], about_pictures: TaskEntry, about_both: TaskEntry
) -> None:
    same = ITEMS.assign(picture=[ONE, ONE, TWO])
    with pytest.raises(TableError, match="items i-000001, i-000002 have the same picture\n"):
        build_questions(same, personas, templates, "t", about_pictures)
    assert len(build_questions(same, personas, templates, "t", about_both))
    with pytest.raises(TableError, match="items i-000001, i-000002 have the same picture and text\n"):
        build_questions(same.assign(text="one"), personas, templates, "t", about_both)


def test_items_without_what_is_shown_are_said() -> None:
    some = ITEMS.assign(picture=[ONE, None, None], text=["", "two", "three"])
    with pytest.raises(TableError, match=r"2 items of 3 have no picture, and the task shows .* \(e\.g\. i-000002\)"):
        shown_pictures(some, "picture")
    with pytest.raises(TableError, match=r"1 item of 3 have no text, and the task shows .* \(e\.g\. i-000001\)"):
        shown_texts(some, "text")
    with pytest.raises(TableError, match="3 items of 3 have no picture"):
        shown_pictures(ITEMS.drop(columns="picture"), "picture")
    assert shown_pictures(some, "picture-and-text").tolist() == [ONE, None, None]
    assert shown_texts(some, "picture-and-text").tolist() == ["", "two", "three"]


def test_a_question_about_a_picture_is_rendered_without_text(
    personas: pd.DataFrame, templates: dict[str, str], about_pictures: TaskEntry
) -> None:
    renderer = Renderer(about_pictures, personas, templates)
    message = renderer.user_message("never shown", "0-1-2-3")
    assert message.startswith("Is it rude?\nYes: it offends")
    assert "never" not in message
    wrong = about_pictures.model_copy(update={"question": "Rude? {content}"})
    with pytest.raises(CatalogError, match=r"shows pictures only, so its question must not contain \{content\}"):
        Renderer(wrong, personas, templates)
