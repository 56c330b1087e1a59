"""What reading shared beginnings once is worth: CPU seconds of scoring the same questions with and without it.

A random Llama of 1.4M weights, 20 personas x 3 wordings x 20 posts x 4 options of several tokens, float32, one thread.
Prints a table and writes `benchmarks/results/choice_scoring.json`. Usage: `python benchmarks/choice_scoring.py`.
"""

import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on

RESULTS = Path(__file__).parent / "results" / "choice_scoring.json"
OPTIONS = ("Yes, to some people", "Perhaps, it depends", "No, to nobody", "It cannot be understood")
WORDINGS = (
    "You are {}. Let what you say reflect what this person knows, believes and has lived through.",
    "Speak as {} would. Keep to that identity in everything you say, and never step out of it.",
    "Put yourself into the place of {}. Stay true to how this person sees the world.",
)
PLACES = ("village", "harbour town", "big city", "mountain valley", "suburb")
TRADES = ("teacher", "baker", "nurse", "bus driver")
WORDS = re.findall(
    r"\w+",
    "the bus was late again nobody said sorry my neighbour plays trumpet at night what a lovely garden you have there "
    "people from that street never learn do they it rained on the market and everyone laughed",
)
QUESTION = (
    'Post: """{}"""\nCould this post be considered rude, hurtful or disrespectful to anyone? Answer with exactly one '
    "of these options and nothing else:\n" + "\n".join(OPTIONS)
)
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}<|assistant|>\n"
)
REPEATS = 3


class Loaded(NamedTuple):
    """What an engine is given."""

    model: Any
    tokenizer: Any
    chat_template_hash: str = "benchmark"


def questions() -> list[Prompt]:
    """1,200 chats."""
    random = np.random.default_rng(0)
    posts = [" ".join(random.choice(WORDS, random.integers(8, 40))) for _ in range(20)]
    personas = [f"a {trade} in a {place}" for trade in TRADES for place in PLACES]
    return [
        Prompt(
            (
                {"role": "system", "content": wording.format(persona)},
                {"role": "user", "content": QUESTION.format(post)},
            )
        )
        for persona in personas
        for wording in WORDINGS
        for post in posts
    ]


def load(prompts: list[Prompt]) -> Loaded:
    """Tokenizer trained on the prompts, model with random weights."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=550, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([m["content"] for prompt in prompts for m in prompt.messages], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[1:]})
    fast.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=192, intermediate_size=512, num_hidden_layers=3, num_attention_heads=6,
        max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    return Loaded(LlamaForCausalLM(config).eval(), fast)


def timed(score: Callable[..., Any], prompts: list[Prompt]) -> tuple[float, np.ndarray]:
    """CPU seconds, and the scores in the order of the prompts."""
    scores = np.full((len(prompts), len(OPTIONS)), np.nan)
    start = time.process_time()
    for batch in score(prompts, [OPTIONS] * len(prompts), "sum"):
        scores[batch.indices] = batch.logprobs
    return time.process_time() - start, scores


def without_model(loaded: Loaded, prompts: list[Prompt]) -> float:
    """CPU seconds of tokenizing and planning alone."""
    engine: Any = engine_on(loaded, EngineSettings())
    engine._read = lambda rests, tree, depth, prefix: np.zeros((len(rests), len(OPTIONS)))
    engine._extend = lambda above, tokens, start: []
    engine._shares = True
    return timed(engine.score_choices, prompts)[0]


def main() -> None:
    """Runs, prints, writes."""
    torch.set_num_threads(1)
    prompts = questions()
    loaded = load(prompts)
    seconds: dict[str, list[float]] = {"whole sequences": [], "shared beginnings": [], "tokenizing and planning": []}
    difference = 0.0
    for _ in range(REPEATS):
        engine: Any = engine_on(loaded, EngineSettings())
        shared_seconds, shared = timed(engine.score_choices, prompts)
        facts = engine.stats.facts()
        naive_seconds, naive = timed(engine_on(loaded, EngineSettings()).score_naive, prompts)  # type: ignore[attr-defined]
        seconds["whole sequences"].append(naive_seconds)
        seconds["shared beginnings"].append(shared_seconds)
        seconds["tokenizing and planning"].append(without_model(loaded, prompts))
        difference = max(difference, float(np.abs(shared - naive).max()))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = median["whole sequences"] / median["shared beginnings"]
    result = {
        "prompts": len(prompts),
        "options": len(OPTIONS),
        "weights": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "cpu_seconds": seconds,
        "ratio": ratio,
        "bound_full_tokens_to_distinct": facts["tokens_full_sequences"] / facts["tokens_distinct"],
        "reached_full_tokens_to_sent": facts["tokens_full_sequences"] / facts["tokens_sent"],
        "largest_difference": difference,
        "engine": facts,
        "machine": {"processor": platform.machine(), "python": platform.python_version(), "torch": torch.__version__},
    }
    for name, value in median.items():
        print(f"{name:26} {value:8.2f} CPU s  {1000 * value / len(prompts):7.3f} ms/prompt")
    print(f"{'ratio':26} {ratio:8.2f}")
    print(f"{'bound (tokens/distinct)':26} {result['bound_full_tokens_to_distinct']:8.2f}")
    print(f"{'reached (tokens/sent)':26} {result['reached_full_tokens_to_sent']:8.2f}")
    print(f"{'largest difference':26} {difference:8.1e}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
