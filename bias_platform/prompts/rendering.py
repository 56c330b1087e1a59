"""Puts the texts of a question together: phrase into template, post and options into the task's question.

Placeholders are substituted literally and once: a post, a phrase or an option may itself contain braces.
"""

import re
from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import CatalogError

_TASK_PLACEHOLDER = re.compile(r"\{(content|options)\}")


class Renderer:
    """Renders the chat messages of one task.

    Args:
        task: its question holds {content} once, not at all where only pictures are shown, and {options} at most once.
        personas: a table `Personas`.
        templates: template id -> wording with {persona} once.

    Raises:
        CatalogError: a placeholder is missing or repeated; all at once.
    """

    def __init__(self, task: TaskEntry, personas: pd.DataFrame, templates: Mapping[str, str]) -> None:
        _check(task, templates)
        self._phrases: dict[str, str | None] = dict(zip(personas["persona_id"], personas["phrase"], strict=True))
        self._templates = dict(templates)
        self._parts = _TASK_PLACEHOLDER.split(task.question)
        self._lines = [f"{o.value}: {o.gloss}" if o.gloss else o.value for o in task.options]
        self._blocks: dict[str, str] = {}

    def system_message(self, persona_id: str, template_id: str | None) -> str | None:
        """The persona instruction; None for a persona without a phrase (the baseline), whatever the template.

        Raises:
            KeyError: an unknown persona or template.
        """
        phrase = self._phrases[persona_id]
        if phrase is None or pd.isna(phrase):
            return None
        if template_id is None or pd.isna(template_id):
            raise KeyError(f"persona '{persona_id}' needs a template")
        return fill_template(self._templates[template_id], phrase)

    def user_message(self, text: str, option_order: str) -> str:
        """The task's question about one post, options in the order given (e.g. `0-1-2-3`; "" where there are none).

        A picture is shown beside the message and stands nowhere in it.
        """
        block = self._blocks.get(option_order)
        if block is None:
            block = self._blocks[option_order] = self._option_block(option_order)
        fills: dict[str, Callable[[], str]] = {"content": lambda: text, "options": lambda: block}
        # split() alternates literal text and placeholder names
        return "".join(fills[part]() if place % 2 else part for place, part in enumerate(self._parts))

    def messages(self, persona_id: str, template_id: str | None, text: str, option_order: str) -> list[dict[str, str]]:
        """Chat messages with roles system (not for the baseline) and user."""
        system = self.system_message(persona_id, template_id)
        user = {"role": "user", "content": self.user_message(text, option_order)}
        return [user] if system is None else [{"role": "system", "content": system}, user]

    def _option_block(self, option_order: str) -> str:
        places = [int(place) for place in option_order.split("-")] if option_order else []
        if sorted(places) != list(range(len(self._lines))):
            raise ValueError(f"'{option_order}' is no order of {len(self._lines)} options")
        return "\n".join(self._lines[place] for place in places)


def fill_template(template: str, phrase: str) -> str:
    """Puts a persona's phrase into a template; braces of the phrase stay as they are."""
    before, after = template.split("{persona}")
    return f"{before}{phrase}{after}"


def canonical_order(task: TaskEntry) -> str:
    """The order in which the catalog lists the task's options."""
    return "-".join(map(str, range(len(task.options))))


def _check(task: TaskEntry, templates: Mapping[str, str]) -> None:
    problems = []
    if task.shown == "picture":
        if "{content}" in task.question:
            problems.append("the task shows pictures only, so its question must not contain {content}")
    elif task.question.count("{content}") != 1:
        problems.append("the task's question must contain {content} exactly once")
    if task.question.count("{options}") > 1:
        problems.append("the task's question must contain {options} at most once")
    if "{options}" in task.question and not task.options:
        problems.append("the task's question contains {options}, but the task has no options")
    wrong = [name for name, template in templates.items() if template.count("{persona}") != 1]
    problems += [f"the template '{name}' must contain {{persona}} exactly once" for name in wrong]
    if problems:
        raise CatalogError("; ".join(problems))
