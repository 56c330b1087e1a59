"""The sample memes: a seeded generator of small pictures and of sentences about them, in the JSONL shape of HatReD.

`python -m bias_platform.corpora.sample_memes data/sample-memes` writes the committed files again, byte for byte.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bias_platform.corpora.indexed_png import indexed_png
from bias_platform.corpora.sample_memes_planted import (
    ANNOTATORS,
    FAITHFUL_SHARE,
    GROUPS,
    MESSAGES,
    VERBS,
    Subject,
    planted_sentence,
)

SIDE = 32
"""pixels of a side"""
FILES = {"train": "fhm_train_reasonings.jsonl", "test": "fhm_test_reasonings.jsonl"}
SIZES = {"train": 160, "test": 60}
"""Split -> memes about one group"""
OF_TWO_GROUPS = {"train": 6, "test": 3}
"""Split -> further memes about two groups, which a study of memes about one group leaves out"""
FIRST_IDS = {"train": 1001, "test": 5001}
PICTURES = "pictures"
PEOPLE = 36

PALETTE = np.array(
    [
        *((244, 244, 240), (226, 230, 234), (236, 226, 214)),  # backgrounds
        (40, 40, 46),  # frame
        *((206, 44, 44), (226, 74, 66), (40, 74, 200), (62, 108, 222)),
        *((36, 142, 60), (66, 168, 84), (226, 186, 20), (240, 206, 62)),
    ],
    np.uint8,
)
_FRAME = 3
_FIRST_SHADE = {colour: 4 + 2 * place for place, colour in enumerate(MESSAGES)}


class Meme(NamedTuple):
    """A record of the corpus and its picture."""

    split: str
    record: dict[str, Any]
    png: bytes
    subjects: tuple[Subject, ...]
    """what is shown; empty for the one meme about nobody"""


def generate_memes(seed: int = 0, sizes: dict[str, int] | None = None) -> list[Meme]:
    """Draws memes; equal arguments give equal bytes on every machine.

    Args:
        seed: of everything.
        sizes: split -> memes about one group; None: `SIZES`.
    """
    random = np.random.RandomState(seed)  # numpy promises never to change its streams
    seen: set[bytes] = set()
    memes: list[Meme] = []
    for split, size in (sizes or SIZES).items():
        subjects = [(subject,) for subject in _dealt(random, size)]
        pairs = [_pair(random) for _ in range(OF_TWO_GROUPS[split])]
        nobody: list[tuple[Subject, ...]] = [()] if split == "train" else []
        for place, shown in enumerate([*subjects, *pairs, *nobody]):
            png = _new_picture(random, shown, seen)
            memes.append(Meme(split, _record(random, FIRST_IDS[split] + place, shown), png, shown))
    return memes


def write_memes(memes: list[Meme], folder: Path) -> list[Path]:
    """Writes the JSONL files and the folder `pictures`; returns the paths of the JSONL files."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for meme in memes:
        (folder / PICTURES / meme.record["img"]).write_bytes(meme.png)
    paths = []
    for split, name in FILES.items():
        lines = [json.dumps(meme.record) + "\n" for meme in memes if meme.split == split]
        path = folder / name
        path.write_bytes("".join(lines).encode())
        paths.append(path)
    return paths


def _dealt(random: np.random.RandomState, size: int) -> list[Subject]:
    """Subjects dealt out rather than drawn, so that every kind of picture is equally frequent."""
    every = [Subject(shape, colour, framed) for shape in GROUPS for colour in MESSAGES for framed in VERBS]
    return [every[place] for place in random.permutation(np.resize(np.arange(len(every)), size))]


def _pair(random: np.random.RandomState) -> tuple[Subject, ...]:
    """Two shapes of one colour in one picture."""
    left, right = random.permutation(len(GROUPS))[:2]
    colour = list(MESSAGES)[random.randint(len(MESSAGES))]
    return tuple(Subject(list(GROUPS)[shape], colour, False) for shape in (left, right))


def _record(random: np.random.RandomState, number: int, shown: tuple[Subject, ...]) -> dict[str, Any]:
    people = _people(random)
    if len(shown) > 1:  # as in HatReD: one sentence a group
        people = people[: len(shown)]
    sentences = [_sentence(random, shown, place, person) for place, person in enumerate(people)]
    return {
        "id": number,
        "img": f"{number:05d}.png",
        "target": [GROUPS[subject.shape] for subject in shown] or [None],
        "reasonings": sentences,
        "annotators": people,
    }


def _people(random: np.random.RandomState) -> list[dict[str, str]]:
    """Three people, one of each gender and of each politics; who somebody is follows from the number of their id."""
    politics = random.permutation(len(ANNOTATORS["politics"]))
    cells = len(ANNOTATORS["gender"]) * len(ANNOTATORS["politics"])
    people = []
    for gender, leaning in enumerate(politics):
        number = random.randint(PEOPLE // cells) * cells + gender * len(politics) + int(leaning)
        values = {"gender": ANNOTATORS["gender"][gender], "politics": ANNOTATORS["politics"][leaning]}
        people.append({"id": f"annotator-{number:02d}", **values})
    return people


def _sentence(random: np.random.RandomState, shown: tuple[Subject, ...], place: int, attributes: dict[str, str]) -> str:
    own = random.random_sample() < FAITHFUL_SHARE
    if not shown:
        return "teases nobody in particular."
    return planted_sentence(shown[place % len(shown)], attributes if own else {})


def _new_picture(random: np.random.RandomState, shown: tuple[Subject, ...], seen: set[bytes]) -> bytes:
    while True:
        png = indexed_png(_drawn(random, shown), PALETTE)
        if png not in seen:
            seen.add(png)
            return png


def _drawn(random: np.random.RandomState, shown: tuple[Subject, ...]) -> np.ndarray:
    """uint8, (SIDE, SIDE): colour numbers. Two shapes are smaller and stand side by side."""
    canvas = np.full((SIDE, SIDE), random.randint(3), np.uint8)
    for place, subject in enumerate(shown):
        alone = len(shown) == 1
        radius = random.randint(8, 11) if alone else 6
        middle = SIDE // 2 if alone else 8 + 16 * place
        x, y = middle + random.randint(-3, 4) * alone, SIDE // 2 + random.randint(-3, 4)
        shade = _FIRST_SHADE[subject.colour] + random.randint(2)
        canvas[_inside(subject.shape, x, y, radius)] = shade
        if subject.framed:
            canvas[:2], canvas[-2:], canvas[:, :2], canvas[:, -2:] = (_FRAME,) * 4
    return canvas


def _inside(shape: str, x: int, y: int, radius: int) -> np.ndarray:
    """Mask of the pixels of a shape, in whole numbers only: rounding must not differ between machines."""
    down, right = np.mgrid[:SIDE, :SIDE]
    dx, dy = np.abs(right - x), down - y
    masks = {
        "circle": dx * dx + dy * dy <= radius * radius,
        "square": np.maximum(dx, np.abs(dy)) < radius,
        "triangle": (np.abs(dy) <= radius) & (2 * dx <= dy + radius),
        "cross": (np.maximum(dx, np.abs(dy)) <= radius) & ((3 * dx <= radius) | (3 * np.abs(dy) <= radius)),
    }
    return np.asarray(masks[shape])


def main() -> None:
    """Writes the sample memes into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Writes the sample memes (two JSONL files, pictures) into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in write_memes(generate_memes(arguments.seed), arguments.folder):
        print(path)


if __name__ == "__main__":
    main()
