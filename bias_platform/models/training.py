"""What reference models and adapters have in common when they learn: seeds, losses, the step, the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from bias_platform.models.batches import TokenBatch

CLIP = 1.0
"""Largest norm of the gradient of one step."""


class LossSums(NamedTuple):
    """Cross-entropy summed over tokens, and how many there were."""

    answer: torch.Tensor
    answer_tokens: int
    all: torch.Tensor
    all_tokens: int


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


def loss_sums(model: Any, batch: TokenBatch, device: str | torch.device, *, answers_only: bool) -> LossSums:
    """Next-token cross-entropy over the answer tokens, and over all tokens unless `answers_only`.

    With `answers_only`, logits are computed only where some example of the batch has an answer token: with a vocabulary
    of 150,000 the logits of whole prompts would be most of the memory.
    """
    tokens = torch.from_numpy(batch.tokens).to(device)
    real, answer = torch.from_numpy(batch.real), torch.from_numpy(batch.answer)
    wanted = (answer if answers_only else real)[:, 1:].any(dim=0).nonzero()[:, 0]
    keep = {"logits_to_keep": wanted.to(device)} if answers_only else {}
    logits = model(input_ids=tokens, attention_mask=real.to(device).long(), use_cache=False, **keep).logits
    if not answers_only:
        logits = logits[:, :-1]
        wanted = torch.arange(tokens.shape[1] - 1)
    targets = tokens[:, 1:][:, wanted.to(device)]
    entropy = functional.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
    answer_here, real_here = answer[:, 1:][:, wanted], real[:, 1:][:, wanted]
    return LossSums(
        answer=entropy[answer_here.to(device)].sum(),
        answer_tokens=int(answer_here.sum()),
        all=entropy[real_here.to(device)].sum(),
        all_tokens=int(real_here.sum()),
    )


def optimiser_step(optimiser: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
    """Clips the gradients, steps, and clears them."""
    torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
