"""A study's question answered: prediction tables in, result tables out, one module a question.

Not here: statistics that know nothing of personas or posts (`statistics`), the shape of the tables (`schemas.results`),
plots and pages (`reports`), files (`storage`).
"""

from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.regression import RegressionResults, analyse_study

__all__ = ["RegressionResults", "StudyInputs", "analyse_study"]
