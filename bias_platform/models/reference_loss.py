"""What a reference model is trained for.

Three things. Answering right. Reading: all tokens are predicted a little, so that answers are not learnt by rote. And
memory: where the answer begins, the layer before the last must still tell which persona was shown. Without it a small
model forgets what it has no use for, and tuning on human judgements would need several times more steps before a persona
could sway an answer.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from bias_platform.models.batches import TokenBatch

_READING, _MEMORY = 0.1, 0.1


class LossParts(NamedTuple):
    """Scalars, in nats."""

    total: torch.Tensor
    answer: torch.Tensor
    """per answer token"""


class ReferenceLoss(torch.nn.Module):
    """A model together with what is only needed to train it.

    Args:
        model: a causal language model.
        personas: how many personas there are to remember.
    """

    def __init__(self, model: Any, personas: int) -> None:
        super().__init__()
        self.model = model
        self.memory = torch.nn.Linear(model.config.hidden_size, personas)
        self._layer = -2 if model.config.num_hidden_layers > 1 else -1

    def forward(self, batch: TokenBatch, personas: npt.NDArray[np.int64]) -> LossParts:
        """The loss of a batch.

        Args:
            batch: examples with their answers.
            personas: number of each row's persona.
        """
        tokens = torch.from_numpy(batch.tokens)
        real, answer = torch.from_numpy(batch.real), torch.from_numpy(batch.answer)
        read = self.model(input_ids=tokens, attention_mask=real.long(), use_cache=False, output_hidden_states=True)
        entropy = functional.cross_entropy(read.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        rows, last = torch.arange(len(tokens)), answer.int().argmax(dim=1) - 1
        remembered = self.memory(read.hidden_states[self._layer][rows, last])
        answering = entropy[answer[:, 1:]].mean()
        total = (
            answering
            + _READING * entropy[real[:, 1:]].mean()
            + _MEMORY * functional.cross_entropy(remembered, torch.from_numpy(personas))
        )
        return LossParts(total, answering)

