"""Tiny models and tokenizers, made on the spot."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on

SENTENCES = (
    "The bus was late again and nobody said sorry.",
    "My neighbour plays the trumpet at night.",
    "People from that town never learn, do they?",
    "What a lovely garden you have there!",
    "You are a teacher in a small village. Answer as this person would.",
    "Could the post be considered rude to anyone? Answer with one of the options.",
    "Yes Maybe No Incomprehensible",
)
CHAT_TEMPLATE = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
OPTIONS = ("Yes", "Maybe", "No", "Incomprehensible")


class Loaded(NamedTuple):
    """What an engine is given."""

    model: Any
    tokenizer: Any
    chat_template_hash: str = "t" * 32


def make_tokenizer(template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[2:]})
    fast.chat_template = template
    return fast


def make_llama(vocabulary: int, context: int = 512, layers: int = 2, heads: int = 4, groups: int = 2) -> Any:
    """A Llama with random weights, large enough that scores differ clearly between prompts."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        max_position_embeddings=context,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer with the usual chat template."""
    return make_tokenizer()


@pytest.fixture(scope="session")
def loaded(tokenizer: PreTrainedTokenizerFast) -> Loaded:
    """A random Llama and its tokenizer."""
    return Loaded(make_llama(len(tokenizer)), tokenizer)


@pytest.fixture
def engine(loaded: Loaded) -> Any:
    """A fresh engine on the random Llama."""
    return engine_on(loaded, EngineSettings())


@pytest.fixture(scope="session")
def tokenizer_with() -> Callable[[str], PreTrainedTokenizerFast]:
    """A tokenizer with another chat template."""
    return make_tokenizer


@pytest.fixture(scope="session")
def llama() -> Callable[..., Any]:
    """Makes random Llamas."""
    return make_llama


@pytest.fixture(scope="session")
def loaded_with() -> Callable[[Any, Any], Loaded]:
    """Puts a model and a tokenizer together."""
    return Loaded


def chat(system: str | None, user: str) -> Prompt:
    """A prompt of one or two messages."""
    head = ({"role": "system", "content": system},) if system else ()
    return Prompt((*head, {"role": "user", "content": user}))


@pytest.fixture(scope="session")
def prompts() -> list[Prompt]:
    """Personas x templates x items of mixed lengths, one item without persona among them."""
    systems = [
        pattern.format(persona)
        for persona in ("a teacher in the United States", "a farmer in the United States", "an old man")
        for pattern in ("You are {}. Answer as this person would.", "Take the role of {}.")
    ]
    posts = [" ".join(SENTENCES[: 1 + number % 4])[: 8 + 17 * number] for number in range(9)]
    question = 'Post: """{}"""\nCould the post be considered rude to anyone? Answer with one of: Yes, Maybe, No.'
    chats = [chat(system, question.format(post)) for system in systems for post in posts]
    return [*chats, chat(None, question.format(posts[2])), chat(None, "Hm?")]
