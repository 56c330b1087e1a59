"""A study answered by vllm, started by Dagster in its own environment: the scores are those of transformers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.storage import read_table
from bias_platform_tests.inference.vllm.conftest import vllm_environment
from bias_platform_tests.wiring.conftest import STUDY, Workplace, make_workplace

__all__ = ["vllm_environment"]
SYSTEMS = ("tiny", "tiny+people")


def _answers(place: Workplace) -> pd.DataFrame:
    folder = place.house().lake.predictions(STUDY)
    parts = sorted(folder.glob("model=*/persona=*/part.parquet"))
    table = pd.concat([read_table(path, "part") for path in parts], ignore_index=True)
    return table.sort_values(["system", "question_id"], ignore_index=True)


@pytest.mark.usefixtures("vllm_environment")
def test_both_engines_answer_alike_and_share_no_cell(tmp_path: Path) -> None:
    place = make_workplace(tmp_path / "place")
    # heads of 32 are the smallest that vllm's CPU kernels know
    place.edit("hidden_size: 32, layers: 1, heads: 2", "hidden_size: 64, layers: 1, heads: 2")
    place.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny, tiny+people]\n    engine: {name: vllm}")
    instance = place.instance()
    place.run_plan(instance, until=STUDY)
    by_vllm = _answers(place)
    place.edit("engine: {name: vllm}", "engine: {name: transformers}")
    place.run_plan(instance, until=STUDY)
    instance.dispose()
    expected = _answers(place)
    assert len(expected) == 2 * 12 * 7
    assert set(expected["system"]) == set(SYSTEMS)
    assert by_vllm["question_id"].tolist() == expected["question_id"].tolist()
    assert not set(by_vllm["cell_id"]) & set(expected["cell_id"])
    scores = [np.stack(table["option_logprobs"].to_list()) for table in (by_vllm, expected)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4, rtol=0)
    assert by_vllm["answer"].tolist() == expected["answer"].tolist()
