"""Many adapters over one base: one call, common passes, the scores of each adapter alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError, UserError
from bias_platform.inference.engines.adapters_in_batch import NO_ADAPTER, AdaptedModel
from bias_platform.inference.engines.base import Decoding, Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.four_bit import compute_in, keep_weights_unpacked
from bias_platform.models.loading import load_system, load_systems_on_one_base
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, resolve_system
from bias_platform_tests.inference.conftest import chat
from bias_platform_tests.inference.gathered_scores import scores
from bias_platform_tests.inference.test_transformers_generation import written

NAMES = ("first", "second", "third")


@pytest.fixture(scope="module")
def folders(loaded: Any, llama: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base and three adapters that move its scores."""
    home = tmp_path_factory.mktemp("adapters")
    loaded.model.save_pretrained(home / "base")
    loaded.tokenizer.save_pretrained(home / "base")
    for seed, (name, modules) in enumerate(
        zip(NAMES, (["q_proj", "v_proj"], ["down_proj"], ["k_proj", "o_proj"]), strict=True)
    ):
        torch.manual_seed(seed)
        config = LoraConfig(r=2 + seed, target_modules=modules, init_lora_weights=False)
        get_peft_model(llama(len(loaded.tokenizer)), config).save_pretrained(home / name)
    return {name: home / name for name in ("base", *NAMES)}


@pytest.fixture(scope="module")
def chats() -> list[Prompt]:
    """2 personas x 12 posts that begin differently."""
    posts = [
        f"{word} was late again and nobody said sorry." for word in ("Bus", "My tea", "Rain", "What", "People", "No")
    ]
    posts += [post + " Yes, my neighbour plays the trumpet at night." for post in posts]
    return [
        chat(f"You are {persona}. Answer as this person would. Could the post be considered rude to anyone?", post)
        for post in posts
        for persona in ("a teacher", "an old man")
    ]


def system(folders: dict[str, Path], adapter: str | None) -> ResolvedSystem:
    source = ModelSource(kind="folder", location=str(folders["base"]), dtype="float32")
    path = folders[adapter] if adapter else None
    return resolve_system(f"base+{adapter}" if adapter else "base", source, versions={"base": "1"}, adapter=path)


def dealt(prompts: list[Prompt], names: list[str]) -> list[Prompt]:
    """Every prompt, by a name in turn."""
    return [prompt._replace(adapter=names[row % len(names)]) for row, prompt in enumerate(prompts)]


def test_mixed_rows_get_the_scores_of_each_system_alone(
    folders: dict[str, Path], chats: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[int] = []
    call = AdaptedModel.__call__

    def counted(self: Any, adapters: Any, **inputs: Any) -> Any:
        kinds.append(len(set(adapters)))
        return call(self, adapters, **inputs)

    systems = [system(folders, name) for name in (None, *NAMES)]
    together = load_systems_on_one_base(systems)
    engine = engine_on(together.loaded, EngineSettings())
    names = [together.adapters[one.slug] for one in systems]
    assert names[0] == NO_ADAPTER
    assert set(names) == set(engine.adapters)
    monkeypatch.setattr(AdaptedModel, "__call__", counted)
    asked = [one._replace(adapter=name) for one in chats for name in names]
    mixed, _ = scores(engine.score_choices, asked)
    assert kinds.count(4) >= 4, "rows of all systems share passes"
    assert engine.stats.sent_tokens < 0.3 * engine.stats.full_tokens
    np.testing.assert_allclose(scores(engine.score_naive, asked)[0], mixed, atol=1e-5, rtol=0)
    tables = [scores(engine_on(load_system(one), EngineSettings()).score_choices, chats)[0] for one in systems]
    for place, table in enumerate(tables):
        np.testing.assert_allclose(mixed[place::4], table, atol=1e-5, rtol=0)
    assert all(np.abs(tables[0] - table).max() > 0.05 for table in tables[1:])


def test_what_one_adapter_reads_is_of_no_use_to_another(folders: dict[str, Path], prompts: list[Prompt]) -> None:
    together = load_systems_on_one_base([system(folders, name) for name in NAMES])
    engine = engine_on(together.loaded, EngineSettings())
    scores(engine.score_choices, prompts[:18])
    once = engine.stats.distinct_tokens
    names = list(together.adapters.values())
    scores(engine.score_choices, [prompt._replace(adapter=name) for name in names for prompt in prompts[:18]])
    assert engine.stats.distinct_tokens == 4 * once


def test_mixed_rows_are_written_as_by_each_adapter_alone(folders: dict[str, Path], prompts: list[Prompt]) -> None:
    together = load_systems_on_one_base([system(folders, name) for name in NAMES])
    names = [*together.adapters.values(), NO_ADAPTER]
    for shares in (None, False):
        engine = engine_on(together.loaded, EngineSettings())
        engine._sharing._shares = shares
        mixed, _ = written(engine, dealt(prompts[:24], names), Decoding(maximum_tokens=8))
        for place, name in enumerate((*NAMES, None)):
            alone = engine_on(load_system(system(folders, name)), EngineSettings())
            expected, _ = written(alone, prompts[:24][place::4], Decoding(maximum_tokens=8))
            assert [mixed[row] for row in range(place, 24, 4)] == list(dict(sorted(expected.items())).values())


@pytest.mark.parametrize(("bits", "tolerance"), [(4, 1e-4), (8, 0.3)])
def test_adapters_mix_over_a_quantized_base(
    loaded: Any, folders: dict[str, Path], prompts: list[Prompt], bits: int, tolerance: float
) -> None:
    def quantized(names: list[str]) -> Any:
        config = BitsAndBytesConfig(
            load_in_8bit=bits == 8, load_in_4bit=bits == 4, bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.float32,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(
            folders["base"], dtype=torch.float32, quantization_config=config
        ).eval()
        if keep_weights_unpacked(model):
            compute_in(model, torch.float32)
        model = PeftModel.from_pretrained(model, folders[names[0]], adapter_name=names[0])
        for name in names[1:]:
            model.load_adapter(str(folders[name]), name)
        return engine_on(loaded._replace(model=model.eval()), EngineSettings())

    mixed, _ = scores(quantized(["first", "second"]).score_choices, dealt(prompts[:20], ["first", "second"]))
    for place, name in enumerate(("first", "second")):
        alone, _ = scores(quantized([name]).score_choices, prompts[:20][place::2])
        np.testing.assert_allclose(mixed[place::2], alone, atol=tolerance, rtol=0)
    assert np.abs(mixed[::2][:9] - mixed[1::2][:9]).max() > 0.05


def test_adapters_that_peft_cannot_mix_take_turns(
    loaded: Any, llama: Callable[..., Any], prompts: list[Prompt]
) -> None:
    """Weight-decomposed adapters."""
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, use_dora=True)
    model = get_peft_model(llama(len(loaded.tokenizer)), config, adapter_name="one")
    model.add_adapter("two", config)
    engine = engine_on(loaded._replace(model=model.eval()), EngineSettings())
    assert not AdaptedModel(model).mixes
    names = ["one", "two", NO_ADAPTER]
    chats = dealt(prompts[:18], names)
    mixed, _ = scores(engine.score_choices, chats)
    np.testing.assert_allclose(mixed, scores(engine.score_naive, chats)[0], atol=1e-5, rtol=0)
    base, _ = scores(engine_on(loaded, EngineSettings()).score_choices, prompts[:18])
    np.testing.assert_allclose(mixed[2::3], base[2::3], atol=1e-5, rtol=0)
    assert np.abs(mixed[0::3] - base[0::3]).max() > 0.01
    assert model.active_adapter == "one"
    as_loaded, _ = scores(engine.score_choices, prompts[:18])
    np.testing.assert_allclose(as_loaded[0::3], mixed[0::3], atol=1e-5, rtol=0)


def test_unnamed_prompts_beside_named_ones_get_the_system_as_loaded(
    folders: dict[str, Path], prompts: list[Prompt]
) -> None:
    together = load_systems_on_one_base([system(folders, name) for name in NAMES[:2]])
    engine = engine_on(together.loaded, EngineSettings())
    plain, _ = scores(engine.score_choices, prompts[:10])
    second = together.adapters["base+second"]
    chats = [prompt._replace(adapter=second if row % 2 else None) for row, prompt in enumerate(prompts[:10])]
    np.testing.assert_allclose(scores(engine.score_choices, chats)[0][::2], plain[::2], atol=1e-5, rtol=0)


def test_an_unknown_adapter_is_named_with_those_there_are(
    loaded: Any, folders: dict[str, Path], prompts: list[Prompt]
) -> None:
    chats = [prompts[0]._replace(adapter="fourth")]
    with pytest.raises(UserError, match=r"'fourth' is not among .* \(it has: none; .* without adapters\)"):
        scores(engine_on(loaded, EngineSettings()).score_choices, chats)
    together = load_systems_on_one_base([system(folders, name) for name in NAMES[:2]])
    with pytest.raises(UserError, match=r"'fourth' is not among .* \(it has: adapter0, adapter1, __base__\)"):
        written(engine_on(together.loaded, EngineSettings()), chats)


def test_systems_on_different_bases_are_not_loaded_together(folders: dict[str, Path], tmp_path: Path) -> None:
    other = resolve_system(
        "other", ModelSource(kind="folder", location=str(tmp_path), dtype="float32"), versions={"base": "2"}
    )
    with pytest.raises(ModelLoadError, match="'base' and 'other' are not on one base"):
        load_systems_on_one_base([system(folders, None), other])
