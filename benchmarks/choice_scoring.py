"""What reading shared beginnings once is worth: CPU seconds of scoring the same questions with and without it, and by
lm-evaluation-harness.

Random Llamas of 1.4M and 85M weights, float32, one thread; 20 personas x wordings x posts x 4 options of several
tokens. All methods take turns, in one process, so that a busy machine slows all of them. Prints a table and writes
`benchmarks/results/choice_scoring.json`. Usage: `python benchmarks/choice_scoring.py [1.4M] [85M]` (with lm_eval
installed, see `choice_scoring_peer.py`; without it its line is left out).
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from choice_scoring_peer import BATCH_SIZES, INSTALL, Peer, peer_version
from choice_scoring_workload import CASES, Case, Loaded, Workload, questions, random_model, train_tokenizer

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.inference.engines.transformers_engine import engine_on

RESULTS = Path(__file__).parent / "results" / "choice_scoring.json"
REPEATS = 3
TOLERANCE = 1e-4
"""Largest difference between any two methods' scores, in nats."""
SHARED, WHOLE, PLANNING, PEER = (
    "shared beginnings",
    "whole sequences",
    "tokenizing and planning",
    "lm-evaluation-harness",
)

Table = np.ndarray[Any, np.dtype[np.float64]]


def by_engine(score: Callable[..., Any], work: Workload) -> Table:
    """Scores in the order of the prompts."""
    scores = np.full((len(work.prompts), len(work.options)), np.nan)
    for batch in score(work.prompts, [work.options] * len(work.prompts), "sum"):
        scores[batch.indices] = batch.logprobs
    return scores


def timed(method: Callable[[], Table]) -> tuple[float, Table]:
    """CPU seconds, and the scores."""
    start = time.process_time()
    scores = method()
    return time.process_time() - start, scores


def plan_only(loaded: Loaded, work: Workload) -> Table:
    """Tokenizes and plans, and asks no model."""
    engine: Any = engine_on(loaded, EngineSettings())
    options = [work.options] * len(work.prompts)
    encoded = engine._encoder.encode(work.prompts, options, "sum")
    engine._plan(encoded.prompts, [None] * len(work.prompts))
    return np.zeros((0, 0))


class Turns:
    """The methods of a case, and what they took.

    Args:
        case: how often each is timed.
        loaded: the model.
        work: what it is asked.
    """

    def __init__(self, case: Case, loaded: Loaded, work: Workload) -> None:
        self._loaded, self._work = loaded, work
        self._rounds = {SHARED: REPEATS, WHOLE: case.slow_rounds[0], PEER: case.slow_rounds[1]}
        self._methods = {SHARED: self._shared, WHOLE: self._whole}
        if peer_version():
            peer = Peer(loaded, BATCH_SIZES[case.name])
            self._methods[PEER] = lambda: peer.score(work)
        self.seconds: dict[str, list[float]] = {name: [] for name in (*self._methods, PLANNING)}
        self.difference = 0.0
        self.facts: dict[str, Any] = {}

    def take(self) -> None:
        """Times all methods in turn.

        Raises:
            SystemExit: their scores differ.
        """
        reference = np.zeros((0, 0))
        for turn in range(REPEATS):
            for name in [name for name in self._methods if turn < self._rounds[name]]:
                took, table = timed(self._methods[name])
                self.seconds[name].append(took)
                reference = table if name == SHARED else reference
                self._compare(name, float(np.abs(table - reference).max()))
            self.seconds[PLANNING].append(timed(lambda: plan_only(self._loaded, self._work))[0])

    def _compare(self, name: str, difference: float) -> None:
        if not difference <= TOLERANCE:
            raise SystemExit(f"{name}: scores differ by {difference:.2g}, more than {TOLERANCE:g}; nothing is shown")
        self.difference = max(self.difference, difference)

    def _shared(self) -> Table:
        engine = engine_on(self._loaded, EngineSettings())
        table = by_engine(engine.score_choices, self._work)
        self.facts = engine.stats.facts()
        return table

    def _whole(self) -> Table:
        return by_engine(engine_on(self._loaded, EngineSettings()).score_naive, self._work)


def summary(case: Case, loaded: Loaded, work: Workload, turns: Turns) -> dict[str, Any]:
    """What was asked, what it took, and how near it comes to what sharing can save at most."""
    facts = turns.facts
    median = {name: statistics.median(values) for name, values in turns.seconds.items()}
    bound = facts["tokens_full_sequences"] / facts["tokens_distinct"]
    ratios = {name: median[name] / median[SHARED] for name in (WHOLE, PEER) if name in median}
    return {
        "weights": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "shape": case.shape,
        "cells": len(work.prompts),
        "wordings": case.wordings,
        "posts": case.posts,
        "options": list(work.options),
        "cpu_seconds": turns.seconds,
        "largest_difference": turns.difference,
        "engine": facts,
        "cpu_ms_per_cell": {name: 1000 * value / len(work.prompts) for name, value in median.items()},
        "times_less_cpu_than": ratios,
        "bound_full_tokens_to_distinct": bound,
        "reached_full_tokens_to_sent": facts["tokens_full_sequences"] / facts["tokens_sent"],
        "share_of_bound": {name: ratio / bound for name, ratio in ratios.items()},
        "peer_batch_size": BATCH_SIZES[case.name] if PEER in ratios else None,
    }


def show(name: str, result: dict[str, Any]) -> None:
    """Prints a case's table."""
    print(f"\n{name}: {result['cells']:,} cells, {result['weights']:,} weights")
    for method, value in result["cpu_ms_per_cell"].items():
        print(f"  {method:26} {value:9.3f} ms CPU a cell")
    for method, ratio in result["times_less_cpu_than"].items():
        print(f"  {ratio:.2f} times less CPU than {method}: {result['share_of_bound'][method]:.0%} of the bound")
    print(f"  bound (tokens / distinct)  {result['bound_full_tokens_to_distinct']:9.2f}")
    print(f"  reached (tokens / sent)    {result['reached_full_tokens_to_sent']:9.2f}")
    print(f"  largest difference         {result['largest_difference']:9.1e}")


def processor() -> str:
    """Its name where the system tells, else its kind."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def versions() -> dict[str, str | None]:
    """Of what computes."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "lm_eval": peer_version(),
    }


def main() -> None:
    """Runs, prints, writes."""
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    if not peer_version():
        print(f"lm-evaluation-harness is not installed ({INSTALL}); its line is left out")
    wanted = sys.argv[1:] or [case.name for case in CASES]
    tokenizer, results = train_tokenizer(), json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for case in CASES:
        if case.name in wanted:
            loaded, work = random_model(case, tokenizer), questions(case.wordings, case.posts)
            turns = Turns(case, loaded, work)
            turns.take()
            results[case.name] = summary(case, loaded, work, turns) | {"machine": versions()}
            show(case.name, results[case.name])
    RESULTS.parent.mkdir(exist_ok=True)
    kept = {case.name: results[case.name] for case in CASES if case.name in results}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
