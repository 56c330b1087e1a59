"""Rendering: literal, once, and loud when a placeholder is wrong."""

import pandas as pd
import pytest

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import CatalogError
from bias_platform.prompts import Renderer

BAD_POSTS = [
    "{content} {options} {persona} {} {0}",
    "<b>html</b> &amp;",
    "مرحبا \u200f",
    "z" * 100_000,
    "back\\slash \\1 $1 %s",
]


@pytest.fixture
def renderer(task: TaskEntry, personas: pd.DataFrame, templates: dict[str, str]) -> Renderer:
    return Renderer(task, personas, templates)


def test_messages_of_a_persona(renderer: Renderer) -> None:
    system, user = renderer.messages("woman", "as", "hello", "0-1-2-3")
    assert system == {"role": "system", "content": "Answer as a woman person would."}
    options = "Yes: it offends\nMaybe\nNo: it is fine\nIncomprehensible: no sense"
    assert user == {"role": "user", "content": f"Is it rude?\n{options}\nOne word.\nPost: hello"}


def test_the_baseline_has_no_system_message(renderer: Renderer) -> None:
    assert renderer.system_message("no-persona", None) is None
    assert renderer.system_message("no-persona", "be") is None
    assert [message["role"] for message in renderer.messages("no-persona", None, "hi", "0-1-2-3")] == ["user"]


@pytest.mark.parametrize("post", BAD_POSTS)
def test_posts_are_put_in_as_they_are(renderer: Renderer, post: str) -> None:
    assert renderer.user_message(post, "0-1-2-3").endswith(f"\nPost: {post}")


def test_options_appear_in_the_order_asked_for(renderer: Renderer) -> None:
    lines = renderer.user_message("x", "3-0-2-1").split("\n")[1:5]
    assert [line.split(":")[0] for line in lines] == ["Incomprehensible", "Yes", "No", "Maybe"]
    for wrong in ("0-1-2", "0-1-2-2", "1-2-3-4"):
        with pytest.raises(ValueError, match="is no order of 4 options"):
            renderer.user_message("x", wrong)


def test_braces_in_phrases_and_glosses_stay(task: TaskEntry, personas: pd.DataFrame, templates: dict[str, str]) -> None:
    braced = personas.assign(phrase=personas["phrase"].str.replace("a woman person", "a {persona} {content}"))
    assert Renderer(task, braced, templates).system_message("woman", "be") == "You are a {persona} {content}."
    glossed = task.model_copy(
        update={"options": (task.options[0].model_copy(update={"gloss": "{content}"}), *task.options[1:])}
    )
    assert "Yes: {content}\n" in Renderer(glossed, personas, templates).user_message("post", "0-1-2-3")


def test_a_question_without_options(task: TaskEntry, personas: pd.DataFrame, templates: dict[str, str]) -> None:
    bare = task.model_copy(update={"question": "{content}"})
    assert Renderer(bare, personas, templates).user_message("post {options}", "0-1-2-3") == "post {options}"


def test_a_task_without_options(task: TaskEntry, personas: pd.DataFrame, templates: dict[str, str]) -> None:
    free = task.model_copy(update={"question": "What of it? {content}", "options": (), "answer": "text"})
    renderer = Renderer(free, personas, templates)
    assert renderer.user_message("post", "") == "What of it? post"
    with pytest.raises(ValueError, match="is no order of 0 options"):
        renderer.user_message("post", "0-1")
    with pytest.raises(CatalogError, match=r"contains \{options\}, but the task has no options"):
        Renderer(task.model_copy(update={"options": ()}), personas, templates)


def test_unknown_names_and_missing_templates_are_errors(renderer: Renderer) -> None:
    with pytest.raises(KeyError):
        renderer.system_message("nobody", "be")
    with pytest.raises(KeyError):
        renderer.system_message("man", "no-such")
    with pytest.raises(KeyError, match="needs a template"):
        renderer.system_message("man", None)


def test_wrong_placeholders_are_all_named(task: TaskEntry, personas: pd.DataFrame) -> None:
    wrong = task.model_copy(update={"question": "{options} {options}"})
    with pytest.raises(CatalogError) as caught:
        Renderer(wrong, personas, {"none": "You are.", "two": "{persona} {persona}", "fine": "{persona}"})
    for part in ("{content} exactly once", "{options} at most once", "'none'", "'two'"):
        assert part in str(caught.value)
    assert "'fine'" not in str(caught.value)
