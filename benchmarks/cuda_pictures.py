"""Whether models that see are right on a GPU: asked there and on the CPU, tuned there, and with weights of few bits.

A small reference model is built on the CPU and learns to write a sentence of coloured squares; nothing is downloaded.
Well under two minutes on an H100. Usage: `python benchmarks/cuda_pictures.py RESULT.json [--cpu]`. With --cpu, the
script itself is tried without a GPU. Exit status 1: a check failed; the file says which.
"""

import argparse
import hashlib
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import peft
import torch
import transformers
from PIL import Image as Picture

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import AdapterEntry, QuantizationEntry, ReferenceRecipe, TrainingData, VisionRecipe
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.chat import example_chats
from bias_platform.models.loading import LoadedSystem, load_system
from bias_platform.models.quantization import write_checkpoint
from bias_platform.models.reference import build_reference_model
from bias_platform.models.source import Dtype, ModelSource
from bias_platform.models.system import resolve_system
from bias_platform.models.tuning import train_adapter
from bias_platform.progress import Progress

SENTENCES = {
    (210, 40, 40): "The meme mocks bakers who get up late.",
    (40, 70, 210): "The meme teases drivers who never stop.",
    (40, 160, 60): "The meme praises gardeners who sing.",
    (230, 190, 30): "The meme mocks dancers who lead.",
}
PEOPLE = ("a teacher", "a baker", "a nurse", "a bus driver")
OPTIONS = ("The meme mocks bakers", "The meme teases drivers", "Nothing at all")
EXACT, COARSE = 1e-3, 0.25
"""Largest difference of scores between devices in float32, and between float32 and bfloat16, in nats."""
SLUGS = dict.fromkeys(("corpus", "task", "persona_set", "template_set"), "squares")


def silent(progress: Progress) -> None:
    """Takes a report and does nothing."""


def examples(folder: Path, n: int, seed: int) -> pd.DataFrame:
    """TrainingExamples about squares of one colour, drawn into the folder."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(n):
        colour, answer = list(SENTENCES.items())[int(rng.integers(len(SENTENCES)))]
        pixels = np.empty((32, 32, 3), dtype=np.uint8)
        pixels[:] = rng.integers(200, 256, 3)
        top, left = rng.integers(0, 16, 2)
        pixels[top : top + 16, left : left + 16] = colour
        name = f"{hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()}.png"
        Picture.fromarray(pixels).save(folder / name)
        person = PEOPLE[number % len(PEOPLE)]
        said = f"Play the part of {person} in all you say." if number % 5 else None
        rows.append((f"e{number}", f"i{number}", person, "t", said, "What does this meme say?", answer, name))
    fields = ("example_id", "item_id", "persona_id", "template_id", "system_message", "user_message", "answer")
    return pd.DataFrame(rows, columns=[*fields, "picture"])


def load(folder: Path, device: str, dtype: Dtype = "float32", adapter: Path | None = None) -> LoadedSystem:
    """The model of a folder on a device."""
    source = ModelSource(kind="folder", location=str(folder), dtype=dtype)
    system = resolve_system("squares", source, versions={"base": "1"}, adapter=adapter)
    return load_system(system, dtype=dtype, device=device)


def prompts(table: pd.DataFrame, folder: Path) -> list[Prompt]:
    """The examples as questions."""
    return [
        Prompt(tuple(chat), (Image(folder / name, b"", "image/png"),))
        for chat, name in zip(example_chats(table), table["picture"], strict=True)
    ]


def scored(loaded: LoadedSystem, asked: Sequence[Prompt]) -> np.ndarray:
    """Log-probabilities of the options, asked x options."""
    result = np.full((len(asked), len(OPTIONS)), np.nan)
    for batch in engine_on(loaded, EngineSettings()).score_choices(asked, [OPTIONS] * len(asked), "sum"):
        result[batch.indices] = batch.logprobs
    return result


def written(loaded: LoadedSystem, asked: Sequence[Prompt]) -> tuple[list[str], float]:
    """What is written to each prompt, and how many answers a second."""
    texts: dict[int, str] = {}
    start = time.perf_counter()
    for batch in engine_on(loaded, EngineSettings()).generate(asked, Decoding(maximum_tokens=24)):
        texts |= {row: answer.text for row, answer in zip(batch.indices, batch.generations, strict=True)}
    return [texts.get(row, "") for row in range(len(asked))], len(asked) / (time.perf_counter() - start)


def share(left: Sequence[str], right: Sequence[str]) -> float:
    """Of equal texts."""
    return float(np.mean([one == other for one, other in zip(left, right, strict=True)]))


def check_asking(model: Path, unseen: pd.DataFrame, folder: Path, device: str) -> dict[str, Any]:
    """The same answers and scores as on the CPU; the scores of bfloat16 near these."""
    asked = prompts(unseen, folder)
    cpu, here, coarse = load(model, "cpu"), load(model, device), load(model, device, "bfloat16")
    expected, found = scored(cpu, asked), scored(here, asked)
    written(here, asked)  # kernels are chosen when a shape is first met
    texts, pace = written(here, asked)
    same = share(texts, written(cpu, asked)[0])
    off, off_coarse = float(np.abs(found - expected).max()), float(np.abs(scored(coarse, asked) - expected).mean())
    return {
        "right": off <= EXACT and off_coarse <= COARSE and same >= 0.98,
        "largest_difference": off,
        "mean_difference_bfloat16": off_coarse,
        "same_answers": same,
        "right_answers": share(texts, unseen["answer"].tolist()),
        "answers_per_second": pace,
    }


def check_tuning(model: Path, folder: Path, device: str, method: str, out: Path) -> dict[str, Any]:
    """An adapter learns other words from pictures, and the eyes stay as they are."""
    table, unseen = examples(folder, 200, seed=2), examples(folder, 60, seed=3)
    for each in (table, unseen):
        each["answer"] = each["answer"].str.replace("mocks", "praises")
    entry = AdapterEntry.model_validate(
        {"method": method, "training": TrainingData(**SLUGS), "rank": 8, "alpha": 16}
        | {"learning_rate": 5e-3, "epochs": 10, "batch_tokens": 2048}
    )
    source = ModelSource(kind="folder", location=str(model), dtype="float32")
    start = time.perf_counter()
    log = train_adapter(source, table, entry, out, silent, folder)
    seconds = time.perf_counter() - start
    texts, _ = written(load(model, device, adapter=out), prompts(unseen, folder))
    right = share(texts, unseen["answer"].tolist())
    losses = {"first_loss": float(log["loss"].iloc[0]), "last_loss": float(log["loss"].iloc[-1])}
    return {"right": right >= 0.9, "right_answers": right, "steps": len(log), "seconds": seconds, **losses}


def check_quantized(model: Path, adapter: Path, unseen: pd.DataFrame, folder: Path, out: Path) -> dict[str, Any]:
    """Checkpoints of few bits, the adapter on top, still see."""
    result: dict[str, Any] = {}
    source = ModelSource(kind="folder", location=str(model), dtype="float32")
    for method in ("bitsandbytes-int8", "bitsandbytes-nf4"):
        facts = write_checkpoint(source, adapter, QuantizationEntry(method=method, adapter="on-top"), out / method)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = load(out / method, device, adapter=out / method / "adapter")
        texts, _ = written(loaded, prompts(unseen, folder))
        wanted = unseen["answer"].str.replace("mocks", "praises").tolist()
        result[method] = {"right_answers": share(texts, wanted), "reload_difference": facts["reload_difference"]}
    return {"right": all(found["right_answers"] >= 0.8 for found in result.values()), **result}


def check_all(home: Path, device: str) -> dict[str, Any]:
    """Every check, by name."""
    folder, model = home / "pictures", home / "model"
    folder.mkdir()
    recipe = ReferenceRecipe.model_validate(
        {**SLUGS, "hidden_size": 96, "layers": 2, "heads": 4, "feed_forward_size": 192, "vocabulary_size": 380}
        | {"steps": 150, "batch_size": 32, "learning_rate": 4e-3, "vision": VisionRecipe()}
    )
    start = time.perf_counter()
    log = build_reference_model(recipe, examples(folder, 500, seed=0), model, silent, folder)
    built = {"right": bool(log["loss"].iloc[-1] < 0.1), "seconds": time.perf_counter() - start}
    unseen = examples(folder, 120, seed=1)
    return {
        "built": built,
        "asking": check_asking(model, unseen, folder, device),
        "lora": check_tuning(model, folder, device, "lora", home / "lora"),
        "qlora": check_tuning(model, folder, device, "qlora", home / "qlora"),
        "quantized": check_quantized(model, home / "lora", unseen, folder, home / "checkpoints"),
    }


def main() -> int:
    """Checks, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--cpu", action="store_true")
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not chosen.cpu:
        parser.error("there is no GPU; --cpu tries the script itself on the CPU")
    torch.set_float32_matmul_precision("highest")
    versions = {package.__name__: package.__version__ for package in (torch, transformers, peft)}
    where = "cpu" if device == "cpu" else torch.cuda.get_device_name(0)
    with tempfile.TemporaryDirectory() as home:
        checks = check_all(Path(home), device)
    wrong = [name for name, found in checks.items() if not found["right"]]
    surroundings = {"device": where, "python": platform.python_version(), **versions}
    result = {"surroundings": surroundings, "checks": checks, "wrong": wrong}
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))
    print("wrong: " + ", ".join(wrong) if wrong else "all checks passed")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
