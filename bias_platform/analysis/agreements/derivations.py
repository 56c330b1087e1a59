"""A published number made again from the rows its statement gives, by the general form of its statistic.

The report computes all columns at once from tables of counts; here one pair of columns is taken label by label. That
both agree is a check of the report, its statement and the tables they read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.agreements.counting import NO_VALID_ANSWER, categories_of
from bias_platform.analysis.agreements.evenness import evenness_of
from bias_platform.analysis.agreements.inputs import Scorer
from bias_platform.analysis.agreements.pair_tests import ALPHA
from bias_platform.analysis.agreements.similarities import stripped
from bias_platform.catalog.agreement_settings import AgreementSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.statistics import (
    krippendorff_alpha,
    macro_f1,
    paired_alpha_test,
    proportion_interval,
    signed_rank_tests,
)

Numbers = dict[str, float]


@dataclass(frozen=True)
class Deriving:
    """What a report was made with.

    Args:
        settings: of the report.
        task: of the study.
        scorer: gives a scorer by its name, for written answers.
    """

    settings: AgreementSettings
    task: TaskEntry
    scorer: Callable[[str], Scorer]

    def derive(self, table: str, row: pd.Series, rows: pd.DataFrame) -> Numbers:
        """Column -> the number made again.

        Args:
            table: name in `AGREEMENT_TABLES`.
            row: of that table.
            rows: what its statement gives.
        """
        makers: dict[str, Callable[[pd.Series, pd.DataFrame], Numbers]] = {
            "coverage": _coverage,
            "alphas": lambda _, found: self._alpha(found, "reference", "persona"),
            "human_alphas": lambda _, found: self._alpha(found, "people", "persona"),
            "noise_alphas": lambda _, found: self._alpha(found, "first", "again"),
            "pair_tests": self._pair,
            "shares": self._share,
            "recalls": self._recall,
            "tuning_tests": self._tuning,
            "evenness": _evenness,
            "label_scores": self._scores,
            "similarities": self._similarity,
        }
        return makers[table](row, rows)

    def apart(self, table: str, row: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows on which the compared answers differ; all of them where nothing is compared item by item."""
        if "item_id" not in rows:
            return rows
        compared = [name for name in map(str, rows.columns) if name != "item_id" and not name.endswith("_outcome")]
        if table == "pair_tests":
            compared = ["first", "second"]
        if len(compared) < 2:
            return rows[rows[compared[0]] != self.settings.targeted[str(row["subset"])].label]
        said = rows[compared].astype(object).where(rows[compared].notna(), NO_VALID_ANSWER)
        return rows[said.nunique(axis=1) > 1]

    @property
    def _categories(self) -> tuple[str, ...]:
        return categories_of(self.task, self.settings.level)

    def _said(self, rows: pd.DataFrame, name: str) -> pd.Series:
        """Answers as they count: None for what has no part in the comparison."""
        said = rows[name].astype(object).where(rows[name].isin(self._categories), NO_VALID_ANSWER)
        if f"{name}_outcome" in rows:
            said = said.where(rows[f"{name}_outcome"] != "failed", None)
        return said

    def _alpha(self, rows: pd.DataFrame, first: str, second: str) -> Numbers:
        extra = (NO_VALID_ANSWER,) if self.settings.bad_answers == "category" else ()
        found = krippendorff_alpha(
            pd.DataFrame({name: self._said(rows, name) for name in (first, second)}),
            level=self.settings.level,
            categories=(*self._categories, *extra),
            confidence=self.settings.confidence,
        )
        return {
            "alpha": found.coefficient,
            "standard_error": found.standard_error,
            "lower": found.lower,
            "upper": found.upper,
            "chance": found.chance_agreement,
            "items": found.usable,
        }

    def _test(self, rows: pd.DataFrame, base: str, first: str, second: str) -> Numbers:
        extra = (NO_VALID_ANSWER,) if self.settings.bad_answers == "category" else ()
        sides = [
            pd.DataFrame({"base": self._said(rows, base), "said": self._said(rows, one)}) for one in (first, second)
        ]
        found = paired_alpha_test(
            *sides,
            categories=(*self._categories, *extra),
            invalid="as_category" if self.settings.bad_answers == "as-published" else "drop",
            level=self.settings.level,
        )
        return {
            "first": found.first,
            "second": found.second,
            "difference": found.difference,
            "standard_error": found.standard_error,
            "statistic": found.t,
            "p": found.p,
            "items": found.items,
        }

    def _pair(self, row: pd.Series, rows: pd.DataFrame) -> Numbers:
        if row["measure"] == ALPHA:
            return self._test(rows, "reference", "first", "second")
        scores = np.column_stack([self._scored(str(row["measure"]), rows, name) for name in ("first", "second")])
        found = signed_rank_tests(scores, zero_method=self.settings.similarity.zero_method)
        both = np.isfinite(scores).all(axis=1)
        means = scores[both].mean(axis=0) if both.any() else np.full(2, np.nan)
        return {
            "first": float(means[0]),
            "second": float(means[1]),
            "difference": float(found.rank_biserial[0]),
            "statistic": float(found.statistic[0]),
            "p": float(found.p[0]),
            "items": float(found.items[0]),
        }

    def _tuning(self, _: pd.Series, rows: pd.DataFrame) -> Numbers:
        asked = (rows[["specific_outcome", "composite_outcome"]] != "failed").all(axis=1)
        found = self._test(rows[asked], "people", "specific", "composite")
        renamed = {"first": "alpha_specific", "second": "alpha_composite"}
        return {renamed.get(name, name): value for name, value in found.items()}

    def _share(self, _: pd.Series, rows: pd.DataFrame) -> Numbers:
        p = rows["p"].dropna()
        differing = int((p < self.settings.significance).sum())
        return {"tested": len(p), "differing": differing, "share": differing / len(p) if len(p) else np.nan}

    def _recall(self, row: pd.Series, rows: pd.DataFrame) -> Numbers:
        recognised = int((rows["answer"] == self.settings.targeted[str(row["subset"])].label).sum())
        share = proportion_interval(recognised, len(rows), self.settings.confidence)
        bounds = {"recall": share.estimate, "lower": share.lower, "upper": share.upper}
        return {"items": len(rows), "recognised": recognised, **{name: float(value) for name, value in bounds.items()}}

    def _scores(self, _: pd.Series, rows: pd.DataFrame) -> Numbers:
        labelled = rows[rows["people"].isin(self._categories)]
        said = self._said(labelled, "answer")
        counted = said.notna() if self.settings.bad_answers == "category" else said.isin(self._categories)
        people, said = labelled.loc[counted, "people"], said[counted]
        return {
            "items": int(counted.sum()),
            "coverage": float(counted.mean()),
            "accuracy": float((said == people).mean()),
            "macro_f1": macro_f1(people, said, [one for one in self._categories if (people == one).any()]).value,
        }

    def _similarity(self, row: pd.Series, rows: pd.DataFrame) -> Numbers:
        scores = self._scored(str(row["measure"]), rows, "persona")
        known = scores[np.isfinite(scores)]
        return {
            "items": len(known),
            "similarity": float(known.mean()) if len(known) else np.nan,
            "sd": float(known.std(ddof=1)) if len(known) > 1 else np.nan,
        }

    def _scored(self, measure: str, rows: pd.DataFrame, name: str) -> "np.ndarray[Any, Any]":
        scores = np.full(len(rows), np.nan)
        both = (rows["reference"].notna() & rows[name].notna()).to_numpy()
        prefix = self.settings.similarity.strip_prefix
        texts = [[stripped(text, prefix) for text in rows.loc[both, column]] for column in ("reference", name)]
        scores[both] = self.scorer(measure)(*texts)
        return scores


def _coverage(_: pd.Series, rows: pd.DataFrame) -> Numbers:
    cells = rows.set_index("outcome")["cells"]
    total, answered = int(cells.sum()), int(cells.get("answered", 0))
    return {"cells": total, "answered": answered, "coverage": answered / total if total else np.nan}


def _evenness(_: pd.Series, rows: pd.DataFrame) -> Numbers:
    return evenness_of(rows[rows.columns[-1]].dropna().to_numpy(float))
