"""Chat examples that teach a model human judgements: in the annotators' own personas, or deaf to personas."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry, TrainingData
from bias_platform.catalog.systems import NO_PERSONA
from bias_platform.errors import CorpusError
from bias_platform.prompts.annotator_personas import matching_personas
from bias_platform.prompts.composite_personas import composite_personas
from bias_platform.prompts.example_facts import example_facts
from bias_platform.prompts.group_judgements import group_judgements
from bias_platform.prompts.judgements import commonest_answer, judgements_to_learn, shown_items
from bias_platform.prompts.rendering import Renderer, canonical_order, fill_template
from bias_platform.prompts.template_turns import balance_by_item, take_turns
from bias_platform.schemas import TrainingExamples, validate_table


class TrainingSet(NamedTuple):
    """Examples, and what can be counted of them."""

    examples: pd.DataFrame
    """a table `TrainingExamples`"""
    facts: dict[str, Any]
    """as `example_facts`, and the judgements left out with the reason"""


def training_examples(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task: TaskEntry,
    data: TrainingData,
    labels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The examples of `training_set` alone."""
    return training_set(items, annotations, personas, templates, task, data, labels).examples


def training_set(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task: TaskEntry,
    data: TrainingData,
    labels: pd.DataFrame | None = None,
) -> TrainingSet:
    """One example a judgement and persona: the annotator's own label, said in a persona the annotator shares.

    matching: in every dimension, the persona all of whose attributes the annotator has (where several do, one drawn
    by the seed), and for some judgements the control, which everybody shares.
    composite: one phrase made of all attributes; annotators who lack one are left out.
    specific: one persona, shown the label that its group's judgements make by a label policy; one example an item.
    none: no persona and no system message.
    Templates take turns within each persona, or have equal shares of each item's examples, so that none goes with a
    label by chance.

    Args:
        items: a table `Items`; annotations: its table `Annotations`.
        personas: a table `Personas` (used by `matching` and `specific`); templates: template id -> wording.
        task: the options are the answers; tasks without options are answered in the annotators' words.
        data: split, dimensions, seed, what stands before answers and the way personas are made.
        labels: the corpus's table `Labels`; needed by `specific`.

    Returns:
        the table `TrainingExamples` in an order shuffled by the seed, with a column `picture` where the task shows
        them, and its facts; the order of input rows does not matter.

    Raises:
        CorpusError: no judgement in the split, labels that are no option, attributes the corpus lacks.
        TableError: items that lack what the task shows.
    """
    # RandomState, because numpy promises never to change its streams: the same examples on every machine
    random = np.random.RandomState(data.seed)
    if data.personas == "specific":
        if labels is None:
            raise CorpusError("training: `personas: specific` needs the corpus's table of labels; materialize it again")
        judged = group_judgements(items, labels, personas, task, data)
    else:
        judged = judgements_to_learn(items, annotations, task, data, random)
    shown = _in_persona(judged, personas, data, random)
    left_out = len(judged) - shown["judgement"].nunique()
    shown = shown.iloc[random.permutation(len(shown))].reset_index(drop=True).join(judged, on="judgement")
    shown["template_id"] = _dealt_templates(shown, list(templates), data, random)
    renderer = Renderer(task, personas, templates)
    table = _examples(shown, templates, renderer, task, data.answer_prefix)
    return TrainingSet(table, example_facts(table, shown, task) | {"judgements_left_out": left_out})


def persona_blind_examples(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task: TaskEntry,
    n: int,
    seed: int,
    answer_prefix: str = "",
) -> pd.DataFrame:
    """Examples for a base model without bias: every persona is shown the same answer, the one most people gave.

    Personas (the control and the baseline among them) have equal shares; nobody sees an item in the same persona and
    wording twice, so there are at most items x (personas x templates + baseline) examples. Ties between labels go to
    the option that comes first in the task; between free texts, to the first in alphabetical order.

    Args:
        items: posts to learn from (the caller chooses the split); those without judgement are left out.
        n: how many examples; seed: of the draw.
        answer_prefix: stands before every answer.

    Returns:
        the table `TrainingExamples`, shuffled, with a column `picture` where the task shows them; fewer than n rows
        where there are fewer distinct ones.

    Raises:
        CorpusError: no item has a judgement, or labels are no option.
        TableError: items that lack what the task shows.
    """
    random = np.random.RandomState(seed)
    answers = commonest_answer(annotations[annotations["item_id"].isin(items["item_id"])], task)
    pool = answers.merge(shown_items(items[items["item_id"].isin(answers["item_id"])], task), on="item_id")
    pool = pool.sort_values("item_id").reset_index(drop=True)
    if pool.empty:
        raise CorpusError("none of the items has a human judgement: there is nothing a reference model could learn")
    drawn = _drawn_cells(pool, personas, templates, n, random)
    shown = drawn.iloc[random.permutation(len(drawn))].reset_index(drop=True)
    return _examples(shown, templates, Renderer(task, personas, templates), task, answer_prefix)


def _drawn_cells(
    pool: pd.DataFrame, personas: pd.DataFrame, templates: Mapping[str, str], n: int, random: np.random.RandomState
) -> pd.DataFrame:
    blind = personas["phrase"].isna().to_numpy()
    wordings: list[list[Any]] = [[None] if is_blind else list(templates) for is_blind in blind]
    quotas = equal_shares(n, [len(pool) * len(wording) for wording in wordings])
    parts = []
    for (_, persona), wording, quota in zip(personas.iterrows(), wordings, quotas, strict=True):
        cells = random.permutation(len(pool) * len(wording))[:quota]
        part = pool.iloc[cells // len(wording)].reset_index(drop=True)
        named = np.array(wording, dtype=object)[cells % len(wording)]
        parts.append(part.assign(persona_id=persona["persona_id"], phrase=persona["phrase"], template_id=named))
    return pd.concat(parts, ignore_index=True).assign(who="blind", occurrence=0)


def equal_shares(total: int, capacities: list[int]) -> list[int]:
    """Deals out `total` as evenly as capacities allow; the roomiest get the remainder.

    >>> equal_shares(10, [2, 100, 100])
    [2, 4, 4]
    """
    shares = [0] * len(capacities)
    left = min(total, sum(capacities))
    for rank, place in enumerate(sorted(range(len(capacities)), key=lambda place: capacities[place])):
        shares[place] = min(capacities[place], left // (len(capacities) - rank))
        left -= shares[place]
    return shares


def _in_persona(
    judged: pd.DataFrame, personas: pd.DataFrame, data: TrainingData, random: np.random.RandomState
) -> pd.DataFrame:
    """Which judgement (row number) is shown in which persona: judgement, persona_id, phrase."""
    if data.personas == "matching":
        return matching_personas(judged, personas, data.dimensions, random)
    if data.personas == "composite":
        return composite_personas(judged, data)
    one = NO_PERSONA if data.personas == "none" else data.persona
    phrases = dict(zip(personas["persona_id"], personas["phrase"], strict=True))
    phrase = None if data.personas == "none" else phrases[one]
    columns = {"judgement": np.arange(len(judged)), "persona_id": one, "phrase": phrase}
    return pd.DataFrame(columns).astype({"persona_id": object, "phrase": object})


def _dealt_templates(
    shown: pd.DataFrame, names: list[str], data: TrainingData, random: np.random.RandomState
) -> np.ndarray | None:
    if data.personas == "none":
        return None
    if data.templates == "balanced-by-item":
        return balance_by_item(shown["item_id"], names, random)
    return take_turns(shown["persona_id"], names, random)


def _examples(
    shown: pd.DataFrame, templates: Mapping[str, str], renderer: Renderer, task: TaskEntry, answer_prefix: str
) -> pd.DataFrame:
    """Renders rows with item_id, text, picture, who, occurrence, label, persona_id, phrase, template_id."""
    order = canonical_order(task)
    user = {text: renderer.user_message(text, order) for text in shown["text"].unique()}
    system: dict[tuple[Any, Any], str | None] = {}
    for key in shown[["phrase", "template_id"]].drop_duplicates().itertuples(index=False, name=None):
        system[key] = None if key[1] is None else fill_template(templates[key[1]], key[0])
    identity = shown[["item_id", "who", "label", "occurrence", "phrase", "template_id"]]
    table = pd.DataFrame(
        {
            "example_id": [_example_id(row) for row in identity.itertuples(index=False, name=None)],
            "item_id": shown["item_id"].to_numpy(object),
            "persona_id": shown["persona_id"].to_numpy(object),
            "template_id": shown["template_id"].to_numpy(object),
            "system_message": [system[key] for key in zip(shown["phrase"], shown["template_id"], strict=True)],
            "user_message": shown["text"].map(user).to_numpy(object),
            "answer": (answer_prefix + shown["label"]).to_numpy(object),
        }
    )
    if task.shown != "text":
        table["picture"] = shown["picture"].to_numpy(object)
    return validate_table(table, TrainingExamples, "training examples")


def _example_id(parts: tuple[Any, ...]) -> str:
    encoded = "\x1f".join("\x00" if part is None else str(part) for part in parts).encode()
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
