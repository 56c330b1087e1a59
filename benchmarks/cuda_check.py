"""Whether the transformers engine is right on a GPU, and how fast: shared beginnings against whole sequences, writing
against transformers' own `generate`, adapters mixed in one pass, and batches halved for want of real memory.

Random Llamas made on the spot, so nothing is downloaded; about two minutes on an H100. Usage:
`python benchmarks/cuda_check.py RESULT.json [--tiny]`. With --tiny, small models, on the CPU if there is no GPU. Exit
status 1: a check failed; the file says which.
"""

import argparse
import gc
import json
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.inference.engines.base import Decoding, Generation, Prompt
from bias_platform.inference.engines.transformers_engine import TransformersEngine, engine_on

OPTIONS = ("Yes, it offends", "Maybe, hard to tell", "No, it is fine", "Incomprehensible, it makes no sense")
WORDINGS = ("Play the part of {} in all you say.", "For this conversation you are {}.", "Reply just as {} would reply.")
PLACES = ("village", "harbour town", "big city", "mountain valley", "suburb")
TRADES = ("teacher", "baker", "nurse", "bus driver")
WORDS = re.findall(
    r"\w+",
    "the bus was late again nobody said sorry my neighbour plays trumpet at night what a lovely garden you have there "
    "people from that street never learn do they it rained on the market and everyone laughed",
)
QUESTION = "Would anybody feel offended by the post below?\n" + "\n".join(OPTIONS) + "\nGive one of these.\nPost: "
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SHAPES = {
    "85M": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12},
    "1.1B": {
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "vocab_size": 32000,
    },
}
TINY = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
    "wide vocabulary": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 8000,
    },
}
EXACT, COARSE = 1e-3, 0.25
"""Largest difference of two ways to the same score, in nats: float32, bfloat16."""
SPARE_BYTES = 400 << 20
"""Memory left beyond the weights when batches are to be halved, in float32; half of it in bfloat16."""
HUGE_BATCH = 1 << 19
"""Tokens in a pass for which that does not suffice."""


class Loaded(NamedTuple):
    """What an engine is given."""

    model: Any
    tokenizer: Any
    chat_template_hash: str = "check"


class Setting(NamedTuple):
    """What all checks share."""

    device: str
    prompts: list[Prompt]
    tokenizer: PreTrainedTokenizerFast
    writing: int
    """prompts that are continued"""


def questions(posts: int) -> list[Prompt]:
    """20 personas x 3 wordings x posts."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(8, 40))) for _ in range(posts)]
    personas = [f"a {trade} in a {place}" for trade in TRADES for place in PLACES]
    return [
        Prompt(
            ({"role": "system", "content": wording.format(who)}, {"role": "user", "content": QUESTION + text}),
            seed=number,
        )
        for number, (who, wording, text) in enumerate(
            (who, wording, text) for who in personas for wording in WORDINGS for text in texts
        )
    ]


def train_tokenizer(prompts: list[Prompt]) -> PreTrainedTokenizerFast:
    """Byte-level BPE on the questions."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([m["content"] for prompt in prompts for m in prompt.messages], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[1:]})
    fast.chat_template = TEMPLATE
    return fast


def random_model(setting: Setting, shape: dict[str, int], dtype: torch.dtype) -> Loaded:
    """A Llama with weights large enough that scores differ between prompts."""
    torch.manual_seed(0)
    sizes = {"vocab_size": len(setting.tokenizer), **shape}
    config = LlamaConfig(max_position_embeddings=1024, initializer_range=0.6 / sizes["hidden_size"] ** 0.5, **sizes)
    with torch.device(setting.device):
        model = LlamaForCausalLM(config)
    return Loaded(model.to(dtype).eval(), setting.tokenizer)


def scored(score: Callable[..., Any], prompts: list[Prompt]) -> tuple[np.ndarray[Any, Any], int, float]:
    """Scores in the order of the prompts, failures, seconds."""
    table, failed = np.full((len(prompts), len(OPTIONS)), np.nan), 0
    start = clock()
    for batch in score(prompts, [OPTIONS] * len(prompts), "sum"):
        if batch.indices:
            table[batch.indices] = batch.logprobs
        failed += len(batch.failures)
    return table, failed, clock() - start


def written(engine: TransformersEngine, prompts: list[Prompt], decoding: Decoding) -> tuple[list[Generation], float]:
    """Answers in the order of the prompts, seconds."""
    answers: dict[int, Generation] = {}
    start = clock()
    for batch in engine.generate(prompts, decoding):
        answers |= dict(zip(batch.indices, batch.generations, strict=True))
    return [answers[row] for row in range(len(prompts))], clock() - start


def clock() -> float:
    """Seconds, when all that was asked of the device is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def check_scores(loaded: Loaded, setting: Setting, tolerance: float) -> dict[str, Any]:
    """Shared beginnings against whole sequences."""
    settings = EngineSettings(batch_tokens=65_536)
    # kernels are chosen when a shape is first met: what that takes is not the pace of the work
    scored(engine_on(loaded, settings).score_choices, setting.prompts)
    scored(engine_on(loaded, settings).score_naive, setting.prompts[:40])
    engine = engine_on(loaded, settings)
    shared, failed, seconds = scored(engine.score_choices, setting.prompts)
    whole, _, naive = scored(engine_on(loaded, settings).score_naive, setting.prompts)
    off = float(np.abs(shared - whole).max())
    cells = len(setting.prompts)
    return {
        "right": failed == 0 and off <= tolerance and not engine.stats.notes,
        "cells": cells,
        "largest_difference": off,
        "mean_difference": float(np.abs(shared - whole).mean()),
        "same_answers": float((shared.argmax(axis=1) == whole.argmax(axis=1)).mean()),
        "spread_of_scores": float(np.ptp(whole, axis=0).min()),
        "cells_per_second_shared": cells / seconds,
        "cells_per_second_whole": cells / naive,
        "times_faster": naive / seconds,
        "bound_full_tokens_to_distinct": engine.stats.full_tokens / engine.stats.distinct_tokens,
        "engine": engine.stats.facts(),
    }


def check_writing(loaded: Loaded, setting: Setting, exact: bool) -> dict[str, Any]:
    """Greedy text against transformers' `generate`; drawn text in batches of two sizes."""
    prompts, greedy = setting.prompts[:: len(setting.prompts) // setting.writing], Decoding(maximum_tokens=24)
    engine = engine_on(loaded, EngineSettings(batch_tokens=65_536))
    answers, seconds = written(engine, prompts, greedy)
    texts, naive = by_transformers(loaded, prompts, 24)
    equal = sum(answer.text == text for answer, text in zip(answers, texts, strict=True)) / len(prompts)
    warm = Decoding(maximum_tokens=24, temperature=0.8, top_p=0.9)
    drawn, _ = written(engine, prompts, warm)
    small, _ = written(engine_on(loaded, EngineSettings(batch_tokens=1024)), prompts, warm)
    same = sum(left == right for left, right in zip(drawn, small, strict=True)) / len(prompts)
    tokens = sum(answer.output_tokens for answer in answers)
    return {
        "right": not exact or (equal == 1 and same >= 0.95),
        "answers": len(prompts),
        "greedy_equal_to_transformers": equal,
        "drawn_equal_in_other_batches": same,
        "tokens_per_second": tokens / seconds,
        "tokens_per_second_one_by_one": tokens / naive,
    }


def by_transformers(loaded: Loaded, prompts: list[Prompt], longest: int) -> tuple[list[str], float]:
    """Greedy answers one by one, seconds."""
    tokenizer, model = loaded.tokenizer, loaded.model
    stops = sorted({model.generation_config.eos_token_id, tokenizer.eos_token_id})
    texts, start = [], clock()
    for prompt in prompts:
        text = tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
        ids = tokenizer([text], add_special_tokens=False, return_tensors="pt")["input_ids"].to(model.device)
        tokens = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=longest,
            eos_token_id=stops,
            pad_token_id=0,
        )[0, ids.shape[1] :].tolist()
        ended = tokens[-1] in stops
        texts.append(tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True))
    return texts, clock() - start


def check_adapters(loaded: Loaded, setting: Setting, tolerance: float) -> dict[str, Any]:
    """Four adapters in one call against each by itself."""
    names = [f"adapter{number}" for number in range(4)]
    model = with_adapters(loaded.model, names)
    engine = engine_on(loaded._replace(model=model), EngineSettings(batch_tokens=65_536))
    prompts = setting.prompts[:: max(1, len(setting.prompts) // 240)]
    asked = [prompt._replace(adapter=name) for prompt in prompts for name in names]
    scored(engine.score_choices, asked[:40])
    mixed, failed, seconds = scored(engine.score_choices, asked)
    alone, alone_seconds = np.empty_like(mixed), 0.0
    for place, name in enumerate(names):
        model.set_adapter(name)
        alone[place :: len(names)], _, took = scored(engine.score_choices, prompts)
        alone_seconds += took
    model.unload()
    off = float(np.abs(mixed - alone).max())
    return {
        "right": failed == 0 and off <= tolerance,
        "cells": len(asked),
        "largest_difference": off,
        "difference_between_adapters": float(np.abs(alone[0::4] - alone[1::4]).max()),
        "cells_per_second_mixed": len(asked) / seconds,
        "cells_per_second_one_after_the_other": len(asked) / alone_seconds,
    }


def with_adapters(model: Any, names: list[str]) -> Any:
    """The model with LoRA adapters of random weights."""
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    torch.manual_seed(1)
    adapted = get_peft_model(model, config, adapter_name=names[0])
    for name in names[1:]:
        adapted.add_adapter(name, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.mul_(0.3)
    return adapted.eval()


def check_memory(loaded: Loaded, setting: Setting, tolerance: float) -> dict[str, Any]:
    """Batches far too large for what memory is left: scored and written all the same."""
    if setting.device == "cpu":
        return {"right": True, "skipped": "there is no GPU"}
    expected, _, _ = scored(engine_on(loaded, EngineSettings()).score_choices, setting.prompts)
    prompts, decoding = setting.prompts[:: len(setting.prompts) // setting.writing], Decoding(maximum_tokens=8)
    texts, _ = written(engine_on(loaded, EngineSettings()), prompts, decoding)
    bytes_a_number = next(loaded.model.parameters()).element_size()
    with little_memory(SPARE_BYTES * bytes_a_number // 4):
        engine = engine_on(loaded, EngineSettings(batch_tokens=HUGE_BATCH))
        scores, failed, _ = scored(engine.score_choices, setting.prompts)
        whole = engine_on(loaded, EngineSettings(batch_tokens=HUGE_BATCH))
        naive, lost, _ = scored(whole.score_naive, setting.prompts)
        writer = engine_on(loaded, EngineSettings(batch_tokens=HUGE_BATCH))
        answers, _ = written(writer, setting.prompts, decoding)
        few, _ = written(engine_on(loaded, EngineSettings(batch_tokens=HUGE_BATCH)), prompts, decoding)
    off = max(float(np.abs(scores - expected).max()), float(np.abs(naive - expected).max()))
    halved = {"scoring": engine.stats.halved_batches, "writing": writer.stats.halved_batches}
    return {
        "right": failed + lost == 0 and off <= tolerance and min(halved.values()) > 0 and len(answers) == len(expected),
        "halved_batches": halved | {"whole": whole.stats.halved_batches},
        "failed": failed + lost,
        "largest_difference": off,
        "same_text": sum(left == right for left, right in zip(texts, few, strict=True)) / len(prompts),
    }


def check_quantized(setting: Setting, shape: dict[str, int]) -> dict[str, Any]:
    """Shared beginnings against whole sequences of bitsandbytes' 4- and 8-bit weights."""
    try:
        import bitsandbytes
    except ImportError:
        return {"right": True, "skipped": "bitsandbytes is not installed"}
    result: dict[str, Any] = {"bitsandbytes": bitsandbytes.__version__}
    schemes = {"nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "int8": {"load_in_8bit": True}}
    with tempfile.TemporaryDirectory() as folder:
        random_model(setting, shape, torch.bfloat16).model.save_pretrained(folder)
        for name, scheme in schemes.items():
            quantization = transformers.BitsAndBytesConfig(bnb_4bit_compute_dtype=torch.bfloat16, **scheme)
            model = LlamaForCausalLM.from_pretrained(
                folder, quantization_config=quantization, dtype=torch.bfloat16, device_map={"": setting.device}
            )
            result[name] = check_scores(Loaded(model.eval(), setting.tokenizer), setting, COARSE)
    return result | {"right": all(result[name]["right"] for name in schemes)}


@contextmanager
def little_memory(spare: int) -> Iterator[None]:
    """Hardly more of the GPU than what is taken."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + spare) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def check_model(setting: Setting, shape: dict[str, int], dtype: torch.dtype, all_checks: bool) -> dict[str, Any]:
    """All that is checked on one model in one number format."""
    loaded, exact = random_model(setting, shape, dtype), dtype == torch.float32
    tolerance = EXACT if exact else COARSE
    result: dict[str, Any] = {"weights": sum(parameter.numel() for parameter in loaded.model.parameters())}
    result["scores"] = check_scores(loaded, setting, tolerance)
    result["writing"] = check_writing(loaded, setting, exact)
    if all_checks:
        result["memory"] = check_memory(loaded, setting, tolerance)
        result["adapters"] = check_adapters(loaded, setting, tolerance)
        if not exact:
            result["quantized"] = check_quantized(setting, shape)
    if setting.device != "cpu":
        result["most_memory_bytes"] = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    return result


def surroundings(device: str) -> dict[str, Any]:
    """What computed."""
    return {
        "device": "cpu" if device == "cpu" else torch.cuda.get_device_name(0),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def main() -> int:
    """Checks, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not chosen.tiny:
        parser.error("there is no GPU; --tiny tries the script itself on the CPU")
    torch.set_float32_matmul_precision("highest")
    prompts = questions(2 if chosen.tiny else 12)
    setting = Setting(device, prompts, train_tokenizer(prompts), 8 if chosen.tiny else 48)
    result: dict[str, Any] = {"surroundings": surroundings(device), "models": {}, "wrong": []}
    for size, shape in (TINY if chosen.tiny else SHAPES).items():
        for dtype in (torch.float32, torch.bfloat16):
            name, start = f"{size} {str(dtype).removeprefix('torch.')}", clock()
            checked = check_model(setting, shape, dtype, all_checks=size in ("85M", "tiny"))
            result["models"][name] = checked | {"seconds": clock() - start}
            result["wrong"] += [f"{name}: {check}" for check in wrong_checks(checked)]
            print(name, json.dumps(checked, indent=1), flush=True)
            chosen.result.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            gc.collect()
    print("wrong: " + ", ".join(result["wrong"]) if result["wrong"] else "all checks passed")
    return int(bool(result["wrong"]))


def wrong_checks(checked: dict[str, Any]) -> list[str]:
    """Names of the checks of a model that failed."""
    return [name for name, values in checked.items() if isinstance(values, dict) and not values["right"]]


if __name__ == "__main__":
    raise SystemExit(main())
