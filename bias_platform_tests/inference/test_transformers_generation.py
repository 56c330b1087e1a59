"""What the engine writes is what transformers' own `generate` writes, whatever goes in one batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, MambaConfig, MambaForCausalLM
from transformers.models.gemma3 import Gemma3ForCausalLM, Gemma3TextConfig

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines import shared_generation
from bias_platform.inference.engines.base import Decoding, Failure, Generation, Prompt
from bias_platform.inference.engines.token_choice import TokenChooser, _mixed, _uniform, stop_tokens
from bias_platform.inference.engines.transformers_engine import engine_on

LONGEST = 16
GREEDY = Decoding(maximum_tokens=LONGEST)
WARM = Decoding(maximum_tokens=12, temperature=0.8, top_p=0.9)


def written(
    engine: Any, prompts: Sequence[Prompt], decoding: Decoding = GREEDY
) -> tuple[dict[int, Generation], dict[int, Failure]]:
    """All answers and failures, by position."""
    answers: dict[int, Generation] = {}
    failures: dict[int, Failure] = {}
    for batch in engine.generate(prompts, decoding):
        assert not (set(batch.indices) | set(batch.failures)) & (answers.keys() | failures.keys())
        answers |= dict(zip(batch.indices, batch.generations, strict=True))
        failures |= dict(batch.failures)
    assert sorted([*answers, *failures]) == list(range(len(prompts)))
    return answers, failures


def by_transformers(loaded: Any, prompt: Prompt, longest: int = LONGEST) -> tuple[str, str, int]:
    """Text, end and number of tokens, by `generate` on one row without padding."""
    text = loaded.tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
    ids = loaded.tokenizer([text], add_special_tokens=False, return_tensors="pt")["input_ids"]
    stops = [loaded.model.generation_config.eos_token_id, loaded.tokenizer.eos_token_id]
    tokens = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=longest, eos_token_id=stops,
        pad_token_id=0,
    )[0, ids.shape[1] :].tolist()  # fmt: skip
    ended = tokens[-1] in stops
    text = loaded.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True)
    return text, "stop" if ended else "length", len(tokens)


def as_tuple(generation: Generation) -> tuple[str, str, int]:
    return generation.text, generation.finish, generation.output_tokens


def seeded(prompts: Sequence[Prompt]) -> list[Prompt]:
    return [prompt._replace(seed=number) for number, prompt in enumerate(prompts)]


def test_greedy_text_is_that_of_transformers(loaded: Any, engine: Any, prompts: list[Prompt]) -> None:
    answers, failures = written(engine, prompts)
    assert not failures
    expected = [by_transformers(loaded, prompt) for prompt in prompts]
    assert [as_tuple(answers[row]) for row in range(len(prompts))] == expected
    ends = [end for _, end, _ in expected]
    assert min(ends.count("stop"), ends.count("length")) >= 10, "both ends are met"
    assert len({size for _, _, size in expected}) >= 5
    assert len({text for text, _, _ in expected}) > 20


def test_what_is_counted(loaded: Any, engine: Any, prompts: list[Prompt]) -> None:
    answers, _ = written(engine, prompts)
    sizes = [
        len(loaded.tokenizer.apply_chat_template(list(prompt.messages), add_generation_prompt=True)["input_ids"])
        for prompt in prompts
    ]
    assert [answers[row].input_tokens for row in range(len(prompts))] == sizes
    stats = engine.stats
    assert stats.full_tokens == sum(sizes)
    distinct = [row for row, prompt in enumerate(prompts) if prompt not in prompts[:row]]
    assert stats.written_tokens == sum(answers[row].output_tokens for row in distinct)
    assert stats.distinct_tokens <= stats.sent_tokens < 1.4 * stats.distinct_tokens
    assert stats.sent_tokens < 0.6 * stats.full_tokens
    assert stats.prompts == len(prompts)


def test_small_batches_write_the_same(loaded: Any, engine: Any, prompts: list[Prompt]) -> None:
    small, chats = engine_on(loaded, EngineSettings(batch_tokens=700)), seeded(prompts[::2])
    for decoding in (GREEDY, WARM):
        assert written(small, chats, decoding) == written(engine, chats, decoding)
    assert small.stats.forward_passes > 1.5 * engine.stats.forward_passes


def test_what_is_drawn_depends_on_the_seed_alone(engine: Any, prompts: list[Prompt]) -> None:
    chats = seeded(prompts)
    together, _ = written(engine, chats, WARM)
    order = np.random.default_rng(1).permutation(len(chats)).tolist()
    shuffled, _ = written(engine, [chats[row] for row in order], WARM)
    assert [shuffled[place] for place in range(len(order))] == [together[row] for row in order]
    for row in (0, 17, 55):
        assert written(engine, [chats[row]], WARM)[0][0] == together[row]
    others, _ = written(engine, [chat._replace(seed=100 + row) for row, chat in enumerate(chats)], WARM)
    assert sum(others[row].text != together[row].text for row in together) > 40
    greedy, _ = written(engine, chats)
    assert sum(greedy[row].text[:3] != together[row].text[:3] for row in together) > 10


def test_equal_prompts_are_written_once_unless_something_is_drawn(engine: Any, prompts: list[Prompt]) -> None:
    once, _ = written(engine, prompts[:4])
    passes = engine.stats.written_tokens
    thrice, _ = written(engine, prompts[:4] * 3)
    assert engine.stats.written_tokens == 2 * passes
    assert [thrice[row] for row in range(12)] == [once[row % 4] for row in range(12)]
    drawn, _ = written(engine, seeded(prompts[:1] * 8), WARM)
    assert len({answer.text for answer in drawn.values()}) >= 4


@pytest.mark.parametrize("decoding", [GREEDY, WARM])
def test_plain_and_shared_writing_agree(loaded: Any, prompts: list[Prompt], decoding: Decoding) -> None:
    shared, _ = written(engine_on(loaded, EngineSettings()), seeded(prompts), decoding)
    plain = engine_on(loaded, EngineSettings())
    plain._sharing._shares = False
    assert written(plain, seeded(prompts), decoding)[0] == shared
    assert plain.stats.padding_tokens == 0


def test_finished_answers_leave_the_batch(loaded: Any, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    engine = engine_on(loaded, EngineSettings())
    step = shared_generation.SharedWriter._step

    def counted(self: Any, answers: list[Any], tokens: list[int], cache: Any) -> Any:
        sizes.append(len(answers))
        assert len(answers) == len(tokens) == cache.cache.layers[0].keys.shape[0]
        return step(self, answers, tokens, cache)

    monkeypatch.setattr(shared_generation.SharedWriter, "_step", counted)
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", list(range(2, 50)))
    answers, _ = written(engine, prompts)
    distinct = [row for row, prompt in enumerate(prompts) if prompt not in prompts[:row]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(answer.output_tokens == 1 for answer in answers.values()) > 5
    assert sizes[0] > 0.6 * len(distinct), "together, whatever beginnings they continue"
    assert sum(sizes) < 1.2 * sum(answers[row].output_tokens for row in distinct)
    assert len(set(sizes)) > 4


class _Forgetful(torch.nn.Module):
    """A model that runs out of memory when more than so many rows look back on more than so many columns."""

    def __init__(self, model: Any, rows: int, columns: int) -> None:
        super().__init__()
        self.inner, self.rows, self.columns = model, rows, columns
        self.config, self.dtype, self.device = model.config, model.dtype, model.device

    def forward(self, input_ids: Any, **arguments: Any) -> Any:
        mask = arguments.get("attention_mask")
        if mask is not None and len(input_ids) > self.rows and mask.shape[-1] > self.columns:
            raise torch.OutOfMemoryError("no more")
        return self.inner(input_ids, **arguments)


@pytest.mark.parametrize("columns", [0, 165])
def test_want_of_memory_halves_the_batch(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt], columns: int
) -> None:
    """At once, and in the middle of writing."""
    model = _Forgetful(loaded.model, 3, columns)
    model.generation_config = loaded.model.generation_config
    engine, chats = engine_on(loaded_with(model, loaded.tokenizer), EngineSettings()), seeded(prompts[::2])
    answers = written(engine, chats, WARM)
    assert engine.stats.halved_batches > 0
    assert answers == written(engine_on(loaded, EngineSettings()), chats, WARM)
    model.rows = model.columns = 0
    _, failures = written(engine, prompts[:3])
    assert len(failures) == 3
    assert all(failure.transient and failure.detail.startswith("out of memory") for failure in failures.values())


def test_an_answer_ends_with_the_context(
    loaded: Any, engine: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    answers, _ = written(engine, prompts)
    lengthy = [row for row, answer in answers.items() if answer.finish == "length"]
    row = max(lengthy, key=lambda row: answers[row].input_tokens)
    for room in (7, 1, 0):
        context = answers[row].input_tokens + room
        small = engine_on(loaded_with(llama(len(loaded.tokenizer), context), loaded.tokenizer), EngineSettings())
        shorter, failures = written(small, [prompts[row], prompts[-1]])
        assert 1 in shorter, "the short prompt is not held up"
        if room:
            assert as_tuple(shorter[0]) == by_transformers(loaded, prompts[row], room)
            assert (shorter[0].finish, shorter[0].output_tokens) == ("length", room)
        else:
            assert failures[0].detail.startswith("prompt too long: ")
            assert not failures[0].transient


def test_stop_tokens_come_from_model_tokenizer_and_template(
    loaded: Any, engine: Any, tokenizer_with: Callable[..., Any]
) -> None:
    assert stop_tokens(loaded.model, engine._encoder) == {1, 2}
    other = tokenizer_with("{% for m in messages %}{{ m['content'] + '<|system|>' }}{% endfor %}")
    turn = engine_on(loaded._replace(tokenizer=other), EngineSettings())._encoder
    assert stop_tokens(torch.nn.Linear(1, 1), turn) == {1, other.convert_tokens_to_ids("<|system|>")}
    unmarked = tokenizer_with("{% for m in messages %}{{ '<|user|>' + m['content'] + '\n' }}{% endfor %}")
    plain = engine_on(loaded._replace(tokenizer=unmarked), EngineSettings())._encoder
    assert stop_tokens(torch.nn.Linear(1, 1), plain) == {1}


def test_penalties_that_come_with_a_model_are_not_used(
    loaded: Any, llama: Callable[..., Any], prompts: list[Prompt]
) -> None:
    model = llama(len(loaded.tokenizer))
    model.generation_config = GenerationConfig(repetition_penalty=5.0, do_sample=True, eos_token_id=2)
    expected, _ = written(engine_on(loaded, EngineSettings()), prompts[:12])
    for shares in (None, False):
        engine = engine_on(loaded._replace(model=model), EngineSettings())
        engine._sharing._shares = shares
        assert written(engine, prompts[:12])[0] == expected
    assert model.generation_config.repetition_penalty == 5.0


def test_models_whose_state_cannot_be_shared_write_too(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    torch.manual_seed(2)
    config = MambaConfig(vocab_size=len(loaded.tokenizer), hidden_size=32, num_hidden_layers=2, initializer_range=0.5)
    recurrent = loaded_with(MambaForCausalLM(config).eval(), loaded.tokenizer)
    engine = engine_on(recurrent, EngineSettings())
    answers, _ = written(engine, prompts[:6])
    assert [as_tuple(answers[row]) for row in range(6)] == [by_transformers(recurrent, chat) for chat in prompts[:6]]
    assert "whole sequences" in engine.stats.notes[0]


def test_rows_beyond_a_window_are_written_whole(
    loaded: Any, loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    torch.manual_seed(5)
    config = Gemma3TextConfig(
        vocab_size=len(loaded.tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=150, max_position_embeddings=512,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], initializer_range=0.3,
    )  # fmt: skip
    windowed = loaded_with(Gemma3ForCausalLM(config).eval(), loaded.tokenizer)
    windowed.model.generation_config.eos_token_id = 2
    engine = engine_on(windowed, EngineSettings())
    answers, _ = written(engine, prompts[:18])
    lengths = [answers[row].input_tokens + LONGEST for row in range(18)]
    assert min(lengths) < 150 < max(lengths)
    expected = [by_transformers(windowed, chat) for chat in prompts[:18]]
    assert [as_tuple(answers[row]) for row in range(18)] == expected
    assert engine.stats.notes == []


def test_bfloat16_writes(
    loaded: Any, llama: Callable[..., Any], loaded_with: Callable[..., Any], prompts: list[Prompt]
) -> None:
    half = loaded_with(llama(len(loaded.tokenizer)).to(torch.bfloat16), loaded.tokenizer)
    answers, _ = written(engine_on(half, EngineSettings(dtype="bfloat16")), prompts[:12])
    expected = [by_transformers(half, chat) for chat in prompts[:12]]
    assert sum(as_tuple(answers[row])[0][:2] == expected[row][0][:2] for row in range(12)) >= 8


def test_requests_that_cannot_be_met_say_so(engine: Any, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match=r"'transformers' cannot hold a model to the allowed answers; set .* 'vllm'"):
        list(engine.generate(prompts[:1], Decoding(allowed=("Yes", "No"))))
    with pytest.raises(UserError, match=r"temperature 0\.8 draws .* every prompt needs a seed"):
        list(engine.generate(prompts[:1], WARM))
    assert list(engine.generate([], GREEDY)) == []


def test_draws_follow_the_distribution() -> None:
    """20,000 draws of each of two distributions, by 10,000 seeds; four standard errors."""
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.05, 0.15, 0.5, 0.3]])).repeat(5_000, 1)
    draws, rows = 20_000, range(10_000)
    for decoding, expected in (
        (Decoding(temperature=1.0), [[0.5, 0.2, 0.2, 0.1], [0.05, 0.15, 0.5, 0.3]]),
        (Decoding(temperature=1.0, top_p=0.75), [[5 / 9, 2 / 9, 2 / 9, 0], [0, 0, 5 / 8, 3 / 8]]),
        (Decoding(temperature=0.5), [[25 / 34, 4 / 34, 4 / 34, 1 / 34], [1 / 146, 9 / 146, 100 / 146, 36 / 146]]),
        (Decoding(temperature=1.0, top_p=1e-6), [[1, 0, 0, 0], [0, 0, 1, 0]]),
    ):
        chooser = TokenChooser(decoding, list(rows))
        tokens = np.array([chooser.choose(logits, rows) for _ in range(4)]).reshape(-1, 2)
        for row in (0, 1):
            shares = np.bincount(tokens[:, row], minlength=4) / draws
            error = np.sqrt(np.array(expected[row]) * (1 - np.array(expected[row])) / draws)
            assert np.all(np.abs(shares - expected[row]) <= 4 * error)


def test_numbers_are_those_of_splitmix64() -> None:
    """The first outputs for seed 1234567, as the generator's authors' reference gives them."""
    state = 1234567
    expected = [6457827717110365317, 3203168211198807973]
    assert [_mixed(state + (place + 1) * 0x9E3779B97F4A7C15) for place in range(2)] == expected
    drawn = _uniform([(5, 0), (5, 1), (6, 0)], 1000, torch.device("cpu"))
    key = _mixed(_mixed(5 * 0x9E3779B97F4A7C15))
    alone = [((_mixed(key + (place + 1) * 0x9E3779B97F4A7C15) >> 11) + 0.5) / 2**53 for place in range(1000)]
    assert drawn[0].tolist() == alone
    assert 0 < float(drawn.min()) < float(drawn.max()) < 1
    assert np.abs(np.corrcoef(drawn.numpy()) - np.eye(3)).max() < 0.1


def test_impossible_tokens_are_never_drawn() -> None:
    logits = torch.tensor([[0.0, 1.0, -np.inf, 2.0, -np.inf]]).expand(2000, -1)
    seeds = list(range(2000))
    for top_p, possible in ((1.0, {0, 1, 3}), (0.9, {1, 3}), (0.5, {3}), (1e-9, {3})):
        drawn = TokenChooser(Decoding(temperature=1.0, top_p=top_p), seeds).choose(logits, seeds)
        assert set(drawn) == possible


def test_rounding_hardly_ever_changes_a_draw() -> None:
    """Of 2,000 draws from 8,000 tokens all but alike, noise of 1e-5 on every logit changes fewer than 1 in 100."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn((2000, 8000), generator=random)
    seeds = list(range(2000))
    once = TokenChooser(Decoding(temperature=1.0), seeds).choose(logits, seeds)
    moved = logits + 1e-5 * torch.randn(logits.shape, generator=random)
    again = TokenChooser(Decoding(temperature=1.0), seeds).choose(moved, seeds)
    assert sum(left != right for left, right in zip(once, again, strict=True)) < 20
    assert len(set(once)) > 1000
