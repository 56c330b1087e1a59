"""What an engine yields, put together in the order of the prompts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bias_platform.inference.engines.base import Failure, Prompt, Scoring
from bias_platform_tests.inference.conftest import OPTIONS


def scores(
    score: Callable[..., Any],
    prompts: Sequence[Prompt],
    options: Sequence[str] = OPTIONS,
    scoring: Scoring = "sum",
) -> tuple[np.ndarray, dict[int, Failure]]:
    """All scores in the order of the prompts (NaN where failed), and the failures; each prompt is told once."""
    table = np.full((len(prompts), len(options)), np.nan)
    failures: dict[int, Failure] = {}
    seen: list[int] = []
    for batch in score(prompts, [options] * len(prompts), scoring):
        if batch.indices:
            table[batch.indices] = batch.logprobs
        failures |= dict(batch.failures)
        seen += [*batch.indices, *batch.failures]
    assert sorted(seen) == list(range(len(prompts)))
    return table, failures
