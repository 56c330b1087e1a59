"""Result tables in, plots and one self-contained HTML page out; selects, sorts and formats, computes nothing.

Not here: estimates and sentences about them (`analysis`), the shape of the tables (`schemas.results`), where the
published report lies (`storage`), what the UI shows of it (`orchestration`).
"""

from bias_platform.reports.agreement_page import write_agreement_report
from bias_platform.reports.provenance import Provenance
from bias_platform.reports.regression_page import write_regression_report

__all__ = ["Provenance", "write_agreement_report", "write_regression_report"]
