"""Model C: a system told to be a persona, the generic person and the people of the persona's group as sources.

`yes ~ source + (1|item) + (1|item:source) + (0 + human|annotator)`: only people have an annotator's effect (`human` is
1 for them and 0 for a system, which is one fixed judge). It carries log-odds; differences of probabilities do not need
it.
"""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.item_cube import ItemCube
from bias_platform.analysis.named_personas import refusal
from bias_platform.analysis.people import Judged, People
from bias_platform.analysis.readings import JUDGED
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.errors import counted
from bias_platform.schemas.results import AGAINST_PEOPLE
from bias_platform.schemas.results_of_people import GENERIC, PERSONA
from bias_platform.statistics import (
    EstimateSet,
    MixedModelFit,
    ModelError,
    fit_mixed_model,
    marginal_means,
    versus_reference,
)
from bias_platform.statistics.estimates import LINK

_PEOPLE, _SYSTEM = "people", "a system"
FORMULA = "yes ~ source + (1 | item) + (1 | item:source) + (0 + human | annotator)"


def _without_number(why: str) -> str:
    """A reason as several personas share it."""
    return re.sub(r" is \d[\d.]*( or more)? on the logit scale", " is too large on the logit scale", why)


def fit_people(
    answers: Answers, cube: ItemCube, people: People, minimum_minority: int
) -> tuple[dict[str, ScopedMeans], Records]:
    """Fits one model a persona, all systems together; log-odds of each source minus the people.

    A source with fewer than `minimum_minority` answers of the rarer kind is left out; without enough judgements of
    either kind by the people there is no model.

    Returns:
        by persona id: contrasts labelled by source, system and persona_id; and the rows of their fits.
    """
    records, found = Records(), {}
    refused: dict[str, list[str]] = {}
    for persona, own in people.own.items():
        label = str(answers.personas["label"][persona])
        name = f"{AGAINST_PEOPLE}, {label}"
        data, dropped = _enough(_rows(answers, cube, persona, own), minimum_minority)
        fit, why = _fitted(data)
        if fit is None:
            records.fits.append(impossible_fit_row(name, f"{why}.", dropped))
        else:
            why = refusal(fit)
            records.fits.append(fit_row(name, fit, own.items, dropped, why))
        if fit is None or why:
            refused.setdefault(_without_number(why), []).append(label)
            continue
        records.components.extend(component_rows(name, fit, {}))
        found[persona] = _against_people(fit, persona, min(own.items, own.annotators) - 1.0)
    records.messages.extend(
        f"No log-odds against people for {counted(len(names), 'persona')} ({', '.join(names)}): {why}."
        for why, names in refused.items()
    )
    return found, records


def _rows(answers: Answers, cube: ItemCube, persona: str, own: Judged) -> pd.DataFrame:
    """Judgements and answers about the items that the people judged."""
    parts = [
        pd.DataFrame(
            {
                "yes": own.yes.astype(np.int64),
                "item": np.array(cube.items, dtype=object)[own.item],
                "annotator": [f"annotator {k}" for k in own.annotator],
                "source": _PEOPLE,
                "human": 1.0,
            }
        ),
        *_answers(answers, persona, {cube.items[k] for k in np.unique(own.item)}),
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{name: table[name].astype("category") for name in ("item", "annotator", "source")})


def _answers(answers: Answers, persona: str, items: set[str]) -> Iterator[pd.DataFrame]:
    rows = answers.with_persona
    rows = rows[(rows["state"] == JUDGED).to_numpy() & rows["item_id"].isin(items).to_numpy()]
    for source, asked in ((PERSONA, persona), (GENERIC, answers.control)):
        for system in answers.systems:
            part = rows[((rows["persona_id"] == asked) & (rows["system"] == system)).to_numpy()]
            named = {"annotator": _SYSTEM, "source": f"{source}|{system}", "human": 0.0}
            yes = part["yes"].to_numpy(np.int64)
            yield pd.DataFrame({"yes": yes, "item": part["item_id"].astype(str).to_numpy(object), **named})


def _enough(data: pd.DataFrame, minimum: int) -> tuple[pd.DataFrame, int]:
    """Rows of sources with enough answers of both kinds, and how many sources have not."""
    counts = data.groupby("source", observed=True)["yes"].agg(["sum", "size"])
    rarer = np.minimum(counts["sum"], counts["size"] - counts["sum"])
    kept = data[data["source"].isin(counts.index[rarer >= minimum])].copy()
    for name in ("item", "annotator", "source"):
        kept[name] = kept[name].cat.remove_unused_categories()
    return kept, int((rarer < minimum).sum())


def _fitted(data: pd.DataFrame) -> tuple[MixedModelFit | None, str]:
    sources = set(data["source"].cat.categories)
    if _PEOPLE not in sources:
        return None, "the people have too few judgements of the rarer kind"
    if len(sources) < 2:
        return None, "no system has enough answers of the rarer kind on their items"
    try:
        return fit_mixed_model(FORMULA, data), ""
    except ModelError as problem:
        return None, str(problem).rstrip(".")


def _against_people(fit: MixedModelFit, persona: str, df: float) -> ScopedMeans:
    contrasts = versus_reference(marginal_means(fit, "source"), "source", _PEOPLE)
    split = contrasts.labels["level"].astype(str).str.split("|", n=1)
    labels = pd.DataFrame({"source": split.str[0], "system": split.str[1], "persona_id": persona})
    return ScopedMeans.of_items(EstimateSet(labels, {LINK: contrasts.on(LINK)}), df)
