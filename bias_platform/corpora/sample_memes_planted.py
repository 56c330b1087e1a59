"""The truth planted in the sample memes: how a picture is described, and who describes it otherwise.

A picture shows one shape in one colour, with or without a frame. Whose meme it is, what is said and how, follow from
them: `The meme <verb> <group> <message>.` The differences between annotators are arbitrary on purpose and follow no
idea about real people; the groups are shapes.
"""

from collections.abc import Mapping
from typing import NamedTuple

GROUPS = {"circle": "the circles", "square": "the squares", "triangle": "the triangles", "cross": "the crosses"}
"""Shape -> the group the meme is about"""

MESSAGES = {
    "red": "by saying that they are always late",
    "blue": "by claiming that they never share",
    "green": "by hinting that they cannot dance",
    "yellow": "by joking that they snore",
}
"""Colour -> what is said of the group"""

VERBS = {True: "mocks", False: "teases"}
"""Whether the picture has a frame -> how"""

ANNOTATORS = {"gender": ("man", "woman", "nonBinary"), "politics": ("cons", "liberal", "other")}
"""Attribute -> its values; each meme is described by three people who differ in both"""


class PlantedWording(NamedTuple):
    """Annotators with `attribute` = `value` use `words` as the verb or message where the picture's shape or colour is
    one of `where`; everybody else, and they themselves elsewhere, use the plain words."""

    attribute: str
    value: str
    part: str
    where: tuple[str, ...]
    words: str


PLANTED_WORDINGS = (
    PlantedWording("gender", "woman", "verb", ("circle", "triangle"), "belittles"),
    PlantedWording("politics", "cons", "message", ("red", "blue"), "in a harmless joke among friends"),
)
FAITHFUL_SHARE = 0.9
"""How often such annotators use their own words; else they use the plain ones"""


class Subject(NamedTuple):
    """What a picture shows."""

    shape: str
    colour: str
    framed: bool


def planted_sentence(subject: Subject, attributes: Mapping[str, str]) -> str:
    """How an annotator with these attributes describes a picture, without `The meme ` before it.

    >>> planted_sentence(Subject("circle", "green", False), {"gender": "woman"})
    'belittles the circles by hinting that they cannot dance.'
    >>> planted_sentence(Subject("square", "red", True), {})
    'mocks the squares by saying that they are always late.'
    """
    parts = {"verb": VERBS[subject.framed], "message": MESSAGES[subject.colour]}
    for wording in PLANTED_WORDINGS:
        applies = subject.shape in wording.where or subject.colour in wording.where
        if applies and attributes.get(wording.attribute) == wording.value:
            parts[wording.part] = wording.words
    return f"{parts['verb']} {GROUPS[subject.shape]} {parts['message']}."


def planted_memes_markdown() -> str:
    """The truth as the tables in the README of the sample memes."""
    lines = ["| picture | words |", "|---|---|"]
    lines += [f"| shape: {shape} | {group} |" for shape, group in GROUPS.items()]
    lines += [f"| colour: {colour} | {message} |" for colour, message in MESSAGES.items()]
    lines += [f"| {'with' if framed else 'without'} a frame | {verb} |" for framed, verb in VERBS.items()]
    lines += ["", "| annotators | pictures with | say instead |", "|---|---|---|"]
    for wording in PLANTED_WORDINGS:
        who = f"{wording.attribute} {wording.value}"
        lines.append(f"| {who} | {' or '.join(wording.where)} | {wording.part}: {wording.words} |")
    return "\n".join(lines)
