"""The same 2,000 cells through four engines: real prompts of 20 personas, one random model, equal scores and answers.

transformers by whole sequences, transformers with shared beginnings, vllm in this machine's memory, and the HTTP engine
against a vLLM server. First tokens are scored by all four, whole options by the three that can.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog import load_catalog, resolve_corpus
from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.corpora import read_corpus
from bias_platform.inference.cells import Cells, CellTable
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.openai_engine import OpenAIEngine
from bias_platform.inference.engines.registry import SERVED, engine_identity
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.outcomes import choose
from bias_platform.inference.spending import Spending
from bias_platform.models.chat import chat_template_hash
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts import personas_table
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform_tests.inference.conftest import CHAT_TEMPLATE, Loaded
from bias_platform_tests.inference.endpoints.conftest import KEY, endpoint_at
from bias_platform_tests.inference.endpoints.vllm_server import VllmServer
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine

CLOSE = 1e-4
POSTS, PERSONAS = 100, 20
_SHARED = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
_SBIC = _SHARED / "sbic" / "SBIC.v2.agg.cmb_processed.csv"
Table = np.ndarray[Any, np.dtype[np.float64]]


class Asked(NamedTuple):
    """What every engine is asked."""

    questions: pd.DataFrame
    items: pd.DataFrame
    renderer: Renderer
    options: tuple[str, ...]
    slug: str = "random"

    def cells(self, settings: EngineSettings, template: str) -> Cells:
        system = ResolvedSystem(slug=self.slug, source=ModelSource(kind="folder", location="/m"), identity="1" * 32)
        identity = engine_identity(settings, template)
        table = CellTable(
            self.questions, self.items, renderer=self.renderer, system=system, settings=settings, engine=identity
        )
        return table.cells()


@pytest.fixture(scope="module")
def asked() -> Asked:
    """2,000 cells: 20 personas of the shipped set in one wording, 100 posts of SBIC (the sample where absent)."""
    catalog = load_catalog("demo")
    study = catalog.studies["offensiveness"]
    personas = personas_table(catalog.persona_sets[study.persona_set])
    personas = personas[personas["role"] == "named"].head(PERSONAS)
    if _SBIC.is_file():
        posts = pd.read_csv(_SBIC)["post"].dropna().drop_duplicates()
        texts = posts[posts.str.len().between(5, 300)].sample(POSTS, random_state=0).tolist()
    else:
        texts = read_corpus(study.corpus, resolve_corpus(catalog, study.corpus)).items["text"].head(POSTS).tolist()
    items = pd.DataFrame({"item_id": [f"item{n:05}" for n in range(POSTS)], "text": texts})
    wordings = catalog.template_sets[study.template_set].templates
    one = dict(list(wordings.items())[:1])
    task = catalog.tasks[study.task]
    questions = build_questions(items, personas, one, study.task, task)
    assert len(questions) == POSTS * PERSONAS == 2000
    return Asked(questions, items, Renderer(task, personas, one), task.option_values)


@pytest.fixture(scope="module")
def folder(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 1.4M weights and a tokenizer that has learnt the prompts."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=550, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    prompts = asked.cells(EngineSettings(), "t").prompts
    made.train_from_iterator((message["content"] for prompt in prompts[:POSTS] for message in prompt.messages), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="<|end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": special[2:]})
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=192, intermediate_size=512, num_hidden_layers=3, num_attention_heads=6,
        max_position_embeddings=512, initializer_range=0.1, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=True,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("random")
    LlamaForCausalLM(config).eval().save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def here(folder: Path) -> Loaded:
    """The model in the transformers library."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return Loaded(model, tokenizer, chat_template_hash(tokenizer, "random"))


@pytest.fixture(scope="module")
def vllm(vllm_on: Any, folder: Path) -> RemoteEngine:
    """The model in vllm."""
    engine: RemoteEngine = vllm_on(folder)
    engine.load()
    return engine


@pytest.fixture(scope="module")
def http(vllm_environment: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIEngine]:
    """The model behind a vLLM server, asked over HTTP."""
    settings = EngineSettings(name="openai", scoring="first-token", top_logprobs=20)
    with VllmServer(folder, tmp_path_factory.mktemp("server"), KEY) as server:
        endpoint = endpoint_at(server.url, KEY)
        yield OpenAIEngine(endpoint, "tiny", settings, engine_identity(settings, SERVED), Spending())


def _scored(score: Any, prompts: list[Prompt], options: tuple[str, ...], scoring: str) -> Table:
    table = np.full((len(prompts), len(options)), np.nan)
    for batch in score(prompts, [options] * len(prompts), scoring):
        assert not batch.failures
        if batch.indices:
            table[batch.indices] = batch.logprobs
    assert np.isfinite(table).all()
    return table


def _answers(table: Table, options: tuple[str, ...]) -> list[str | None]:
    return [choose(row, options).answer for row in table]


def test_first_tokens_score_alike_in_all_four(asked: Asked, here: Loaded, vllm: RemoteEngine, http: Any) -> None:
    prompts = asked.cells(EngineSettings(), "t").prompts
    settings = EngineSettings(scoring="first-token")
    naive = _scored(engine_on(here, settings).score_naive, prompts, asked.options, "first-token")
    others = {
        "shared beginnings": _scored(engine_on(here, settings).score_choices, prompts, asked.options, "first-token"),
        "vllm": _scored(vllm.score_choices, prompts, asked.options, "first-token"),
        "http": _scored(http.score_choices, prompts, asked.options, "first-token"),
    }
    apart = {name: float(np.abs(table - naive).max()) for name, table in others.items()}
    print({name: f"{off:.1e}" for name, off in apart.items()})
    assert max(apart.values()) < CLOSE, apart
    expected = _answers(naive, asked.options)
    assert len(set(expected)) > 1  # a model that always says the same would prove nothing
    for name, table in others.items():
        assert _answers(table, asked.options) == expected, name


def test_whole_options_score_alike_in_all_that_can(asked: Asked, here: Loaded, vllm: RemoteEngine) -> None:
    prompts = asked.cells(EngineSettings(), "t").prompts
    naive = _scored(engine_on(here, EngineSettings()).score_naive, prompts, asked.options, "sum")
    shared = _scored(engine_on(here, EngineSettings()).score_choices, prompts, asked.options, "sum")
    offline = _scored(vllm.score_choices, prompts, asked.options, "sum")
    apart = {"shared beginnings": float(np.abs(shared - naive).max()), "vllm": float(np.abs(offline - naive).max())}
    print({name: f"{off:.1e}" for name, off in apart.items()})
    assert max(apart.values()) < CLOSE, apart
    expected = _answers(naive, asked.options)
    assert _answers(shared, asked.options) == _answers(offline, asked.options) == expected


def test_engines_share_questions_and_no_cell(asked: Asked, here: Loaded) -> None:
    template = here.chat_template_hash
    cells = {
        "transformers": asked.cells(EngineSettings(scoring="first-token"), template).ids,
        "vllm": asked.cells(EngineSettings(name="vllm", scoring="first-token"), template).ids,
        "http": asked.cells(EngineSettings(name="openai", scoring="first-token"), SERVED).ids,
    }
    assert all(len(set(ids)) == 2000 for ids in cells.values())
    assert len(set().union(*cells.values())) == 6000
    assert asked.questions["question_id"].is_unique
