"""A persona's questions put to a system: what the ledger holds is not asked again, what comes is kept at once.

A written answer is parsed when the table is made, not when it comes: the ledger keeps what the model wrote, so that a
better parser reads old answers anew and asks nothing.

Not here: making questions (`prompts`), loading the system (`models`), publishing the table (`storage`, by the worker).
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import UserError, bullet_list, counted
from bias_platform.inference.cells import Cells, MessageRenderer, SystemIdentity, build_cells
from bias_platform.inference.engines.base import (
    Decoding,
    Engine,
    EngineIdentity,
    GeneratedBatch,
    Prompt,
    ScoredBatch,
    Usage,
)
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.outcomes import Outcome, failed_outcome, scored_outcome, written_outcome
from bias_platform.inference.parsers import parse_answer
from bias_platform.progress import Progress, Report
from bias_platform.schemas import Predictions, validate_table

_PROMPTS_PER_CALL = 32_768
"""Prompts an engine is given at once: enough to share beginnings, few enough to keep memory flat."""
_COPIED = ("question_id", "item_id", "persona_id", "template_id", "option_order", "replicate")


class CellCounts(NamedTuple):
    """What a run would have to ask."""

    total: int
    missing: int


def answer_persona(
    questions: pd.DataFrame,
    items: pd.DataFrame,
    *,
    renderer: MessageRenderer,
    task: TaskEntry,
    engine: Engine,
    ledger: Ledger,
    system: SystemIdentity,
    settings: EngineSettings,
    on_progress: Report,
    maximum_failed_share: float = 0.0,
) -> pd.DataFrame:
    """Asks the cells that the ledger does not hold and returns the table `Predictions` of all of them.

    A complete ledger asks nothing, so that a `LazyEngine` loads nothing. A transient failure is in the table of the run
    that met it and is asked again by the next one.

    Args:
        questions: a table `Questions`, of one persona usually.
        items: a table `Items` that holds their items.
        renderer: of the task.
        task: its options, in canonical order, are scored; or what is written is parsed as its answers.
        engine: a `Engine`; give a `LazyEngine` so that the system is loaded when needed.
        ledger: of this system and task, open for writing.
        system: that is asked.
        settings: how.
        on_progress: told done and total after every batch.
        maximum_failed_share: of all cells, 0 to 1; above it the table is refused.

    Returns:
        one row a question, by question_id.

    Raises:
        UserError: too many failures; everything that came is in the ledger by then.
        TableError: items are missing, or the result breaks its schema.
    """
    cells = build_cells(questions, items, renderer=renderer, system=system, settings=settings, engine=engine.identity)
    known = ledger.known(cells.ids).set_index("cell_id")
    missing = np.flatnonzero(~pd.Index(cells.ids).isin(known.index)).tolist()
    total = len(cells.ids)
    on_progress(Progress(total - len(missing), total, "cells", "from the ledger" if len(missing) < total else ""))
    item_ids = questions["item_id"].tolist()
    fresh: list[Outcome] = []
    for asked in _ask(missing, cells, item_ids, task=task, engine=engine, settings=settings):
        ledger.append(asked.outcomes, usage=asked.usage, seconds=asked.seconds)
        fresh += asked.outcomes
        on_progress(Progress(total - len(missing) + len(fresh), total, "cells"))
    table = _predictions(questions, cells, parsed_anew(known, task), fresh, system.slug)
    _refuse_failures(table, maximum_failed_share, system.slug, ledger)
    return validate_table(table, Predictions, f"predictions of {system.slug}")


def missing_cells(
    questions: pd.DataFrame,
    items: pd.DataFrame,
    *,
    renderer: MessageRenderer,
    system: SystemIdentity,
    settings: EngineSettings,
    engine: EngineIdentity,
    ledger: LedgerReader,
) -> CellCounts:
    """How many cells there are and how many a run would ask: for plans and prices, with nothing loaded.

    Args:
        questions: a table `Questions`.
        items: a table `Items` that holds their items.
        renderer: of the task.
        system: that would be asked.
        settings: how.
        engine: `registry.engine_identity(settings, chat_template_hash)`.
        ledger: open for reading (a file that is not there yet reads as empty).
    """
    cells = build_cells(questions, items, renderer=renderer, system=system, settings=settings, engine=engine)
    return CellCounts(len(cells.ids), len(cells.ids) - ledger.count_known(cells.ids))


class _Asked(NamedTuple):
    """Some outcomes, and what they took."""

    outcomes: list[Outcome]
    usage: Usage
    seconds: float


def _ask(
    missing: Sequence[int],
    cells: Cells,
    item_ids: Sequence[str],
    *,
    task: TaskEntry,
    engine: Engine,
    settings: EngineSettings,
) -> Iterator[_Asked]:
    """Outcomes batch by batch, in the engine's order."""
    for start in range(0, len(missing), _PROMPTS_PER_CALL):
        rows = missing[start : start + _PROMPTS_PER_CALL]
        prompts = [cells.prompts[row] for row in rows]
        clock = time.monotonic()
        for batch in _batches(prompts, task, engine, settings):
            now = time.monotonic()
            yield _Asked(list(_outcomes(batch, rows, cells.ids, item_ids, task)), batch.usage, now - clock)
            clock = now


def _batches(
    prompts: Sequence[Prompt], task: TaskEntry, engine: Engine, settings: EngineSettings
) -> Iterator[ScoredBatch | GeneratedBatch]:
    if settings.ask == "score":
        return engine.score_choices(prompts, [task.option_values] * len(prompts), settings.scoring)
    return engine.generate(prompts, decoding_of(settings, task))


def decoding_of(settings: EngineSettings, task: TaskEntry) -> Decoding:
    """How a task's answers are written under these settings."""
    declared = settings.decoding
    allowed = task.option_values if settings.structured and task.answer == "option" else ()
    return Decoding(declared.maximum_tokens, declared.temperature, declared.top_p, allowed)


def _outcomes(
    batch: ScoredBatch | GeneratedBatch,
    rows: Sequence[int],
    ids: Sequence[str],
    item_ids: Sequence[str],
    task: TaskEntry,
) -> Iterator[Outcome]:
    if isinstance(batch, ScoredBatch):
        for place, logprobs in zip(batch.indices, batch.logprobs, strict=True):
            yield scored_outcome(ids[rows[place]], item_ids[rows[place]], logprobs, task.option_values)
    else:
        for place, generation in zip(batch.indices, batch.generations, strict=True):
            yield written_outcome(ids[rows[place]], item_ids[rows[place]], generation, task)
    for place, failure in batch.failures.items():
        yield failed_outcome(ids[rows[place]], item_ids[rows[place]], failure)


def _predictions(
    questions: pd.DataFrame, cells: Cells, known: pd.DataFrame, fresh: Sequence[Outcome], system: str
) -> pd.DataFrame:
    new = pd.DataFrame(fresh, columns=list(Outcome._fields), dtype=object).set_index("cell_id")[known.columns]
    settled = pd.concat([known, new]) if len(known) and len(new) else known if len(known) else new
    settled = settled.reindex(cells.ids)
    left_out = settled["outcome"].isna()
    if left_out.any():
        raise RuntimeError(f"the engine said nothing about {int(left_out.sum())} of the prompts it was given")
    table = questions[list(_COPIED)].reset_index(drop=True)
    table.insert(1, "cell_id", cells.ids)
    table.insert(3, "system", system)
    for column in ("outcome", "answer", "option_logprobs", "raw_text", "detail"):
        table[column] = settled[column].to_numpy(dtype=object)
    return table.sort_values("question_id", kind="stable", ignore_index=True)


def parsed_anew(known: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    """Outcomes from the ledger, written ones read by today's parser (columns outcome, answer and detail)."""
    written = known["raw_text"].notna() & known["finish"].notna()
    if not written.any():
        return known
    rows = known.loc[written, ["raw_text", "finish"]].itertuples(index=False)
    parsed = [parse_answer(text, finish, task) for text, finish in rows]
    known = known.copy()
    known.loc[written, ["outcome", "answer", "detail"]] = pd.DataFrame(parsed, dtype=object).to_numpy()
    return known


def _refuse_failures(table: pd.DataFrame, maximum: float, system: str, ledger: Ledger) -> None:
    failed = table.loc[table["outcome"] == "failed", "detail"]
    if len(failed) <= maximum * len(table):
        return
    reasons = Counter(str(detail).partition(":")[0] for detail in failed)
    lines = [f"{reason}: {counted(count, 'cell')}" for reason, count in reasons.most_common()]
    raise UserError(
        f"{len(failed):,} of {len(table):,} cells of system '{system}' failed ({len(failed) / len(table):.2%}), more "
        f"than the study's maximum_failed_share allows ({maximum:.2%}):\n{bullet_list(lines)}\nThe other "
        f"{len(table) - len(failed):,} are kept in {ledger.path}. Mend the cause and run it again, or raise "
        "maximum_failed_share"
    )
