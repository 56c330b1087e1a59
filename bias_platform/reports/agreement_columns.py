"""Columns of the tables of an agreement report: what its page and its LaTeX files show of each."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.reports.formats import MISSING, count, decimal, decimal_span, p_value, percent, text
from bias_platform.reports.shared_columns import DIMENSION, PERSONA, SYSTEM
from bias_platform.reports.table_view import Cell, Column, one, two
from bias_platform.schemas.results_of_agreement import ALIKE, FIRST, SAME, SECOND, UNKNOWN

NOT_DEFINED = "not defined"
_STATES = {SAME: "neither", FIRST: "first", SECOND: "second", ALIKE: "identical", UNKNOWN: "not tested"}
"""Of a pair: who is nearer to the reference."""


def defined(value: object) -> str:
    """A plain number, or that there is none.

    >>> defined(0.813), defined(float("nan"))
    ('0.81', 'not defined')
    """
    written = decimal(value)
    return NOT_DEFINED if written == MISSING else written


def signed(value: object) -> str:
    """The same with its sign, three decimals: differences of alphas are small.

    >>> signed(0.0413), signed(-0.2), signed(0.0)
    ('+0.041', '−0.200', '0.000')
    """
    written = decimal(value, 3)
    return f"+{written}" if written != MISSING and float(str(value)) > 0 and float(written) > 0 else written


def wording(value: object) -> str:
    """A wording, or that there is none.

    >>> wording("role"), wording(None)
    ('role', 'none')
    """
    written = text(value)
    return "none" if written == MISSING else written


def share_span(lower: object, upper: object) -> str:
    """An interval of shares in per cent.

    >>> share_span(0.25, 0.5)
    '25.0 to 50.0 %'
    """
    low, high = percent(lower), percent(upper)
    return MISSING if MISSING in (low, high) else f"{low.removesuffix(' %')} to {high}"


def _named(heading: str, column: str) -> Column:
    return Column(heading, one(column, text), numeric=False)


def _state(value: object) -> str:
    return _STATES[str(value)]


def _against(first: object, second: object) -> str:
    return f"{count(first)} / {count(second)}"


def _yes(value: object) -> str:
    return "yes" if bool(value) else "no"


def _or_reason(column: str, write: Cell) -> Cell:
    """Cells, or why there is none."""

    def cells(table: pd.DataFrame) -> list[str]:
        written = zip(write(table), table[column].isna(), table["reason"], strict=True)
        return [f"{NOT_DEFINED}: {reason}" if missing and reason else cell for cell, missing, reason in written]

    return cells


_WORDING = Column("Wording", one("template_id", wording), numeric=False)
_ITEMS = Column("Items", one("items", count))
_ALPHA = Column("Alpha", _or_reason("alpha", one("alpha", defined)))
_INTERVAL = Column("Interval", two("lower", "upper", decimal_span))
_P = Column("p", one("p", p_value))
_HOLM = Column("p, Holm", one("p_holm", p_value))
_BH = Column("p, BH", one("p_fdr_bh", p_value))
_ALPHAS = [
    _ALPHA,
    Column("SE", one("standard_error", lambda value: decimal(value, 3))),
    _INTERVAL,
    _named("Band reached", "band"),
    Column("Same answer", one("agreement", percent)),
    Column("By chance", one("chance", percent)),
    _ITEMS,
    Column("Coverage", one("coverage", percent)),
]
_PAIR = [SYSTEM, DIMENSION, _WORDING, _named("First", "first_label"), _named("Second", "second_label")]
_APART = [
    Column("Answered apart", one("disagreement", percent)),
    Column("Interval, apart", two("disagreement_lower", "disagreement_upper", share_span)),
]
PAIRS_BY_ALPHA = [
    *_PAIR,
    Column("Alpha, first", one("first", defined)),
    Column("Alpha, second", one("second", defined)),
    Column("Second − first", _or_reason("difference", one("difference", signed))),
    Column("t", one("statistic", decimal)),
    _P,
    _HOLM,
    _BH,
    Column("Nearer", one("state", _state), numeric=False),
    *_APART,
    Column("More / fewer Yes", two("more_yes", "fewer_yes", _against)),
    Column("p, McNemar", one("mcnemar_p", p_value)),
    Column("Holm", one("mcnemar_p_holm", p_value)),
    _ITEMS,
]
PAIRS_BY_SIMILARITY = [
    *_PAIR,
    _named("Scorer", "measure"),
    Column("Mean, first", one("first", defined)),
    Column("Mean, second", one("second", defined)),
    Column("Rank-biserial", _or_reason("difference", one("difference", signed))),
    Column("W", one("statistic", lambda value: decimal(value, 1))),
    _P,
    _HOLM,
    _BH,
    Column("Nearer", one("state", _state), numeric=False),
    *_APART,
    _ITEMS,
]
COLUMNS: Mapping[str, list[Column]] = {
    "coverage": [
        SYSTEM,
        DIMENSION,
        PERSONA,
        *[
            Column(name.capitalize(), one(name, count))
            for name in ("items", "cells", "answered", "refused", "invalid", "truncated", "failed")
        ],
        Column("Coverage", one("coverage", percent)),
    ],
    "alphas": [SYSTEM, DIMENSION, PERSONA, _WORDING, *_ALPHAS],
    "human_alphas": [
        _named("Attribute", "attribute"),
        _named("Group", "group"),
        PERSONA,
        SYSTEM,
        Column("Tuned on the group?", one("tuned_on_group", _yes), numeric=False),
        _WORDING,
        *_ALPHAS,
        Column("People an item", one("annotators", lambda value: decimal(value, 1))),
        _named("Labels", "policy"),
    ],
    "pair_tests": PAIRS_BY_ALPHA,
    "shares": [
        SYSTEM,
        DIMENSION,
        _WORDING,
        _named("Measure", "measure"),
        Column("Pairs tested", two("tested", "pairs", lambda tested, pairs: f"{count(tested)} of {count(pairs)}")),
        Column("Differ", one("differing", count)),
        Column("Share", one("share", percent)),
        Column("Chance: mean", one("null_mean", percent)),
        Column("95 % mark", one("null_95", percent)),
        Column("p, permutations", one("p", p_value)),
        Column("Share, Holm in the row", one("share_holm", percent)),
        Column("Share, BH", one("share_fdr_bh", percent)),
        Column("Answered apart, mean", one("disagreement", percent)),
    ],
    "recalls": [
        _named("Subset", "title"),
        SYSTEM,
        DIMENSION,
        PERSONA,
        _WORDING,
        Column("Recognised", two("recognised", "items", lambda some, items: f"{count(some)} of {count(items)}")),
        Column("Recall", one("recall", percent)),
        Column("Interval", two("lower", "upper", share_span)),
        Column("Answered", one("answered", count)),
    ],
    "tuning_tests": [
        _named("Attribute", "attribute"),
        _named("Group", "group"),
        _named("Tuned on the group", "specific"),
        _named("Tuned on everybody", "composite"),
        _WORDING,
        Column("Alpha, group’s", one("alpha_specific", defined)),
        Column("Alpha, everybody’s", one("alpha_composite", defined)),
        Column("Difference", _or_reason("difference", one("difference", signed))),
        Column("SE", one("standard_error", lambda value: decimal(value, 3))),
        Column("t", one("statistic", decimal)),
        _P,
        _HOLM,
        _BH,
        _ITEMS,
    ],
    "evenness": [
        SYSTEM,
        DIMENSION,
        _WORDING,
        _named("Measure", "measure"),
        Column("Personas", one("personas", count)),
        Column("Lowest", one("lowest", defined)),
        Column("Mean", one("mean", defined)),
        Column("Highest", one("highest", defined)),
        Column("Gini", one("gini", lambda value: decimal(value, 3))),
    ],
    "label_scores": [
        SYSTEM,
        DIMENSION,
        PERSONA,
        _WORDING,
        Column("Macro-F1", one("macro_f1", defined)),
        Column("Accuracy", one("accuracy", percent)),
        _ITEMS,
        _named("Labels", "policy"),
    ],
    "similarities": [
        SYSTEM,
        DIMENSION,
        PERSONA,
        _WORDING,
        _named("Scorer", "measure"),
        Column("Mean", one("similarity", lambda value: decimal(value, 3))),
        Column("sd", one("sd", lambda value: decimal(value, 3))),
        _INTERVAL,
        Column("Same text", one("same_text", percent)),
        _ITEMS,
        Column("Coverage", one("coverage", percent)),
    ],
    "noise_alphas": [_named("Asked again", "repeat"), SYSTEM, PERSONA, _WORDING, *_ALPHAS],
}
"""Table -> its columns, in the order of a paper: who, then how much, then how sure."""


def columns_of(name: str, table: pd.DataFrame) -> list[Column]:
    """The columns that fit the rows: pairs of written answers are tested otherwise than pairs of closed ones."""
    if name == "pair_tests" and len(table) and (table["measure"] != "alpha").all():
        return PAIRS_BY_SIMILARITY
    return COLUMNS[name]
