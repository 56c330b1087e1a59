"""Chat examples that teach a model human judgements: in the annotators' own personas, or deaf to personas."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry, TrainingData
from bias_platform.corpora.human_labels import modal_label
from bias_platform.errors import CorpusError
from bias_platform.prompts.annotator_personas import matching_personas
from bias_platform.prompts.judgements import judgements_to_learn, labels_allowed
from bias_platform.prompts.rendering import Renderer, canonical_order, fill_template
from bias_platform.schemas import TrainingExamples, validate_table

_PLACEHOLDER = re.compile(r"\{([a-z0-9._-]+)\}")


def training_examples(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task: TaskEntry,
    data: TrainingData,
) -> pd.DataFrame:
    """One example a judgement and persona: the annotator's own label, said in a persona the annotator shares.

    matching: in every dimension, the persona all of whose attributes the annotator has (where several do, one drawn
    by the seed), and for some judgements the control, which everybody shares.
    composite: one phrase made of all attributes; annotators who lack one are left out.
    Templates take turns within each persona, so that none goes with a label by chance.

    Args:
        items: a table `Items`; annotations: its table `Annotations`.
        personas: a table `Personas` (used by `matching`); templates: template id -> wording.
        task: the options are the answers.
        data: split, dimensions, seed and the way personas are made.

    Returns:
        the table `TrainingExamples` in an order shuffled by the seed; the order of input rows does not matter.

    Raises:
        CorpusError: no judgement in the split, labels that are no option, attributes the corpus lacks.
    """
    # RandomState, because numpy promises never to change its streams: the same examples on every machine
    random = np.random.RandomState(data.seed)
    judged = judgements_to_learn(items, annotations, task, data, random)
    if data.personas == "composite":
        shown = _composites(judged, data)
    else:
        shown = matching_personas(judged, personas, data.dimensions, random)
    shown = shown.iloc[random.permutation(len(shown))].reset_index(drop=True)
    shown["template_id"] = _take_turns(shown["persona_id"], list(templates), random)
    return _examples(shown.join(judged, on="judgement"), templates, Renderer(task, personas, templates), task)


def persona_blind_examples(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    personas: pd.DataFrame,
    templates: Mapping[str, str],
    task: TaskEntry,
    n: int,
    seed: int,
) -> pd.DataFrame:
    """Examples for a base model without bias: every persona is shown the same answer, the one most people gave.

    Personas (the control and the baseline among them) have equal shares; nobody sees an item in the same persona and
    wording twice, so there are at most items x (personas x templates + baseline) examples. Ties between labels go to
    the option that comes first in the task.

    Args:
        items: posts to learn from (the caller chooses the split); those without judgement are left out.
        n: how many examples; seed: of the draw.

    Returns:
        the table `TrainingExamples`, shuffled; fewer than n rows where there are fewer distinct ones.

    Raises:
        CorpusError: no item has a judgement, or labels are no option.
    """
    random = np.random.RandomState(seed)
    known = annotations[annotations["item_id"].isin(items["item_id"])]
    labels_allowed(known, task)
    modes = modal_label(known, task.option_values)
    pool = modes.merge(items[["item_id", "text"]], on="item_id").sort_values("item_id").reset_index(drop=True)
    if pool.empty:
        raise CorpusError("none of the items has a human judgement: there is nothing a reference model could learn")
    drawn = _drawn_cells(pool, personas, templates, n, random)
    shown = drawn.iloc[random.permutation(len(drawn))].reset_index(drop=True)
    return _examples(shown, templates, Renderer(task, personas, templates), task)


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


def _composites(judged: pd.DataFrame, data: TrainingData) -> pd.DataFrame:
    """One phrase a judgement; columns judgement, persona_id (None), phrase."""
    pattern = data.composite_pattern or ""
    pieces = _PLACEHOLDER.split(pattern)  # literal text and attribute names alternate
    names = pieces[1::2]
    missing = sorted({name for name in names if f"annotator_{name}" not in judged.columns})
    if missing or not names:
        there = ", ".join(sorted(c.removeprefix("annotator_") for c in judged.columns if c.startswith("annotator_")))
        what = f"names {', '.join(missing)}" if missing else "names no attribute"
        raise CorpusError(f"composite_pattern {what}; the corpus knows of its annotators: {there or 'nothing'}")
    full = judged[[f"annotator_{name}" for name in names]].notna().all(axis=1)
    phrase = pd.Series(pieces[0], index=judged.index[full], dtype=object)
    for name, literal in zip(names, pieces[2::2], strict=True):
        values = judged.loc[full, f"annotator_{name}"]
        said = data.composite_values.get(name, {})
        phrase = phrase + values.map(lambda value, said=said: said.get(value, value)) + literal
    if phrase.empty:
        raise CorpusError(f"no annotator has all of {', '.join(names)}: composite personas cannot be made")
    return pd.DataFrame({"judgement": phrase.index, "persona_id": None, "phrase": phrase.to_numpy(object)})


def _take_turns(persona_ids: pd.Series, names: list[str], random: np.random.RandomState) -> np.ndarray:
    """Names in rotation within each persona; composite ones, which have no id, rotate together."""
    turn = persona_ids.groupby(persona_ids.fillna(""), sort=False).cumcount().to_numpy()
    return np.array(names, dtype=object)[(turn + random.randint(len(names))) % len(names)]


def _examples(shown: pd.DataFrame, templates: Mapping[str, str], renderer: Renderer, task: TaskEntry) -> pd.DataFrame:
    """Renders rows with item_id, text, who, occurrence, label, persona_id, phrase, template_id."""
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
            "answer": shown["label"].to_numpy(object),
        }
    )
    return validate_table(table, TrainingExamples, "training examples")


def _example_id(parts: tuple[Any, ...]) -> str:
    encoded = "\x1f".join("\x00" if part is None else str(part) for part in parts).encode()
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
