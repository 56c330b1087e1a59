"""What a reference model is trained for.

Four things. Answering right. Reading: all tokens are predicted a little, so that answers are not learnt by rote.
Memory: where the answer begins, the layer before the last must still tell which persona was shown; a small model
forgets what it has no use for, and tuning on human judgements would then need several times more steps before a persona
could sway an answer. Deafness: one post shown in two personas must get the same scores, not only the same answer: what
changes nothing on a post learnt by heart may tip the scales on a new one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from bias_platform.models.batches import TokenBatch
from bias_platform.models.row_inputs import Inputs, joined

_READING, _MEMORY, _DEAFNESS = 0.1, 0.1, 0.3


class LossParts(NamedTuple):
    """Scalars, in nats."""

    total: torch.Tensor
    answer: torch.Tensor
    """per answer token"""


class ReferenceLoss(torch.nn.Module):
    """A model together with what is only needed to train it.

    Args:
        model: a causal language model, or one that reads pictures too.
        personas: how many personas there are to remember.
        answers: token with which each answer begins.
    """

    def __init__(self, model: Any, personas: int, answers: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self.model = model
        text = model.config.get_text_config()
        self.memory = torch.nn.Linear(text.hidden_size, personas)
        self._answers = torch.from_numpy(answers)
        self._layer = -2 if text.num_hidden_layers > 1 else -1

    def forward(
        self, batch: TokenBatch, personas: npt.NDArray[np.int64], echoes: int, inputs: Sequence[Inputs] = ()
    ) -> LossParts:
        """The loss of a batch.

        Args:
            batch: examples with their answers.
            personas: number of each row's persona.
            echoes: the last so many rows show the posts of the first so many again, in other personas.
            inputs: of each row beside its tokens: pictures.
        """
        tokens = torch.from_numpy(batch.tokens)
        real, answer = torch.from_numpy(batch.real), torch.from_numpy(batch.answer)
        read = self.model(
            input_ids=tokens,
            attention_mask=real.long(),
            use_cache=False,
            output_hidden_states=True,
            **joined(inputs, "cpu"),
        )
        entropy = functional.cross_entropy(read.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        rows, last = torch.arange(len(tokens)), answer.int().argmax(dim=1) - 1
        remembered = self.memory(read.hidden_states[self._layer][rows, last])
        scores = read.logits[rows, last][:, self._answers]
        answering = entropy[answer[:, 1:]].mean()
        total = (
            answering
            + _READING * entropy[real[:, 1:]].mean()
            + _MEMORY * functional.cross_entropy(remembered, torch.from_numpy(personas))
            + _DEAFNESS * score_difference(scores[:echoes], scores[len(scores) - echoes :])
        )
        return LossParts(total, answering)


def score_difference(scores: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of log-odds against the average answer; both (posts, answers). 0 without posts."""
    if not len(scores):
        return scores.sum()
    difference = scores - others
    return (difference - difference.mean(dim=1, keepdim=True)).square().mean()
