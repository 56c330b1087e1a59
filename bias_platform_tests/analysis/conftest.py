"""Two small studies, analysed once: of answers that were generated, and of answers that were scored."""

import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

SMALL = Design(items=40, sizes={"gender": 3, "race": 4}, maybe=0.3, lost=0.04)
SCORED = Design(items=30, sizes={"gender": 2, "race": 3}, scales=(1.0, 0.3), lost=0.03)


@pytest.fixture(scope="session")
def study() -> SimulatedStudy:
    """Two systems, seven personas, three wordings, forty items."""
    return simulate_study(SMALL, seed=11, groups="half")


@pytest.fixture(scope="session")
def results(study: SimulatedStudy) -> RegressionResults:
    """Its report."""
    return analyse_study(study.inputs)


@pytest.fixture(scope="session")
def scored_study() -> SimulatedStudy:
    """Two systems, one of them a third as sure of its answers, five personas, three wordings, thirty items."""
    return simulate_study(SCORED, seed=12)


@pytest.fixture(scope="session")
def scored(scored_study: SimulatedStudy) -> RegressionResults:
    """Its report."""
    return analyse_study(scored_study.inputs)
