"""What the benchmark of choice scoring asks: the shipped task, personas and wordings about made-up posts, put to random
models of the shape of a Llama."""

from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog.entries import OptionEntry
from bias_platform.catalog.loading import load_catalog
from bias_platform.corpora.sample_sentences import draw_sentence
from bias_platform.inference.engines.base import Prompt
from bias_platform.prompts.personas import personas_table
from bias_platform.prompts.rendering import Renderer, canonical_order

PERSONAS = 20
VOCABULARY = 2000
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Ends without white space, which lm-evaluation-harness would count to the answer."""


class Loaded(NamedTuple):
    """What an engine is given."""

    model: Any
    tokenizer: Any
    chat_template_hash: str = "benchmark"


class Case(NamedTuple):
    """A model and how much it is asked."""

    name: str
    shape: dict[str, int]
    wordings: int
    posts: int
    slow_rounds: tuple[int, int]
    """how often whole sequences and the peer are timed; the rest is timed three times"""


SMALL = {"hidden_size": 192, "intermediate_size": 448, "num_hidden_layers": 3, "num_attention_heads": 6}
LARGE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12}
CASES = (
    Case("1.4M", SMALL, wordings=3, posts=10, slow_rounds=(3, 3)),
    Case("85M", LARGE, wordings=1, posts=4, slow_rounds=(1, 2)),
)


class Workload(NamedTuple):
    """Chats, and the options of all of them."""

    prompts: list[Prompt]
    options: tuple[str, ...]


def questions(wordings: int, posts: int) -> Workload:
    """Personas x wordings x posts. An option and its gloss are one answer here, of several tokens."""
    catalog = load_catalog("demo")
    task = catalog.tasks["offensiveness"]
    options = tuple(OptionEntry(value=f"{option.value}, {option.gloss}") for option in task.options)
    task = task.model_copy(update={"options": options})
    personas = personas_table(catalog.persona_sets["sociodemographic-27"], baseline=False).head(PERSONAS)
    templates = dict(list(catalog.template_sets["persona-instructions-3"].templates.items())[:wordings])
    renderer, order = Renderer(task, personas, templates), canonical_order(task)
    chats = [
        tuple(renderer.messages(persona, template, text, order))
        for persona in personas["persona_id"]
        for template in templates
        for text in made_up_posts(posts)
    ]
    return Workload([Prompt(chat) for chat in chats], task.option_values)


def made_up_posts(count: int) -> list[str]:
    """Posts of two sentences of the sample corpus."""
    random = np.random.RandomState(0)
    return [" ".join(draw_sentence(random, 0.0).text for _ in range(2)) for _ in range(count)]


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE on the words of these questions and 2,000 posts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    texts = [message["content"] for prompt in questions(3, 1).prompts for message in prompt.messages]
    tokenizer.train_from_iterator([*texts, *made_up_posts(2000)], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[1:]})
    fast.chat_template = TEMPLATE
    return fast


def random_model(case: Case, tokenizer: PreTrainedTokenizerFast) -> Loaded:
    """A Llama of a case's shape with random weights, in float32."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=1024, tie_word_embeddings=True, **case.shape
    )
    return Loaded(LlamaForCausalLM(config).eval(), tokenizer)
