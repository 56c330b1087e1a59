"""Scores from vllm, for real on CPU: those of the transformers engine, whatever is cached."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Prompt, Scoring
from bias_platform.inference.engines.registry import engine_identity
from bias_platform.inference.engines.transformers_engine import TransformersEngine, engine_on
from bias_platform.inference.engines.vllm_engine import FIRST_TOKENS, WHOLE_OPTIONS
from bias_platform.models.loading import load_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform_tests.inference.conftest import OPTIONS
from bias_platform_tests.inference.gathered_scores import scores
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine

CLOSE = 1e-4


@pytest.fixture(scope="module")
def reference(small_folder: Path) -> TransformersEngine:
    """The transformers engine on the same folder."""
    source = ModelSource(kind="folder", location=str(small_folder))
    system = ResolvedSystem(slug="small", source=source, identity="1" * 32)
    return engine_on(load_system(system, dtype="float32", device="cpu"), EngineSettings())


@pytest.mark.parametrize("scoring", ["sum", "mean", "first-token"])
def test_scores_are_those_of_transformers(
    small: RemoteEngine, reference: TransformersEngine, prompts: list[Prompt], scoring: Scoring
) -> None:
    expected, _ = scores(reference.score_naive, prompts, scoring=scoring)
    cached, failures = scores(small.score_choices, prompts, scoring=scoring)
    whole, _ = scores(small.score_naive, prompts, scoring=scoring)
    assert not failures
    np.testing.assert_allclose(cached, expected, atol=CLOSE, rtol=0)
    np.testing.assert_allclose(whole, expected, atol=CLOSE, rtol=0)
    assert np.ptp(expected, axis=0).min() > 0.1  # the comparison would be empty if every prompt scored the same


def test_the_record_says_by_which_tokens_options_were_scored(
    vllm_on: Callable[..., RemoteEngine], small: RemoteEngine, prompts: list[Prompt]
) -> None:
    before = small.stats()
    scores(small.score_choices, prompts[:2], scoring="first-token")
    scores(small.score_choices, prompts[:2], scoring="sum")
    after = small.stats()
    assert set(after["notes"]) == {FIRST_TOKENS, WHOLE_OPTIONS}
    assert after["prompts"] == before["prompts"] + 4


def test_beginnings_come_from_the_cache(small: RemoteEngine, prompts: list[Prompt]) -> None:
    fresh = [Prompt(({"role": "system", "content": "Take the role of a cook."}, *each.messages)) for each in prompts]
    before = small.stats()
    scores(small.score_choices, fresh)
    after = small.stats()
    sent, distinct, full = (
        after[name] - before[name] for name in ("tokens_sent", "tokens_distinct", "tokens_full_sequences")
    )
    assert distinct <= sent < 0.5 * full


def test_order_and_company_of_prompts_do_not_matter(small: RemoteEngine, prompts: list[Prompt]) -> None:
    together, _ = scores(small.score_choices, prompts)
    order = np.random.default_rng(1).permutation(len(prompts))
    shuffled, _ = scores(small.score_choices, [prompts[row] for row in order])
    np.testing.assert_allclose(shuffled, together[order], atol=CLOSE, rtol=0)


def test_equal_prompts_are_asked_once(small: RemoteEngine, prompts: list[Prompt]) -> None:
    before = small.stats()["tokens_sent"]
    once, _ = scores(small.score_choices, prompts[:4])
    between = small.stats()["tokens_sent"]
    thrice, _ = scores(small.score_choices, prompts[:4] * 3)
    assert small.stats()["tokens_sent"] - between <= between - before
    np.testing.assert_array_equal(thrice[:4], thrice[4:8])
    np.testing.assert_allclose(thrice, np.tile(once, (3, 1)), atol=CLOSE)


def test_prompts_may_have_different_options(
    small: RemoteEngine, reference: TransformersEngine, prompts: list[Prompt]
) -> None:
    mixed = [OPTIONS if row % 2 else ("No", "Yes") for row in range(8)]
    plain, _ = scores(reference.score_naive, prompts[:8])
    seen = set()
    for batch in small.score_choices(prompts[:8], mixed, "sum"):
        for row, values in zip(batch.indices, batch.logprobs, strict=True):
            seen.add(row)
            np.testing.assert_allclose(values, plain[row] if row % 2 else plain[row][[2, 0]], atol=CLOSE)
    assert seen == set(range(8))


def test_a_post_longer_than_the_context_fails_alone(small: RemoteEngine, prompts: list[Prompt]) -> None:
    monster = Prompt(({"role": "user", "content": "rude " * 20_000},))
    table, failures = scores(small.score_choices, [prompts[0], monster, prompts[1]])
    assert list(failures) == [1]
    assert failures[1].detail.startswith("prompt too long: ")
    assert "context holds 255" in failures[1].detail
    assert not failures[1].transient
    assert np.isfinite(table[[0, 2]]).all()


def test_the_longest_prompt_that_fits_is_scored(
    small: RemoteEngine, reference: TransformersEngine, prompts: list[Prompt]
) -> None:
    grown = [Prompt(({"role": "user", "content": "!" * number},)) for number in range(180, 260)]
    table, failures = scores(small.score_choices, grown, options=("Yes", "No"), scoring="first-token")
    assert 0 < len(failures) < len(grown)
    longest = min(failures) - 1
    expected, _ = scores(reference.score_naive, [grown[longest]], options=("Yes", "No"), scoring="first-token")
    np.testing.assert_allclose(table[longest], expected[0], atol=CLOSE)


def test_whoever_stops_listening_leaves_the_engine_usable(small: RemoteEngine, prompts: list[Prompt]) -> None:
    many = [
        each._replace(messages=(*each.messages[:-1], {"role": "user", "content": f"{number}?"}))
        for number, each in enumerate(prompts * 20)
    ]
    first = list(small.score_choices(many, [OPTIONS] * len(many), "sum", batches=1))
    assert 0 < len(first[0].indices) < len(many)
    expected, _ = scores(small.score_choices, many[:5])
    places = [row for row in range(5) if row in first[0].indices]
    for row in places:
        np.testing.assert_allclose(first[0].logprobs[first[0].indices.index(row)], expected[row], atol=CLOSE)


def test_options_no_rule_can_tell_apart_are_refused(small: RemoteEngine, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match="begin with the same token"):
        scores(small.score_choices, prompts[:1], options=("Incomprehensible", "Incomprehensibl"), scoring="first-token")


def test_the_engine_is_the_announced_one(small: RemoteEngine, reference: TransformersEngine) -> None:
    made, announced = small.identities
    assert made == announced
    assert made == engine_identity(EngineSettings(name="vllm"), reference.identity.chat_template_hash)


def test_an_adapter_it_was_not_given_is_named(small: RemoteEngine, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match="adapter 'teacher' is not among those of the loaded system"):
        scores(small.score_choices, [prompts[0]._replace(adapter="teacher")])
