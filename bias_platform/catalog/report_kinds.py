"""Which reports a study has."""

from bias_platform.catalog.entries import Catalog

REGRESSION, AGREEMENT = "regression", "agreement"


def report_kinds(catalog: Catalog, study: str) -> tuple[str, ...]:
    """The reports of a study, the one that heads its results first.

    A regression needs one answer of a closed list for each question; an agreement report is made where it is declared.
    """
    entry = catalog.studies[study]
    regression = [REGRESSION] if catalog.tasks[entry.task].answer == "option" else []
    return (*regression, *([AGREEMENT] if entry.agreement is not None else []))
