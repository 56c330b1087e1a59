"""Which personas draw what is no judgement: an option set aside, a refusal, an answer that cannot be read.

A multinomial outcome by separate logits: each kind of it against a judgement, beside the share of all questions, which
is item-paired and needs no model. Failed calls say nothing of a persona and do not count.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.adjustment import Together, adjust, joint_covariance
from bias_platform.analysis.answers import SET_ASIDE, Answers
from bias_platform.analysis.comparisons import PairedGaps, compared
from bias_platform.analysis.contrasts import persona_grid, versus_control
from bias_platform.analysis.fit_records import Records, fit_row, impossible_fit_row
from bias_platform.analysis.item_cube import ItemCube
from bias_platform.analysis.model_rows import FACTORS, item_formula, without_unused
from bias_platform.analysis.named_personas import cell_means, refusal
from bias_platform.analysis.readings import JUDGED
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import OTHER_OUTCOMES
from bias_platform.statistics import fit_separate_logits
from bias_platform.statistics.estimates import LINK

FloatArray = NDArray[np.float64]
KINDS = (SET_ASIDE, "refused", "invalid", "truncated")
_CAME = "came"


class OtherOutcomeResults(NamedTuple):
    """What drew no judgement, by persona."""

    table: pd.DataFrame
    """Schema `OtherOutcomes`; empty where everything was judged."""
    records: Records


def analyse_other_outcomes(
    answers: Answers, cube: ItemCube, settings: AnalysisSettings, say: Callable[[str], None] = lambda _: None
) -> OtherOutcomeResults:
    """Compares each persona with the control, by kind of outcome and system; all comparisons are one family.

    Args:
        answers: prepared answers.
        cube: of any reading: which questions were put.
        settings: confidence, adjustment, and the fewest questions of a kind in a system for it to be compared.
        say: takes a line of progress.
    """
    records = Records()
    shares = {kind: _by_item(answers, cube, kind) for kind in KINDS}
    grid = persona_grid(answers, cube)
    found = [_differences(answers, cube, grid, kind, share, settings) for kind, share in shares.items()]
    parts = [part for part in found if part is not None]
    if not parts:
        return OtherOutcomeResults(pd.DataFrame(), records)
    say("outcomes that are no judgement")
    table = pd.concat([part.table for part in parts], ignore_index=True)
    gaps = np.column_stack([part.gaps for part in parts])
    jointly = Together(joint_covariance(gaps, table["standard_error"].to_numpy(float)))
    return OtherOutcomeResults(adjust(_with_log_odds(table, answers, settings, records), settings, jointly), records)


class _Differences(NamedTuple):
    """Of one kind."""

    table: pd.DataFrame
    gaps: FloatArray
    """(items, rows of the table)."""


def _by_item(answers: Answers, cube: ItemCube, kind: str) -> FloatArray:
    """(items, personas, systems): share of an item's questions that came out so; NaN where none came to anything."""
    frame = answers.frame
    codes = tuple(frame[name].cat.codes.to_numpy(np.int64) for name in ("item_id", "persona_id", "system"))
    shape = cube.asked.shape
    at = np.ravel_multi_index(codes, shape)
    hits, failed = (
        np.bincount(at, (frame["state"] == state).to_numpy(float), cube.asked.size).reshape(shape)
        for state in (kind, "failed")
    )
    came = cube.asked - failed
    shares: FloatArray = np.divide(hits, came, out=np.full(shape, np.nan), where=came > 0)
    return shares


def _differences(
    answers: Answers, cube: ItemCube, grid: pd.DataFrame, kind: str, share: FloatArray, settings: AnalysisSettings
) -> _Differences | None:
    """Of the systems in which the kind came often enough."""
    asked = np.nan_to_num(share) * cube.asked
    often = {s for s in cube.systems if asked[:, :, cube.system(s)].sum() >= settings.minimum_minority}
    labels = grid[grid["system"].isin(often)].reset_index(drop=True)
    if labels.empty:
        return None
    persona = [cube.persona(name) for name in labels["persona_id"]]
    system = [cube.system(name) for name in labels["system"]]
    own, control = share[:, persona, system], share[:, cube.persona(answers.control)][:, system]
    size = len(labels)
    paired = PairedGaps(own - control, np.zeros((size, size)), np.ones(size), 1.0, 1e-9)
    table = compared(labels, paired, settings.confidence)
    known = np.isfinite(own) & np.isfinite(control)
    means = [np.where(known, one, 0.0).sum(axis=0) / np.maximum(1, known.sum(axis=0)) for one in (own, control)]
    means = [np.where(known.any(axis=0), one, np.nan) for one in means]
    return _Differences(table.assign(kind=kind, share=means[0], control_share=means[1]), paired.gaps)


def _with_log_odds(table: pd.DataFrame, answers: Answers, settings: AnalysisSettings, records: Records) -> pd.DataFrame:
    """Adds the log-odds of the kind against a judgement, where its model may be used."""
    columns = {"log_odds": "estimate", "log_odds_lower": "lower", "log_odds_upper": "upper", "log_odds_p": "p_value"}
    table = table.assign(**dict.fromkeys(columns, np.nan))
    kinds = {str(kind): set(rows["system"]) for kind, rows in table.groupby("kind", sort=False)}
    for kind, contrasts in _models(answers, kinds, settings, records).items():
        link = contrasts.frame(LINK, settings.confidence).rename(columns={name: new for new, name in columns.items()})
        labels = contrasts.means.labels
        at = {key: k for k, key in enumerate(zip(labels["system"], labels["persona_id"], strict=True))}
        rows = table.index[table["kind"] == kind]
        places = [at.get(key, -1) for key in zip(table.loc[rows, "system"], table.loc[rows, "persona_id"], strict=True)]
        found = [(row, place) for row, place in zip(rows, places, strict=True) if place >= 0]
        for row, place in found:
            table.loc[row, list(columns)] = link.loc[place, list(columns)].to_numpy(float)
    return table


def _models(
    answers: Answers, kinds: dict[str, set[str]], settings: AnalysisSettings, records: Records
) -> dict[str, ScopedMeans]:
    """Contrasts to the control by kind, of the systems in which it came often enough."""
    found: dict[str, ScopedMeans] = {}
    for kind, systems in kinds.items():
        rows, left_out = _rows(answers, kind, systems, settings.minimum_minority)
        formula = item_formula(rows, _CAME)
        if formula is None:
            why = "fewer than two personas have it often enough"
            records.fits.append(impossible_fit_row(_name(kind), why, left_out))
            continue
        contrasts = _contrasts(answers, rows, kind, formula, left_out, records)
        if contrasts is not None:
            found[kind] = contrasts
    return found


def _contrasts(
    answers: Answers, rows: pd.DataFrame, kind: str, formula: str, left_out: int, records: Records
) -> ScopedMeans | None:
    logits = fit_separate_logits(formula, rows, baseline=JUDGED)
    if kind in logits.impossible:
        records.fits.append(impossible_fit_row(_name(kind), logits.impossible[kind], left_out, formula))
        return None
    fit, items = logits.fits[kind], rows["item"].nunique()
    why = refusal(fit)
    records.fits.append(fit_row(_name(kind), fit, items, left_out, why))
    if why:
        return None
    means = ScopedMeans.of_items(cell_means(fit, str(rows["system"].iloc[0])), items - 1)
    return versus_control(means, answers.control)


def _rows(answers: Answers, kind: str, systems: set[str], minimum: int) -> tuple[pd.DataFrame, int]:
    """Questions with a persona that were judged or came out so, columns `FACTORS` and `came`; and the cells left out.

    A system x persona with fewer than ``minimum`` of the rarer of both says nothing about log-odds.
    """
    rows = answers.with_persona
    rows = rows[rows["state"].isin([JUDGED, kind]) & rows["system"].isin(systems)]
    columns = {"item_id": "item", "persona_id": "persona", "template_id": "template", "option_order": "order"}
    frame = rows.rename(columns=columns)[list(FACTORS)].assign(**{_CAME: rows["state"].astype(str).to_numpy()})
    cells = [frame["system"].astype(str), frame["persona"].astype(str)]
    hits = (frame[_CAME] == kind).groupby(cells).transform("sum")
    judged = (frame[_CAME] != kind).groupby(cells).transform("sum")
    enough = np.minimum(hits, judged) >= minimum
    left_out = len(set(zip(*cells, strict=True))) - len(set(zip(*(one[enough] for one in cells), strict=True)))
    kept = frame[enough]
    order = [answers.control, *answers.named]
    return without_unused(kept.assign(persona=pd.Categorical(kept["persona"].astype(str), order))), left_out


def _name(kind: str) -> str:
    return f"{OTHER_OUTCOMES}, {kind.replace('_', ' ')}"
