"""The questions of a study: every item put in every persona, wording and option order.

A question's id depends on what is asked, word for word, and on nothing else: neither on the order of rows nor on what
items, personas or templates are called. Two studies that ask the same share the id.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import TableError, bullet_list
from bias_platform.prompts.option_orders import balanced_orders, order_text
from bias_platform.prompts.shown_content import shown_pictures, shown_texts


class _Way(NamedTuple):
    """One way of asking: all of a question but its item."""

    persona_id: str
    template_id: str | None
    option_order: str
    digests: list[bytes]
    """one a replicate"""


def build_questions(
    items: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task_slug: str,
    task: TaskEntry,
    option_orders: int = 1,
    replicates: int = 1,
) -> pd.DataFrame:
    """Builds the table `Questions`.

    Replicates stand next to each other: what is said in them is the same, and an engine reads it once.

    Args:
        items: a table `Items`; of each only what the task shows is asked about, and enters the id.
        personas: a table `Personas`; the baseline is asked without template, once an item and option order.
        templates: template id -> wording.
        task_slug: part of the id, with the task's version, question and options.
        option_orders: balanced orders of the options, each asked of everything; 1 for tasks without options, whose
            one order is "".
        replicates: how often each question is asked, each time under an id of its own; those of the first stay the
            same however many there are.

    Returns:
        one row a question, ordered by persona, template, option order, item (each as given), replicate.

    Raises:
        TableError: two items, personas or templates are the same, so that their questions would be the same; or an
            item has nothing that the task shows.
        CatalogError: there are not that many balanced orders.
    """
    _check_distinct(items, personas, templates, task)
    orders = [order_text(order) for order in balanced_orders(len(task.options), option_orders)]
    ways = list(_ways(personas, templates, _task_digest(task_slug, task), orders, replicates))
    item_digests = _item_digests(items, task)
    item_ids = items["item_id"].to_numpy(object)
    n = len(items) * replicates
    return pd.DataFrame(
        {
            "question_id": np.array([qid for way in ways for qid in _ids(way.digests, item_digests)], dtype=object),
            "item_id": np.tile(np.repeat(item_ids, replicates), len(ways)),
            "persona_id": _repeated([way.persona_id for way in ways], n),
            "template_id": _repeated([way.template_id for way in ways], n),
            "option_order": _repeated([way.option_order for way in ways], n),
            "replicate": np.tile(np.arange(replicates, dtype=np.int64), len(ways) * len(items)),
        }
    )


def _ids(ways: Sequence[bytes], item_digests: Sequence[bytes]) -> list[str]:
    blake = hashlib.blake2b
    return [blake(way + item, digest_size=16).hexdigest() for item in item_digests for way in ways]


def _ways(
    personas: pd.DataFrame, templates: Mapping[str, str], task: bytes, orders: Sequence[str], replicates: int
) -> Iterator[_Way]:
    for persona_id, phrase, role in personas[["persona_id", "phrase", "role"]].itertuples(index=False):
        wordings = [(None, None)] if role == "baseline" else list(templates.items())
        said = None if role == "baseline" else phrase
        for template_id, template in wordings:
            for order in orders:
                digests = [_digest(task.hex(), said, template, order, str(number)) for number in range(replicates)]
                yield _Way(persona_id, template_id, order, digests)


def _item_digests(items: pd.DataFrame, task: TaskEntry) -> list[bytes]:
    """Of each item's text, and of its picture where one is shown; a picture's name tells its content."""
    texts, pictures = shown_texts(items, task.shown), shown_pictures(items, task.shown)
    return [
        hashlib.blake2b(text.encode(), digest_size=32).digest()
        if picture is None
        else _digest("picture", picture.partition(".")[0], text)
        for text, picture in zip(texts, pictures, strict=True)
    ]


def _task_digest(slug: str, task: TaskEntry) -> bytes:
    options = [part for option in task.options for part in (option.value, option.gloss)]
    return _digest(slug, str(task.version), task.question, *options)


def _digest(*parts: str | None) -> bytes:
    """Hashes a sequence of texts; lengths go in too, so that no text can flow into its neighbour."""
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        encoded = None if part is None else part.encode()
        digest.update(b"-" if encoded is None else f"{len(encoded)}:".encode() + encoded)
    return digest.digest()


def _repeated(values: list[str] | list[str | None] | list[None], times: int) -> np.ndarray:
    return np.repeat(np.array(values, dtype=object), times)


def _check_distinct(items: pd.DataFrame, personas: pd.DataFrame, templates: Mapping[str, str], task: TaskEntry) -> None:
    """Equal contents are one question: asked under two names it would be counted twice."""
    named = personas[personas["role"] != "baseline"]
    wordings = pd.Series(templates, dtype=object)
    problems = _same(named["phrase"], named["persona_id"], "personas", "phrase")
    problems += _same(wordings, pd.Series(wordings.index, index=wordings.index), "templates", "text")
    contents, field = _contents(items, task)
    problems += _same(contents, items["item_id"], "items", field)
    if problems:
        raise TableError(f"questions would be asked twice:\n{bullet_list(problems)}\nkeep one of each")


def _contents(items: pd.DataFrame, task: TaskEntry) -> tuple[pd.Series, str]:
    """What is shown of each item, as something that can be compared, and what it is called."""
    texts, pictures = shown_texts(items, task.shown), shown_pictures(items, task.shown)
    if task.shown == "text":
        return texts, "text"
    pairs = [(text, picture and picture.partition(".")[0]) for text, picture in zip(texts, pictures, strict=True)]
    return pd.Series(
        pairs, index=items.index, dtype=object
    ), "picture" if task.shown == "picture" else "picture and text"


def _same(contents: pd.Series, names: pd.Series, what: str, field: str) -> list[str]:
    doubled = contents.duplicated(keep=False)
    groups = names[doubled].groupby(contents[doubled], sort=False)
    return [f"{what} {', '.join(map(str, group))} have the same {field}" for _, group in groups]
