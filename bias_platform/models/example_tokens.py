"""Chat examples as tokens, and the pictures some of them are shown with."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.errors import ModelLoadError, counted
from bias_platform.models.chat import chat_in_parts, example_chats, render_prompts, takes_parts_only, tokenize
from bias_platform.models.picture_chats import PictureChats, SeenChat
from bias_platform.models.row_inputs import Inputs, split_by_tokens

Chat = list[dict[str, str]]
_KEPT_BYTES = 1 << 30
"""Of pictures as the model takes them; others are read again when they are wanted."""


class Seeing(NamedTuple):
    """What examples with pictures are read by."""

    processor: Any
    """of a vision-language model"""
    folder: Path
    """holds the pictures that a column `picture` names"""


class EncodedExamples(NamedTuple):
    """Tokenized chat examples, in the order of their table."""

    tokens: list[npt.NDArray[np.int64]]
    """prompt, answer, end-of-turn token of each example"""
    answer_start: npt.NDArray[np.int64]
    """position of the first answer token of each example"""
    lengths: npt.NDArray[np.int64]
    """tokens of each example"""
    left_out: int
    """examples longer than the context"""
    pictures: "ExamplePictures | None" = None
    """None: no example has one"""

    def inputs(self, chosen: npt.NDArray[np.int64]) -> list[Inputs]:
        """What each of the chosen examples is given beside its tokens; {}: nothing."""
        return [self.pictures.of(int(index)) if self.pictures else {} for index in chosen]


class ExamplePictures:
    """The pictures of examples, as the model takes them; as many as memory allows are kept.

    Args:
        chats: reads chats with pictures.
    """

    def __init__(self, chats: PictureChats) -> None:
        self._chats = chats
        self._shown: dict[int, tuple[Chat, Path]] = {}
        self._of_tokens: dict[int, Inputs] = {}
        self._kept: OrderedDict[Path, Inputs] = OrderedDict()
        self._bytes = 0

    def read(self, chat: Chat, picture: Path) -> SeenChat:
        """A chat with its picture.

        Raises:
            UnreadablePictureError: of the picture.
        """
        seen = self._chats.read(chat, [picture])
        self._keep(picture, split_by_tokens(seen.inputs)[1])
        return seen

    def note(self, index: int, chat: Chat, picture: Path, seen: SeenChat) -> None:
        """Says that the example at this position is shown this."""
        self._shown[index], self._of_tokens[index] = (chat, picture), split_by_tokens(seen.inputs)[0]

    def of(self, index: int) -> Inputs:
        """What an example is given beside its tokens; {}: it has no picture."""
        if index not in self._shown:
            return {}
        chat, picture = self._shown[index]
        if picture not in self._kept:
            self.read(chat, picture)
        return self._of_tokens[index] | self._kept[picture]

    def _keep(self, picture: Path, inputs: Inputs) -> None:
        if picture not in self._kept:
            self._bytes += _size(inputs)
            self._kept[picture] = inputs
        self._kept.move_to_end(picture)
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def encode_examples(
    tokenizer: Any, examples: pd.DataFrame, context: int, seeing: Seeing | None = None
) -> EncodedExamples:
    """Tokenizes a TrainingExamples table; examples longer than `context` tokens are left out and counted.

    Args:
        tokenizer: with a chat template.
        examples: TrainingExamples.
        context: longest example in tokens.
        seeing: by what examples with pictures are read.

    Raises:
        ModelLoadError: no example fits, or some have pictures and the model reads text only.
        UnreadablePictureError: one of the pictures.
    """
    collected = _Collected(context)
    shown = ExamplePictures(PictureChats(seeing.processor, tokenizer)) if seeing else None
    for prompt, answer in zip(_prompts(tokenizer, examples, seeing, shown), _answers(tokenizer, examples), strict=True):
        collected.add(prompt, [*answer, tokenizer.eos_token_id], shown)
    if not collected.tokens:
        raise ModelLoadError(f"none of the {len(examples):,} training examples fits into a context of {context} tokens")
    return EncodedExamples(
        tokens=collected.tokens,
        lengths=np.array([len(ids) for ids in collected.tokens], dtype=np.int64),
        answer_start=np.array(collected.starts, dtype=np.int64),
        left_out=len(examples) - len(collected.tokens),
        pictures=shown,
    )


class _Prompt(NamedTuple):
    ids: list[int]
    shown: tuple[Chat, Path, SeenChat] | None = None
    """chat, its picture, and what the model takes for both"""


class _Collected:
    """Examples that fit."""

    def __init__(self, context: int) -> None:
        self._context = context
        self.tokens: list[npt.NDArray[np.int64]] = []
        self.starts: list[int] = []

    def add(self, prompt: _Prompt, answer: list[int], pictures: ExamplePictures | None) -> None:
        """Takes an example in, unless it is too long."""
        if len(prompt.ids) + len(answer) > self._context:
            return
        if pictures and prompt.shown:
            pictures.note(len(self.tokens), *prompt.shown)
        self.tokens.append(np.array([*prompt.ids, *answer], dtype=np.int64))
        self.starts.append(len(prompt.ids))


def _prompts(
    tokenizer: Any, examples: pd.DataFrame, seeing: Seeing | None, shown: ExamplePictures | None
) -> Iterator[_Prompt]:
    """The prompt of every example, up to where its answer begins."""
    chats, pictures = example_chats(examples), _pictures(examples, seeing)
    texts = iter(_text_prompts(tokenizer, [chat for chat, path in zip(chats, pictures, strict=True) if path is None]))
    for chat, path in zip(chats, pictures, strict=True):
        if path is None or shown is None:
            yield _Prompt(next(texts))
        else:
            seen = shown.read(chat, path)
            yield _Prompt(seen.ids.tolist(), (chat, path, seen))


def _answers(tokenizer: Any, examples: pd.DataFrame) -> list[list[int]]:
    distinct = sorted(examples["answer"].unique())
    tokens = dict(zip(distinct, tokenize(tokenizer, distinct), strict=True))
    return [tokens[answer] for answer in examples["answer"]]


def has_pictures(examples: pd.DataFrame) -> bool:
    """Whether any example of a TrainingExamples table is shown with a picture."""
    return "picture" in examples and bool(examples["picture"].notna().any())


def _pictures(examples: pd.DataFrame, seeing: Seeing | None) -> list[Path | None]:
    """Where the picture of each example is."""
    if not has_pictures(examples):
        return [None] * len(examples)
    if seeing is None:
        raise ModelLoadError(
            f"{counted(int(examples['picture'].notna().sum()), 'training example')} come with pictures, and the model "
            "reads text only; use a vision-language model whose folder holds its preprocessor"
        )
    return [None if pd.isna(name) else seeing.folder / name for name in examples["picture"]]


def _text_prompts(tokenizer: Any, chats: Sequence[Chat]) -> list[list[int]]:
    """Tokens of chats without pictures, in the form the template takes."""
    if not chats:
        return []
    written: Sequence[Any] = [chat_in_parts(chat) for chat in chats] if takes_parts_only(tokenizer) else chats
    return tokenize(tokenizer, render_prompts(tokenizer, written))


def _size(inputs: Inputs) -> int:
    return sum(value.nbytes for value in inputs.values())
