"""How well a reference model that sees explains memes it never saw, and how fast it is asked 61 questions about each.

It learns the commonest explanation of the bundled sample memes' training split, in 20 personas and 3 wordings, and is
asked about the test split in all of them. About three CPU minutes. Usage:
`python benchmarks/seeing_reference.py RESULT.json`.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import (
    CorpusEntry,
    PersonaEntry,
    PersonaSetEntry,
    ReferenceRecipe,
    TaskEntry,
    VisionRecipe,
)
from bias_platform.corpora import read_corpus
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.chat import example_chats
from bias_platform.models.loading import LoadedSystem, load_system
from bias_platform.models.reference import build_reference_model
from bias_platform.models.source import ModelSource
from bias_platform.models.system import resolve_system
from bias_platform.progress import Progress
from bias_platform.prompts.examples import persona_blind_examples
from bias_platform.prompts.personas import personas_table

MEMES = Path(__file__).parents[1] / "data" / "sample-memes"
PREFIX = "The meme "
TASK = TaskEntry(
    shown="picture",
    question="Whom does this meme attack, and what does it imply of them?\nAnswer with one sentence: The meme <verb> "
    "<group> <what it implies of them>.",
    answer="sentence",
    patterns=("The meme {verb} the {group} {message}.",),
)
PEOPLE = PersonaSetEntry(
    dimensions={
        "trade": tuple(
            PersonaEntry(id=f"{trade}-{place}", phrase=f"a {trade} in a {place}")
            for trade in ("teacher", "baker", "nurse", "driver")
            for place in ("village", "harbour", "city", "valley", "suburb")
        )
    },
    control=PersonaEntry(id="anyone", phrase="a person"),
)
TEMPLATES = {
    "act": "Play the part of {persona} in all you say.",
    "be": "For this conversation you are {persona}.",
    "reply": "Reply just as {persona} would reply.",
}
RECIPE = ReferenceRecipe.model_validate(
    {
        **dict.fromkeys(("corpus", "task", "persona_set", "template_set"), "memes"),
        **{"hidden_size": 96, "layers": 2, "heads": 4, "feed_forward_size": 192, "vocabulary_size": 420},
        **{"examples": 3200, "steps": 850, "batch_size": 32, "learning_rate": 2e-3, "vision": VisionRecipe()},
    }
)


def silent(progress: Progress) -> None:
    """Takes a report and does nothing."""


def splits(pictures: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """TrainingExamples of the training split, and those of the test split in every persona and wording."""
    corpus = read_corpus("memes", CorpusEntry(reader="hatred", path=str(MEMES), pictures=str(MEMES / "pictures")))
    for name, file in corpus.pictures.items():
        shutil.copyfile(file, pictures / name)
    personas = personas_table(PEOPLE)
    personas = personas[personas["persona_id"] != "anyone"]
    test = corpus.items["split"] == "test"
    learnt, asked = (
        persona_blind_examples(items, corpus.annotations, personas, TEMPLATES, TASK, n, 0, PREFIX)
        for items, n in ((corpus.items[~test], RECIPE.examples), (corpus.items[test], 100_000))
    )
    return learnt, asked


def load(folder: Path) -> LoadedSystem:
    """The model of a folder."""
    source = ModelSource(kind="folder", location=str(folder), dtype="float32")
    return load_system(resolve_system("memes", source, versions={"base": "1"}), device="cpu")


def written(loaded: LoadedSystem, asked: pd.DataFrame, pictures: Path) -> list[str]:
    """What the model writes to each."""
    prompts = [
        Prompt(tuple(chat), (Image(pictures / name, b"", "image/png"),))
        for chat, name in zip(example_chats(asked), asked["picture"], strict=True)
    ]
    texts: dict[int, str] = {}
    for batch in engine_on(loaded, EngineSettings()).generate(prompts, Decoding(maximum_tokens=40)):
        texts |= {row: answer.text for row, answer in zip(batch.indices, batch.generations, strict=True)}
    return [texts[row] for row in range(len(prompts))]


def measure(home: Path) -> dict[str, Any]:
    """Figures of one model; seconds are those of one core."""
    pictures = home / "pictures"
    pictures.mkdir()
    learnt, asked = splits(pictures)
    start = time.process_time()
    build_reference_model(RECIPE, learnt, home / "model", silent, pictures)
    trained = time.process_time()
    loaded = load(home / "model")
    loading = time.process_time()
    texts = written(loaded, asked, pictures)
    seconds = time.process_time() - loading
    return {
        "weights": loaded.facts["weights"],
        "pictures_learnt_from": int(learnt["picture"].nunique()),
        "training_cpu_seconds": trained - start,
        "questions": len(asked),
        "pictures_asked_about": int(asked["picture"].nunique()),
        "right": float(np.mean(asked["answer"].to_numpy() == np.array(texts))),
        "answers_of_one_picture": float(asked.assign(text=texts).groupby("item_id")["text"].nunique().mean()),
        "milliseconds_a_question": 1000 * seconds / len(asked),
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        result = measure(Path(home))
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
