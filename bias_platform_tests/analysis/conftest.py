"""One small study, analysed once."""

import gc

import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

gc.freeze()  # statsmodels asks for a full collection at every adjustment of p values: keep it from costing seconds

SMALL = Design(items=40, sizes={"gender": 3, "race": 4}, maybe=0.3, lost=0.04)


@pytest.fixture(scope="session")
def study() -> SimulatedStudy:
    """Two systems, seven personas, three wordings, forty items."""
    return simulate_study(SMALL, seed=11, groups="half")


@pytest.fixture(scope="session")
def results(study: SimulatedStudy) -> RegressionResults:
    """Its report."""
    return analyse_study(study.inputs)
