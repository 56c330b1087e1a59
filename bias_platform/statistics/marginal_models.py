"""Marginal (population-averaged) logistic models by statsmodels: GLM with naive or cluster-robust errors, and GEE.

They have no random effects. Their coefficients are log-odds of averages over items, not for one and the same item: they
are drawn towards zero against the conditional log-odds of a mixed model, the more the more items differ (S. L. Zeger,
K.-Y. Liang and P. S. Albert, 1988, Biometrics 44, 1049-1060). Probabilities and their differences can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.marginal_data import MarginalData, collapse_answers
from bias_platform.statistics.marginal_estimation import (
    MarginalEstimates,
    clustered_covariance,
    estimating_equations,
    maximum_likelihood,
)
from bias_platform.statistics.one_thread import one_blas_thread

Correlation = Literal["independence", "exchangeable"]
SmallSample = Literal["none", "mancl_derouen"]
INDEPENDENCE: Final = "independence"
EXCHANGEABLE: Final = "exchangeable"
MANCL_DEROUEN: Final = "mancl_derouen"
FEW_CLUSTERS = 40
"""With fewer, robust standard errors tend to be too small."""
_EXACT = 1e-10
"""A robust variance below this share of the naive one is rounding: clusters are fitted exactly."""


@dataclass(frozen=True)
class MarginalModelFit:
    """A fitted marginal model. Its effects are population-averaged: attenuated against those of a mixed model."""

    formula: str
    method: str
    """What was done, in words."""
    beta: FloatArray = field(repr=False)
    """(columns,) log-odds, population-averaged."""
    covariance: pd.DataFrame = field(repr=False)
    """(columns, columns)."""
    degrees_of_freedom: float
    """Of Student's t: the smallest number of clusters - 1; infinite (normal) for naive errors."""
    clusters: dict[str, int]
    """Grouping -> clusters."""
    working_correlation: float
    """Of two answers of a cluster; 0 but for an exchangeable GEE."""
    made_definite: bool
    """Whether a two-way covariance had negative eigenvalues, which were set to zero."""
    messages: tuple[str, ...]
    """What a reader must know, in plain sentences."""
    data: MarginalData = field(repr=False)

    def coefficients(self, level: float = 0.95) -> pd.DataFrame:
        """Index: coefficient; ``estimate`` (population-averaged log-odds), ``standard_error``, ``lower``, ``upper``,
        ``t``, ``p`` (two-sided).

        Raises:
            ModelError: a level outside 0..1.
        """
        check_confidence(level)
        errors = np.sqrt(np.diag(self.covariance))
        reach = student.ppf(0.5 + level / 2, self.degrees_of_freedom) * errors
        t = self.beta / errors
        columns = {
            "estimate": self.beta,
            "standard_error": errors,
            "lower": self.beta - reach,
            "upper": self.beta + reach,
            "t": t,
            "p": 2.0 * student.sf(np.abs(t), self.degrees_of_freedom),
        }
        return pd.DataFrame(columns, index=pd.Index(self.covariance.columns, name="coefficient"))


def fit_glm(
    formula: str, data: pd.DataFrame, clusters: Sequence[str] | str = (), *, weights: str | None = None
) -> MarginalModelFit:
    """Logistic regression without random effects; its effects are marginal (population-averaged).

    Args:
        formula: such as ``yes ~ persona + template``; ``cbind(yes, no) ~ …`` for counts.
        data: one row an answer, or a row of counts.
        clusters: none: iid errors, which are naive wherever a unit is judged more than once. One grouping, such as
            ``["item"]``: the sandwich over its clusters, times G / (G - 1). Two: that of both less that of their
            combination (Cameron, Gelbach and Miller, 2011). ``persona:template`` is a combination of columns.
        weights: column of whole numbers saying how often each row was seen.

    Raises:
        ModelError: formula, data or clusters that cannot be used; separated answers; more than two groupings; clusters
            that the model fits exactly.

    >>> rows = [(i, p, int((i * 7 + 3 * (p == "b")) % 5 < 2)) for i in range(50) for p in "ab"]
    >>> frame = pd.DataFrame(rows, columns=["item", "persona", "yes"])
    >>> fit_glm("yes ~ persona", frame, ["item"]).coefficients().round(3)["standard_error"].tolist()
    [0.292, 0.532]
    """
    clusters = [clusters] if isinstance(clusters, str) else list(clusters)
    if len(clusters) > 2:
        raise ModelError(f"Clusters are asked for in {len(clusters)} ways: give none, one or two groupings.")
    if len(set(clusters)) < len(clusters):
        raise ModelError(f"The grouping {clusters[0]!r} is given twice: name two different ones, or one.")
    return glm_of(collapse_answers(formula, data, clusters, weights))


def glm_of(data: MarginalData) -> MarginalModelFit:
    """`fit_glm` of answers that are counted already, clustered by their (at most two) groupings."""
    with one_blas_thread():
        found = maximum_likelihood(data)
        if not data.groupings:
            return _fit(data, "GLM, iid errors (naive)", found)
        covariance, mended = clustered_covariance(data, found)
        names = " and ".join(one.name for one in data.groupings)
        return _fit(data, f"GLM, clustered by {names}", found._replace(covariance=covariance), mended)


def fit_gee(
    formula: str,
    data: pd.DataFrame,
    cluster: str,
    *,
    correlation: Correlation = EXCHANGEABLE,
    small_sample: SmallSample = "none",
    weights: str | None = None,
) -> MarginalModelFit:
    """Generalised estimating equations with a robust covariance; effects are marginal (population-averaged).

    Scale and working correlation are moments of the Pearson residuals, not corrected for the number of coefficients.
    The correlation must be alike for all answers of a cluster only for the estimates to be efficient; their robust
    errors hold without.

    Args:
        formula: as in `fit_glm`.
        data: as in `fit_glm`.
        cluster: one grouping.
        correlation: within clusters: ``exchangeable``, or ``independence``, whose estimates are those of `fit_glm`.
        small_sample: ``mancl_derouen`` frees each cluster's residuals of its own pull on the fit, for few clusters.
            Its matrices are of the size of a cluster: 200 MB for one of 5,000 answers.
        weights: as in `fit_glm`.

    Raises:
        ModelError: as in `fit_glm`; an unknown option; a working correlation that no clusters of this size can have.

    >>> rows = [(i, p, int((i * 7 + 3 * (p == "b")) % 5 < 2)) for i in range(50) for p in "ab"]
    >>> frame = pd.DataFrame(rows, columns=["item", "persona", "yes"])
    >>> round(fit_gee("yes ~ persona", frame, "item").working_correlation, 3)
    -0.667
    """
    if not isinstance(cluster, str):
        raise ModelError(f"A GEE has one grouping, the name of a column, not {cluster!r}; fit_glm takes two.")
    return gee_of(collapse_answers(formula, data, [cluster], weights), correlation, small_sample)


def gee_of(
    data: MarginalData, correlation: Correlation = EXCHANGEABLE, small_sample: SmallSample = "none"
) -> MarginalModelFit:
    """`fit_gee` of answers that are counted already, within the clusters of their one grouping."""
    if correlation not in (INDEPENDENCE, EXCHANGEABLE):
        raise ModelError(f"Unknown working correlation {correlation!r}: choose {INDEPENDENCE} or {EXCHANGEABLE}.")
    if small_sample not in ("none", MANCL_DEROUEN):
        raise ModelError(f"Unknown correction for small samples {small_sample!r}: choose none or {MANCL_DEROUEN}.")
    (clusters,) = data.groupings
    reduced = small_sample == MANCL_DEROUEN
    with one_blas_thread():
        found = estimating_equations(data, correlation == EXCHANGEABLE, reduced)
    method = f"GEE, {correlation} within {clusters.name}{', Mancl and DeRouen' if reduced else ''}"
    return _fit(data, method, found)


def _fit(data: MarginalData, method: str, found: MarginalEstimates, mended: bool = False) -> MarginalModelFit:
    exact = np.flatnonzero(np.diag(found.covariance) < _EXACT * np.diag(found.naive))
    if len(exact):
        raise ModelError(
            f"The clusters of {' and '.join(one.name for one in data.groupings)!r} cannot tell the error of "
            f"{data.fixed.columns[exact[0]]} in {data.formula.text!r}: each is fitted exactly, so nothing is left to "
            "vary between them; cluster by a unit that is judged under several levels, such as the item."
        )
    sizes = {one.name: one.size for one in data.groupings}
    names = list(data.fixed.columns)
    return MarginalModelFit(
        formula=data.formula.text,
        method=method,
        beta=found.beta,
        covariance=pd.DataFrame(found.covariance, names, names),
        degrees_of_freedom=min(sizes.values()) - 1.0 if sizes else np.inf,
        clusters=sizes,
        working_correlation=found.correlation,
        made_definite=mended,
        messages=tuple(_messages(data, sizes, mended)),
        data=data,
    )


def _messages(data: MarginalData, sizes: dict[str, int], mended: bool) -> list[str]:
    said = [
        f"Only {count} clusters of {name} (fewer than {FEW_CLUSTERS}): robust standard errors tend to be too small."
        for name, count in sizes.items()
        if count < FEW_CLUSTERS
    ]
    if data.fixed.dropped:
        said.append(f"Not told from others and left out: {', '.join(data.fixed.dropped)}.")
    if mended:
        said.append("The two-way covariance was not positive definite: its negative eigenvalues were set to zero.")
    return said
