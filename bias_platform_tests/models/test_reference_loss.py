"""The parts of a reference model's loss."""

import numpy as np
import torch

from bias_platform.models.batches import TokenBatch
from bias_platform.models.reference import _new_model
from bias_platform.models.reference_loss import ReferenceLoss, score_difference
from bias_platform_tests.models.conftest import tiny_recipe


class _Vocabulary(list[int]):
    eos_token_id, pad_token_id = 1, 0


def test_score_difference_ignores_what_all_answers_share() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    assert score_difference(scores, scores + 5).item() == 0
    other = scores + torch.tensor([1.0, 0.0, -1.0])
    assert score_difference(scores, other).item() == np.float32(2 / 3)
    assert score_difference(scores[:0], scores[:0]).item() == 0


def test_echoes_cost_only_where_personas_sway_the_scores() -> None:
    torch.manual_seed(0)
    model = _new_model(tiny_recipe(), _Vocabulary(range(50)))
    loss = ReferenceLoss(model, personas=3, answers=np.array([7, 8]))
    tokens = np.array([[10, 20, 21, 7, 1], [11, 20, 22, 8, 1], [12, 20, 21, 7, 1]])
    real = np.ones_like(tokens, dtype=bool)
    batch = TokenBatch(tokens, real, real & (np.arange(5) >= 3))
    people = np.array([0, 1, 2])
    with_echo, without = (loss(batch, people, echoes).total.item() for echoes in (1, 0))
    assert with_echo > without
    same = batch._replace(tokens=tokens[[0, 1, 0]])
    assert loss(same, people, 1).total.item() == loss(same, people, 0).total.item()


def test_the_answer_part_is_the_cross_entropy_of_the_answers() -> None:
    torch.manual_seed(0)
    model = _new_model(tiny_recipe(layers=1), _Vocabulary(range(50)))
    tokens = np.array([[10, 20, 21, 7, 1], [11, 20, 8, 1, 0]])
    real = tokens != 0
    answer = np.array([[False, False, False, True, True], [False, False, True, True, False]])
    parts = ReferenceLoss(model, 2, np.array([7, 8]))(TokenBatch(tokens, real, answer), np.array([0, 1]), 0)
    logs = torch.log_softmax(model(input_ids=torch.from_numpy(tokens)).logits, dim=-1)
    wanted = [logs[0, 2, 7], logs[0, 3, 1], logs[1, 1, 8], logs[1, 2, 1]]
    assert torch.isclose(parts.answer, -torch.stack(wanted).mean(), atol=1e-5)
    assert parts.total > parts.answer
