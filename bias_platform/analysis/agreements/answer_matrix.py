"""A study's answers as one matrix a system: items down, personas in wordings across.

Partitions are read one after the other, each into its columns: memory is that of the matrices, two bytes an answer.
Items are joined by their id, never by position or text. Of several orders of the options the canonical one is taken,
and of replicates the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.schemas.tables import OUTCOMES
from bias_platform.storage import read_table

CodeArray = npt.NDArray[np.int16]
NOT_ASKED = -1
"""Code of an item that was not asked, or whose asking failed: an error of the engine is no answer of the model."""
_COLUMNS = ["item_id", "template_id", "option_order", "replicate", "outcome", "answer"]
Column = tuple[str, str | None]
"""Persona and wording; no wording for the model without persona."""


@dataclass
class SystemAnswers:
    """What one system said."""

    columns: dict[Column, int] = field(default_factory=dict)
    """place of each persona and wording"""
    codes: list[CodeArray] = field(default_factory=list)
    """(items,) a column: position of the answer, `bad` for what is none, NOT_ASKED"""
    texts: list[npt.NDArray[np.object_]] = field(default_factory=list)
    """(items,) a column of written answers, None where there is none"""

    def of(self, columns: Sequence[Column]) -> CodeArray:
        """(items, columns) codes."""
        return np.stack([self.codes[self.columns[column]] for column in columns], axis=1)

    def text(self, column: Column) -> npt.NDArray[np.object_]:
        """(items,) texts."""
        return self.texts[self.columns[column]]


@dataclass(frozen=True)
class AnswerMatrix:
    """All systems' answers."""

    items: pd.Index
    """item ids, sorted"""
    answers: tuple[str, ...]
    """the categories, in order; codes count from 0"""
    systems: dict[str, SystemAnswers]
    coverage: pd.DataFrame
    """system, persona_id, items, cells, and cells by outcome"""
    templates: tuple[str, ...]
    option_order: str
    """whose answers are taken"""
    orders: int
    """how many orders were asked"""

    @property
    def bad(self) -> int:
        """Code of an outcome that is no valid answer."""
        return len(self.answers)


def read_answers(inputs: AgreementInputs, answers: tuple[str, ...]) -> AnswerMatrix:
    """Reads every partition.

    Args:
        inputs: names them.
        answers: the answers that are categories, in order; valid ones that are not among them count as bad.
    """
    items = pd.Index(np.sort(inputs.items["item_id"].to_numpy(object)))
    systems: dict[str, SystemAnswers] = {}
    counted, orders = [], set[str]()
    for (system, persona), path in inputs.partitions.items():
        table = read_table(path, f"{system}|{persona}", _COLUMNS)
        counted.append({"system": system, "persona_id": persona, **_outcomes(table)})
        orders |= set(table["option_order"])
        table = table[(table["option_order"] == min(orders)) & (table["replicate"] == 0)]
        for template, rows in table.groupby(table["template_id"].fillna(""), sort=False):
            name = str(template) or None
            _place(systems.setdefault(system, SystemAnswers()), (persona, name), rows, items, answers, inputs.written)
    return AnswerMatrix(
        items, answers, systems, pd.DataFrame(counted), inputs.templates, min(orders, default=""), len(orders)
    )


def columns_of(path: Path, items: pd.Index, answers: tuple[str, ...], order: str, name: str) -> dict[Any, CodeArray]:
    """(persona, wording) -> (items,) codes of a table that holds several personas, such as a repeat."""
    table = read_table(path, name, ["persona_id", *_COLUMNS])
    table = table[(table["option_order"] == order) & (table["replicate"] == 0)]
    keys = [table["persona_id"], table["template_id"].fillna("")]
    return {
        (str(persona), str(template) or None): _codes(rows, items, answers)
        for (persona, template), rows in table.groupby(keys, sort=False)
    }


def _place(
    said: SystemAnswers, column: Column, rows: pd.DataFrame, items: pd.Index, answers: tuple[str, ...], written: bool
) -> None:
    said.columns[column] = len(said.columns)
    said.codes.append(_codes(rows, items, answers))
    if written:
        texts = np.full(len(items), None, dtype=object)
        valid = rows[rows["outcome"] == "answered"]
        texts[items.get_indexer(pd.Index(valid["item_id"]))] = valid["answer"].to_numpy(object)
        said.texts.append(texts)


def _codes(rows: pd.DataFrame, items: pd.Index, answers: tuple[str, ...]) -> CodeArray:
    place = {answer: code for code, answer in enumerate(answers)}
    bad = len(answers)
    code = rows["answer"].map(place).fillna(bad).to_numpy(np.int16)
    code[(rows["outcome"] == "failed").to_numpy()] = NOT_ASKED
    found = np.full(len(items), NOT_ASKED, dtype=np.int16)
    found[items.get_indexer(pd.Index(rows["item_id"]))] = code
    return found


def _outcomes(table: pd.DataFrame) -> dict[str, int]:
    counts = table["outcome"].value_counts()
    return {
        "items": int(table["item_id"].nunique()),
        "cells": len(table),
        **{outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES},
    }
