"""Shared beginnings change nothing but the time it takes."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Gemma3ForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.models.gemma3 import Gemma3TextConfig

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.base import Prompt, Scoring
from bias_platform.inference.engines.shared_cache import Rows
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.four_bit import compute_in, keep_weights_unpacked
from bias_platform_tests.inference.conftest import OPTIONS
from bias_platform_tests.inference.gathered_scores import scores


def by_hand(loaded: Any, prompt: Prompt, option: str) -> float:
    """One option of one prompt, one row, no padding, no cache, straight from the definition."""
    text = loaded.tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
    before = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = loaded.tokenizer(text + option, add_special_tokens=False)["input_ids"]
    assert ids[: len(before)] == before
    with torch.inference_mode():
        logs = loaded.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return float(sum(logs[place - 1, ids[place]] for place in range(len(before), len(ids))))


@pytest.mark.parametrize("scoring", ["sum", "mean", "first-token"])
def test_shared_beginnings_agree_with_whole_sequences(engine: Any, prompts: list[Prompt], scoring: Scoring) -> None:
    shared, _ = scores(engine.score_choices, prompts, scoring=scoring)
    whole, _ = scores(engine.score_naive, prompts, scoring=scoring)
    np.testing.assert_allclose(shared, whole, atol=1e-5, rtol=0)
    assert np.ptp(whole, axis=0).min() > 0.1  # the comparison would be empty if every prompt scored the same


def test_whole_sequences_agree_with_the_definition(loaded: Any, engine: Any, prompts: list[Prompt]) -> None:
    rows = [0, 5, 17, len(prompts) - 1]
    whole, _ = scores(engine.score_naive, [prompts[row] for row in rows])
    expected = [[by_hand(loaded, prompts[row], option) for option in OPTIONS] for row in rows]
    np.testing.assert_allclose(whole, expected, atol=1e-5, rtol=0)


def test_mean_divides_by_the_number_of_tokens(loaded: Any, engine: Any, prompts: list[Prompt]) -> None:
    summed, _ = scores(engine.score_choices, prompts[:3])
    mean, _ = scores(engine.score_choices, prompts[:3], scoring="mean")
    sizes = [len(loaded.tokenizer(option, add_special_tokens=False)["input_ids"]) for option in OPTIONS]
    assert len(set(sizes)) > 1
    np.testing.assert_allclose(mean, summed / sizes, atol=1e-9)


@pytest.mark.parametrize("batch_tokens", [256, 600, 16384])
def test_the_size_of_batches_does_not_matter(loaded: Any, prompts: list[Prompt], batch_tokens: int) -> None:
    reference, _ = scores(engine_on(loaded, EngineSettings()).score_naive, prompts)
    small = engine_on(loaded, EngineSettings(batch_tokens=batch_tokens))
    np.testing.assert_allclose(scores(small.score_choices, prompts)[0], reference, atol=1e-5, rtol=0)


def test_order_and_company_of_prompts_do_not_matter(engine: Any, prompts: list[Prompt]) -> None:
    together, _ = scores(engine.score_choices, prompts)
    order = np.random.default_rng(1).permutation(len(prompts))
    shuffled, _ = scores(engine.score_choices, [prompts[row] for row in order])
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5, rtol=0)
    alone = np.concatenate([scores(engine.score_choices, [prompts[row]])[0] for row in (0, 20, 55)])
    np.testing.assert_allclose(alone, together[[0, 20, 55]], atol=1e-5, rtol=0)


def test_few_tokens_are_read_twice(engine: Any, prompts: list[Prompt]) -> None:
    scores(engine.score_choices, prompts)
    stats = engine.stats
    assert stats.distinct_tokens <= stats.sent_tokens < 1.4 * stats.distinct_tokens
    assert stats.full_tokens > 4 * stats.sent_tokens
    assert stats.prompts == len(prompts)
    assert 0.7 < stats.reused_share <= stats.reachable_share < 1


def few_posts(personas: int, posts: int) -> list[Prompt]:
    """Posts that begin differently, so that personas are all there is to share."""
    texts = [f"{number} buses were late again and nobody said sorry." for number in range(11, 11 + posts)]
    systems = [
        f"You are {number} years old. Answer as this person would. Be brief." for number in range(20, 20 + personas)
    ]
    return [
        Prompt(({"role": "system", "content": system}, {"role": "user", "content": text}))
        for system in systems
        for text in texts
    ]


def test_beginnings_of_a_generation_are_read_together(engine: Any) -> None:
    """20 personas, each with 3 posts: not 20 passes for their beginnings and 20 for their posts."""
    chats = few_posts(20, 3)
    shared, _ = scores(engine.score_choices, chats)
    stats = engine.stats
    assert stats.sent_tokens < 1.05 * stats.distinct_tokens
    assert stats.forward_passes < 16
    assert stats.padding_tokens < 0.1 * stats.sent_tokens
    np.testing.assert_allclose(shared, scores(engine.score_naive, chats)[0], atol=1e-5, rtol=0)


def test_few_beginnings_are_held_when_batches_are_small(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    extend = shared_cache.extend

    def watched(*arguments: Any) -> Any:
        made = extend(*arguments)
        held.append(made.present.size)
        return made

    monkeypatch.setattr(shared_cache, "extend", watched)
    engine = engine_on(loaded, EngineSettings(batch_tokens=400))
    chats = few_posts(20, 3)
    shared, _ = scores(engine.score_choices, chats)
    assert max(held) <= 200
    np.testing.assert_allclose(shared, scores(engine.score_naive, chats)[0], atol=1e-5, rtol=0)


def test_want_of_memory_halves_bunches_of_beginnings(
    loaded: Any, loaded_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    extend, refused = shared_cache.extend, []

    def forgetful(model: Any, above: Any, rows: Any) -> Any:
        if len(rows.rests) > 3:
            refused.append(len(rows.rests))
            raise torch.OutOfMemoryError("no more")
        return extend(model, above, rows)

    monkeypatch.setattr(shared_cache, "extend", forgetful)
    chats = few_posts(20, 3)
    engine = engine_on(loaded, EngineSettings())
    table, failures = scores(engine.score_choices, chats)
    assert not failures
    assert refused
    assert engine.stats.halved_batches >= len(refused)
    np.testing.assert_allclose(table, scores(engine.score_naive, chats)[0], atol=1e-5, rtol=0)
    monkeypatch.setattr(shared_cache, "extend", lambda *_: forgetful(None, None, Rows([[1]] * 9, [], [])))
    _, failures = scores(engine.score_choices, chats)
    assert len(failures) == len(chats)
    assert all(failure.transient for failure in failures.values())


def test_logits_are_scored_in_small_copies(engine: Any, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = scores(engine.score_choices, prompts)
    monkeypatch.setattr(shared_cache, "_LARGEST_COPY", 1)
    np.testing.assert_array_equal(scores(engine.score_choices, prompts)[0], expected)


def test_whole_sequences_read_what_is_counted_as_full(engine: Any, prompts: list[Prompt]) -> None:
    scores(engine.score_choices, prompts)
    full, before = engine.stats.full_tokens, engine.stats.sent_tokens
    scores(engine.score_naive, prompts)
    assert engine.stats.sent_tokens - before == full


def test_equal_prompts_are_read_once(engine: Any, prompts: list[Prompt]) -> None:
    once, _ = scores(engine.score_choices, prompts[:4])
    sent = engine.stats.sent_tokens
    thrice, _ = scores(engine.score_choices, prompts[:4] * 3)
    assert engine.stats.sent_tokens == 2 * sent
    np.testing.assert_allclose(thrice, np.tile(once, (3, 1)), atol=1e-6)


def test_prompts_may_have_different_options(engine: Any, prompts: list[Prompt]) -> None:
    reverse = OPTIONS[::-1]
    mixed = [OPTIONS if row % 2 else reverse for row in range(8)]
    plain, _ = scores(engine.score_naive, prompts[:8])
    for batch in engine.score_choices(prompts[:8], mixed, "sum"):
        for row, values in zip(batch.indices, batch.logprobs, strict=True):
            expected = plain[row] if row % 2 else plain[row][::-1]
            np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_post_longer_than_the_context_fails_alone(engine: Any, prompts: list[Prompt]) -> None:
    monster = Prompt(({"role": "user", "content": "rude " * 20_000},))
    table, failures = scores(engine.score_choices, [prompts[0], monster, prompts[1]])
    assert list(failures) == [1]
    assert failures[1].detail.startswith("prompt too long: ")
    assert not failures[1].transient
    assert np.isfinite(table[[0, 2]]).all()


def test_the_longest_prompt_that_fits_is_scored(
    loaded: Any, engine: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    engine.score_choices(prompts[:1], [OPTIONS], "sum")
    full = max(len(ids) for ids in engine._encoder.encode(prompts[:1], [OPTIONS], "sum").prompts)
    longest = max(len(ids) for ids in engine._encoder.encode(prompts[:1], [OPTIONS], "sum").option_tokens[0])
    for context, fits in ((full + longest - 1, True), (full + longest - 2, False)):
        small = engine_on(loaded_with(llama(len(loaded.tokenizer), context), loaded.tokenizer), EngineSettings())
        assert (not scores(small.score_choices, prompts[:1])[1]) is fits


def test_long_rests_are_read_without_a_mask_of_their_own(
    loaded: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bias_platform.inference.engines.transformers_engine._LONG_SUFFIX", 60)
    engine = engine_on(loaded_with(llama(len(loaded.tokenizer), 2048), loaded.tokenizer), EngineSettings())
    posts = ["What a lovely garden you have there! " * times for times in (1, 30, 2, 31)]
    chats = [Prompt(({"role": "user", "content": post},)) for post in posts]
    np.testing.assert_allclose(
        scores(engine.score_choices, chats)[0], scores(engine.score_naive, chats)[0], atol=1e-5, rtol=0
    )


def test_first_token_refuses_options_that_begin_alike(engine: Any, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match="'No way' and 'No' begin with the same token"):
        scores(engine.score_choices, prompts[:2], ("No way", "No", "Yes"), "first-token")


def test_sum_refuses_an_option_that_continues_another(engine: Any, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match=r"'No way' begins with all of option 'No'.*never be chosen"):
        scores(engine.score_choices, prompts[:2], ("No", "Yes", "No way"))
    scores(engine.score_choices, prompts[:2], ("No", "Yes", "No way"), "mean")


def test_options_that_share_a_beginning_agree(engine: Any, prompts: list[Prompt]) -> None:
    options = ("Yes, rude to people", "Yes, rude to animals", "Yes, rude", "No", "Nobody said so at all")
    shared, _ = scores(engine.score_choices, prompts[:9], options, "mean")
    whole, _ = scores(engine.score_naive, prompts[:9], options, "mean")
    np.testing.assert_allclose(shared, whole, atol=1e-5, rtol=0)


class _Forgetful(torch.nn.Module):
    """A model that runs out of memory when a pass over rows of a shared beginning has more than so many of them."""

    def __init__(self, model: Any, rows: int) -> None:
        super().__init__()
        self.inner, self.rows = model, rows
        self.config, self.dtype, self.device = model.config, model.dtype, model.device

    def forward(self, input_ids: Any, **arguments: Any) -> Any:
        if arguments.get("attention_mask") is not None and len(input_ids) > self.rows:
            raise torch.OutOfMemoryError("no more")
        return self.inner(input_ids, **arguments)


def test_want_of_memory_halves_the_batch(loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]) -> None:
    expected, _ = scores(engine_on(loaded, EngineSettings()).score_naive, prompts)
    engine = engine_on(loaded_with(_Forgetful(loaded.model, 2), loaded.tokenizer), EngineSettings())
    table, failures = scores(engine.score_choices, prompts)
    assert not failures
    assert engine.stats.halved_batches > 0
    np.testing.assert_allclose(table, expected, atol=1e-5, rtol=0)


def test_a_prompt_for_which_memory_never_suffices_fails_for_now(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    engine = engine_on(loaded_with(_Forgetful(loaded.model, 2), loaded.tokenizer), EngineSettings())
    scores(engine.score_choices, prompts[:2])
    engine._model.rows = 0
    _, failures = scores(engine.score_choices, prompts[:3])
    assert len(failures) == 3
    assert all(failure.transient and failure.detail.startswith("out of memory") for failure in failures.values())


def test_a_lora_adapter_is_in_the_scores(
    loaded: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    adapted = get_peft_model(llama(len(loaded.tokenizer)), config)
    engine = engine_on(loaded_with(adapted, loaded.tokenizer), EngineSettings())
    shared, _ = scores(engine.score_choices, prompts)
    whole, _ = scores(engine.score_naive, prompts)
    np.testing.assert_allclose(shared, whole, atol=1e-5, rtol=0)
    base, _ = scores(engine_on(loaded, EngineSettings()).score_choices, prompts)
    assert np.abs(base - shared).max() > 0.05
    assert engine.stats.sent_tokens


def test_a_trained_model_agrees(
    loaded: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    model = llama(len(loaded.tokenizer))
    engine = engine_on(loaded_with(model, loaded.tokenizer), EngineSettings())
    encoded = engine._encoder.encode(prompts, [OPTIONS] * len(prompts), "sum")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(40):
        row = step % len(prompts)
        ids = [*encoded.prompts[row].tolist(), *encoded.option_tokens[0][row % 4]]
        loss = model.train()(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    shared, _ = scores(engine.score_choices, prompts)
    np.testing.assert_allclose(shared, scores(engine.score_naive, prompts)[0], atol=1e-5, rtol=0)


def test_learned_positions_are_given_right(loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]) -> None:
    torch.manual_seed(5)
    config = GPT2Config(vocab_size=len(loaded.tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=512)
    config.initializer_range = 0.3
    engine = engine_on(loaded_with(GPT2LMHeadModel(config).eval(), loaded.tokenizer), EngineSettings())
    shared, _ = scores(engine.score_choices, prompts)
    np.testing.assert_allclose(shared, scores(engine.score_naive, prompts)[0], atol=1e-4, rtol=0)
    assert engine.stats.notes == []


def gemma(vocabulary: int, window: int) -> Any:
    """A random model some of whose layers look back `window` tokens only."""
    torch.manual_seed(5)
    config = Gemma3TextConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=window, max_position_embeddings=512,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], initializer_range=0.3,
    )  # fmt: skip
    return Gemma3ForCausalLM(config).eval()


@pytest.mark.parametrize(("window", "shares"), [(400, True), (100, False)])
def test_rows_beyond_a_window_are_read_whole(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt], window: int, shares: bool
) -> None:
    engine = engine_on(loaded_with(gemma(len(loaded.tokenizer), window), loaded.tokenizer), EngineSettings())
    shared, _ = scores(engine.score_choices, prompts)
    sent = engine.stats.sent_tokens
    np.testing.assert_allclose(shared, scores(engine.score_naive, prompts)[0], atol=1e-4, rtol=0)
    assert (sent < 0.3 * engine.stats.full_tokens) is shares


class _ForgetsPrefix(_Forgetful):
    """A model that ignores what it is given of the past."""

    def forward(self, input_ids: Any, **arguments: Any) -> Any:
        if arguments.get("attention_mask") is not None:
            arguments["past_key_values"] = None
            arguments["attention_mask"] = None
        return self.inner(input_ids, **arguments)


def test_a_model_that_cannot_share_is_noticed_and_read_whole(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    engine = engine_on(loaded_with(_ForgetsPrefix(loaded.model, 10**6), loaded.tokenizer), EngineSettings())
    table, _ = scores(engine.score_choices, prompts[:12])
    expected, _ = scores(engine_on(loaded, EngineSettings()).score_naive, prompts[:12])
    np.testing.assert_allclose(table, expected, atol=1e-5, rtol=0)
    assert "whole sequences" in engine.stats.notes[0]


def test_bfloat16_stays_near_float32(
    loaded: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    model = llama(len(loaded.tokenizer)).to(torch.bfloat16)
    engine = engine_on(loaded_with(model, loaded.tokenizer), EngineSettings(dtype="bfloat16"))
    shared, _ = scores(engine.score_choices, prompts)
    whole, _ = scores(engine.score_naive, prompts)
    assert 0 < np.abs(shared - whole).max() < 1.0
    assert engine.stats.notes == []


@pytest.mark.parametrize(("bits", "tolerance"), [(4, 1e-4), (8, 0.3)])
def test_quantized_models_agree_within_their_rounding(
    loaded: Any,
    loaded_with: Callable[..., Any],
    prompts: list[Prompt],
    tmp_path: Path,
    bits: int,
    tolerance: float,
) -> None:
    loaded.model.save_pretrained(tmp_path)
    config = BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, quantization_config=config).eval()
    if keep_weights_unpacked(model):
        compute_in(model, torch.float32)
    engine = engine_on(loaded_with(model, loaded.tokenizer), EngineSettings())
    shared, _ = scores(engine.score_choices, prompts[:30])
    whole, _ = scores(engine.score_naive, prompts[:30])
    np.testing.assert_allclose(shared, whole, atol=tolerance, rtol=0)
    full_precision, _ = scores(engine_on(loaded, EngineSettings()).score_choices, prompts[:30])
    assert np.abs(full_precision - shared).max() > 10 * np.abs(shared - whole).max() or bits == 8
    assert np.abs(full_precision - shared).max() > 0.01
    assert engine.stats.notes == []


def test_scoring_is_lazy(engine: Any, prompts: list[Prompt]) -> None:
    assert inspect.isgenerator(engine.score_choices(prompts, [OPTIONS] * len(prompts), "sum"))
    assert engine.stats.forward_passes == 0
    assert list(engine.score_choices([], [], "sum")) == []
