"""The result tables that come from mixed models, but for the contrasts."""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import MODELS, READINGS, SCOPES, SCORED, UNITS, Result, share_field


class TermTests(Result):
    """One row a model x scope x fixed term: F (the default), likelihood ratio and Wald."""

    __test__ = False
    model: Series[str] = pa.Field(isin=MODELS)
    reading: Series[str] = pa.Field(isin=[*READINGS, SCORED])
    scope: Series[str] = pa.Field(isin=SCOPES)
    systems: Series[str] = pa.Field(description="the system, the change, or all of them")
    term: Series[str]
    carrier: Series[str] = pa.Field(description="the units that carry the test: what its denominator counts")
    df: Series[float] = pa.Field(ge=1, description="contrasts tested; of likelihood ratio and Wald")
    f: Series[float] = pa.Field(ge=0, nullable=True)
    f_df: Series[float] = pa.Field(gt=0, nullable=True, description="fewer than df where contrasts vary unequally")
    f_denominator_df: Series[float] = pa.Field(gt=0, nullable=True, description="of the unit that carries the term")
    f_p: Series[float] = share_field("the default")
    lr: Series[float] = pa.Field(ge=0, nullable=True, description="missing: another term contains it, or no refit")
    lr_p: Series[float] = share_field()
    wald: Series[float] = pa.Field(ge=0, nullable=True)
    wald_p: Series[float] = share_field("too small where few units carry the term")


class GroupProbabilities(Result):
    """One row a group x system of the group model (B)."""

    group: Series[str]
    system: Series[str]
    personas: Series[int] = pa.Field(ge=1)
    probability: Series[float] = share_field()
    lower: Series[float] = share_field()
    upper: Series[float] = share_field()


class VarianceComponents(Result):
    """One row a model x random term: log-odds for models of answers, the scale of the score for models of scores."""

    model: Series[str]
    term: Series[str]
    levels: Series[int] = pa.Field(ge=0)
    sd: Series[float] = pa.Field(ge=0, nullable=True, description="by maximum likelihood; missing for scores")
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    restricted_sd: Series[float] = pa.Field(ge=0, nullable=True, description="by restricted likelihood")
    at_zero: Series[bool]


class ModelFits(Result):
    """One row a fitted (or impossible) model."""

    model: Series[str] = pa.Field(unique=True)
    formula: Series[str]
    rows: Series[int] = pa.Field(ge=0)
    items: Series[int] = pa.Field(ge=0)
    parameters: Series[int] = pa.Field(ge=0)
    log_likelihood: Series[float] = pa.Field(nullable=True)
    converged: Series[bool]
    gradient_norm: Series[float] = pa.Field(nullable=True, description="in standard errors")
    evaluations: Series[int] = pa.Field(ge=0)
    standard_errors: Series[str]
    excluded_cells: Series[int] = pa.Field(ge=0, description="degenerate system x persona cells left out")
    notes: Series[str]


class StandingOut(Result):
    """One row an item, or a persona in a wording, that is farthest from what a model expects of it."""

    model: Series[str]
    systems: Series[str] = pa.Field(description="the system, or all of them")
    unit: Series[str] = pa.Field(isin=UNITS)
    item_id: Series[str] = pa.Field(nullable=True, description="missing for a persona in a wording")
    persona_id: Series[str] = pa.Field(nullable=True)
    label: Series[str] = pa.Field(nullable=True, description="of the persona")
    template_id: Series[str] = pa.Field(nullable=True)
    effect: Series[float] = pa.Field(description="conditional mode, drawn towards zero; log-odds or scale of the score")
    lower: Series[float]
    upper: Series[float]
    text: Series[str] = pa.Field(nullable=True, description="missing unless the study shows texts")
