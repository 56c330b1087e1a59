"""What reference models and adapters have in common when they learn: seeds, losses, the step, the log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from bias_platform.models.batches import TokenBatch
from bias_platform.models.row_inputs import Inputs, joined, lengthened

CLIP = 1.0
"""Largest norm of the gradient of one step."""


class AnswerLoss(NamedTuple):
    """Cross-entropy summed over answer tokens (nats), and how many there were."""

    sum: torch.Tensor
    tokens: int


class TrainingRecord:
    """Collects a TrainingLog while training goes on."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, float, int]] = []
        self._tokens = 0

    def add(self, loss: float, learning_rate: float, tokens: int) -> None:
        """Notes an optimiser step: its loss (nats per token), its learning rate, the tokens it saw."""
        self._tokens += tokens
        self._rows.append((len(self._rows) + 1, loss, learning_rate, self._tokens))

    def table(self) -> pd.DataFrame:
        """The steps so far as a TrainingLog."""
        table = pd.DataFrame(self._rows, columns=["step", "loss", "learning_rate", "tokens"])
        return table.astype({"step": "int64", "loss": "float64", "learning_rate": "float64", "tokens": "int64"})

    @property
    def recent_loss(self) -> float:
        """Mean loss of the last ten steps."""
        return float(np.mean([row[1] for row in self._rows[-10:]]))


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeds torch and keeps it to one CPU thread, inside the block only.

    One thread, because sums split over threads differ in their last bits from run to run, and because small matrices
    on busy cores are slower with two threads than with one.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def answer_loss(model: Any, batch: TokenBatch, device: str | torch.device, inputs: Sequence[Inputs] = ()) -> AnswerLoss:
    """Next-token cross-entropy of the answers.

    Rows are given what `inputs` says beside their tokens, all of it of the same shapes. Logits are computed only where
    some example of the batch has an answer token: with a vocabulary of 150,000 the logits of whole prompts would be
    most of the memory.
    """
    tokens = torch.from_numpy(batch.tokens).to(device)
    real, answer = torch.from_numpy(batch.real).to(device), torch.from_numpy(batch.answer).to(device)
    beside = joined([lengthened(each, tokens.shape[1]) for each in inputs], device)
    wanted = answer[:, 1:].any(dim=0).nonzero()[:, 0]
    logits = model(
        input_ids=tokens, attention_mask=real.long(), use_cache=False, logits_to_keep=wanted, **beside
    ).logits
    entropy = functional.cross_entropy(logits.float().transpose(1, 2), tokens[:, wanted + 1], reduction="none")
    here = answer[:, wanted + 1]
    return AnswerLoss(entropy[here].sum(), int(here.sum()))


def optimiser_step(optimiser: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
    """Clips the gradients, steps, and clears them."""
    torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
