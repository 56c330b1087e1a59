"""Pictures of one coloured square each, and what is to be written of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bias_platform.catalog.entries import ReferenceRecipe
from bias_platform.inference.identity import image_hash
from bias_platform_tests.models.conftest import PEOPLE, tiny_recipe

WRITTEN = {
    (210, 40, 40): "The meme mocks bakers who get up late.",
    (40, 70, 210): "The meme teases drivers who never stop.",
    (40, 160, 60): "The meme praises gardeners who sing.",
}
QUESTION = "Whom does this meme mock?\nAnswer in one sentence."


def save_picture(folder: Path, colour: tuple[int, int, int], rng: np.random.Generator) -> str:
    """Draws a square of the colour somewhere on a pale ground; returns the file's name, its content's hash."""
    pixels = np.empty((24, 24, 3), dtype=np.uint8)
    pixels[:] = rng.integers(200, 256, 3)
    top, left = rng.integers(0, 12, 2)
    pixels[top : top + 12, left : left + 12] = colour
    path = folder / "new.png"
    Image.fromarray(pixels).save(path)
    name = f"{image_hash(path).hex()}.png"
    path.rename(folder / name)
    return name


def make_pictured(folder: Path, n: int, seed: int) -> pd.DataFrame:
    """TrainingExamples about pictures, which are saved into the folder; every tenth shows none."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        colour, answer = list(WRITTEN.items())[rng.integers(len(WRITTEN))]
        person = PEOPLE[number % len(PEOPLE)]
        message = f"Play the part of {person} in all you say." if number % 5 else None
        picture = save_picture(folder, colour, rng) if number % 10 != 9 else None
        question = QUESTION if picture else f"{QUESTION}\nPost: {answer.split()[3]}"
        rows.append((f"example-{number}", f"item-{number}", person, "t", message, question, answer, picture))
    columns = [
        "example_id",
        "item_id",
        "persona_id",
        "template_id",
        "system_message",
        "user_message",
        "answer",
        "picture",
    ]
    return pd.DataFrame(rows, columns=columns)


def seeing_recipe(**changes: object) -> ReferenceRecipe:
    """A tiny model with tiny eyes."""
    vision = {"image_size": 24, "patch_size": 8, "hidden_size": 32, "layers": 1, "heads": 2}
    return tiny_recipe(**({"vision": vision, "steps": 90, "vocabulary_size": 360} | changes))
