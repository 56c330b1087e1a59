"""Parts of the variance of log-odds differences by model A, and what they would be in a study of another size.

The model's variance components of item x persona and item x persona x system give what a persona does to single items
in a system, which only items buy off; the rest of the variance for these wordings is that of single answers, which
wordings buy off too; what the claim beyond wording adds comes from the restricted variances of the wording terms. In
simulated studies (60 items, 3 wordings) standard errors told beforehand for twice the items, twice the wordings, or
both were within 3 % of those found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.analysis.comparisons import POWER
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

FloatArray = NDArray[np.float64]
_KEYS = ["system", "persona_id"]
_OF_ITEMS = ("item:persona", "item:persona:system")
"""Terms that differ between a persona and the control on one item in one system, whatever the wording."""


class StudySizes(NamedTuple):
    """Of a study."""

    items: int
    wordings: int
    wording_df: float
    """Degrees of freedom of what wordings add."""


class LogOddsVariance(NamedTuple):
    """Variances of k differences of log-odds, each field (k,) unless said otherwise."""

    of_answers: FloatArray
    """What single answers add in a study of one item in one wording."""
    of_wordings: FloatArray
    """What one wording adds; NaN where nothing is claimed beyond wording."""
    of_items: float
    """What a persona does to one item, for all differences alike."""
    paired: FloatArray
    """Share of the items that have both of a pair, in any study."""
    own: StudySizes

    def smallest(self, items: int, wordings: int, beyond: bool, error: float) -> FloatArray:
        """(k,) smallest differences found with 80 % power; NaN where nothing is claimed.

        Args:
            items: asked in the study to be.
            wordings: of it.
            beyond: whether the claim is one about other wordings too.
            error: level of one comparison.
        """
        count = np.maximum(2.0, items * self.paired)
        total, df = (self.of_items + self.of_answers / wordings) / count, count - 1.0
        if beyond:
            added = self.of_wordings / wordings
            own_df = self.own.wording_df / max(1, self.own.wordings - 1) * (wordings - 1)
            df = (total + added) ** 2 / (total**2 / df + added**2 / own_df)
            total = total + added
        found: FloatArray = (student.ppf(1.0 - error / 2, df) + norm.ppf(POWER)) * np.sqrt(total)
        return found


def log_odds_variance(
    contrasts: pd.DataFrame, components: Sequence[dict[str, object]], paired: pd.Series, own: StudySizes
) -> LogOddsVariance | None:
    """None where model A makes no claim.

    Args:
        contrasts: table `ControlContrasts` of one reading, both scopes; all systems, or one.
        components: rows of `VarianceComponents` of model A, that for these wordings first.
        paired: share of the items that have both of a pair, by system and persona_id; others have all.
        own: size of the study that was asked.
    """
    # a term may be there twice, for these wordings and beyond: the first one counts
    sds = {row["term"]: float(str(row["sd"])) for row in reversed(components) if row["term"] in _OF_ITEMS}
    if contrasts.empty or not sds:
        return None
    errors = {scope: part.set_index(_KEYS)["log_odds_standard_error"] for scope, part in contrasts.groupby("scope")}
    known = errors[THESE_WORDINGS].dropna()
    if known.empty:
        return None
    narrow = known.to_numpy(float) ** 2
    wide = np.full(len(known), np.nan)
    if BEYOND_WORDING in errors:
        wide = errors[BEYOND_WORDING].reindex(known.index).to_numpy(float) ** 2
    share = paired.reindex(known.index).fillna(1.0).to_numpy(float)
    of_items = 2.0 * sum(sd**2 for sd in sds.values())
    of_answers = np.maximum(0.0, own.items * share * narrow - of_items) * own.wordings
    return LogOddsVariance(of_answers, np.maximum(0.0, wide - narrow) * own.wordings, of_items, share, own)
