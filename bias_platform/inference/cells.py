"""The cells of a table of questions: what is said to the system in each, and under which identity it is filed."""

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import TableError, counted
from bias_platform.inference.engines.base import EngineIdentity, Image, Prompt
from bias_platform.inference.identity import cell_ids, join_part_hashes, part_hash, reading_of, sampling_seed

SERVED_DTYPE = "served"
"""An endpoint computes in a number format of its own, which belongs to the declared snapshot of its model."""

Rows = slice | npt.NDArray[np.int64]
"""Positions in a table."""


class MessageRenderer(Protocol):
    """What is needed of `prompts.rendering.Renderer`."""

    def system_message(self, persona_id: str, template_id: str | None) -> str | None:
        """The persona instruction; None for the baseline."""

    def user_message(self, text: str, option_order: str) -> str:
        """The task's question about one post."""


class SystemIdentity(Protocol):
    """What is needed of `models.system.ResolvedSystem`."""

    @property
    def slug(self) -> str:
        """The system's name; not part of any cell's identity."""

    @property
    def identity(self) -> str:
        """Hash of the content of the system's parts."""


class Cells(NamedTuple):
    """Questions put to one system in one way, in the order of their table."""

    ids: list[str]
    """cell ids"""
    prompts: list[Prompt]
    """messages; equal ones are the same object"""


class _Part(NamedTuple):
    message: Mapping[str, str]
    digest: bytes


class _Parts(NamedTuple):
    """What some questions are put together from, one entry a question."""

    question_ids: list[str]
    heads: list[_Part | None]
    users: list[_Part]
    images: list[Image | None]


class CellTable:
    """Questions put to one system in one way; the cells of any of them are built when they are wanted.

    Prompts with their texts take far more memory than questions: whoever works through a large table does it in parts,
    and builds a part again rather than keep it.

    Args:
        questions: a table `Questions`.
        items: a table `Items` that holds their items.
        renderer: of the task.
        system: that is asked.
        settings: what can change an answer enters the identity, what only changes the pace does not.
        engine: that asks.
        images: item id -> its picture, whose bytes enter the identity.
        repetition: see `identity.cell_ids`.

    Raises:
        TableError: an item of the questions is not among the items.
    """

    def __init__(
        self,
        questions: pd.DataFrame,
        items: pd.DataFrame,
        *,
        renderer: MessageRenderer,
        system: SystemIdentity,
        settings: EngineSettings,
        engine: EngineIdentity,
        images: Mapping[str, Image] | None = None,
        repetition: str = "",
    ) -> None:
        self.questions, self.system, self.settings = questions, system, settings
        self._renderer, self._engine = renderer, engine
        self._images, self._repetition = images or {}, repetition
        self._texts = _texts(questions, items)

    def __len__(self) -> int:
        return len(self.questions)

    def only(self, rows: Rows) -> "CellTable":
        """A table of some of the questions, by position; everything else is shared."""
        table = copy.copy(self)
        table.questions = self.questions.iloc[rows]
        return table

    def cells(self, rows: Rows = slice(None)) -> Cells:
        """Prompts and ids; each distinct message is rendered once.

        Args:
            rows: positions in the table; all by default.
        """
        parts = self._parts(rows)
        prompts = [
            Prompt((user.message,) if head is None else (head.message, user.message), (image,) if image else (), seed)
            for head, user, image, seed in zip(
                parts.heads, parts.users, parts.images, _seeds(parts.question_ids, self.settings), strict=True
            )
        ]
        return Cells(self._identified(parts), prompts)

    def ids(self, rows: Rows = slice(None)) -> list[str]:
        """The ids alone, as `cells` gives them."""
        return self._identified(self._parts(rows))

    def _parts(self, rows: Rows) -> "_Parts":
        questions = self.questions.iloc[rows]
        item_ids = questions["item_id"].tolist()
        return _Parts(
            questions["question_id"].tolist(),
            _heads(questions, self._renderer),
            self._users(item_ids, questions["option_order"].tolist()),
            [self._images.get(item) for item in item_ids] if self._images else [None] * len(item_ids),
        )

    def _users(self, item_ids: Sequence[str], option_orders: Sequence[str]) -> list[_Part]:
        known: dict[tuple[str, str], _Part] = {}
        parts = []
        for key in zip(item_ids, option_orders, strict=True):
            part = known.get(key)
            if part is None:
                part = known[key] = _part("user", self._renderer.user_message(self._texts[key[0]], key[1]))
            parts.append(part)
        return parts

    def _identified(self, parts: "_Parts") -> list[str]:
        return cell_ids(
            parts.question_ids,
            list(map(_digest, parts.heads, parts.users, parts.images)),
            system_identity=self.system.identity,
            engine_name=self._engine.name,
            numerics_version=self._engine.numerics_version,
            dtype=SERVED_DTYPE if self.settings.name == "openai" else self.settings.dtype,
            reading=reading_of(self.settings),
            chat_template_hash=self._engine.chat_template_hash,
            repetition=self._repetition,
        )


def _seeds(question_ids: Sequence[str], settings: EngineSettings) -> Sequence[int | None]:
    if settings.ask == "score" or settings.decoding.temperature == 0:
        return [None] * len(question_ids)
    return [sampling_seed(question, settings.decoding.seed) for question in question_ids]


def _part(role: str, content: str) -> _Part:
    return _Part({"role": role, "content": content}, part_hash(role, content))


def _digest(head: _Part | None, user: _Part, picture: Image | None) -> bytes:
    parts = [user.digest] if head is None else [head.digest, user.digest]
    return join_part_hashes([*parts, picture.digest] if picture else parts)


def _heads(questions: pd.DataFrame, renderer: MessageRenderer) -> list[_Part | None]:
    templates = questions["template_id"].astype(object).where(questions["template_id"].notna(), None)
    keys = list(zip(questions["persona_id"].tolist(), templates.tolist(), strict=True))
    known: dict[tuple[str, str | None], _Part | None] = {}
    for persona, template in dict.fromkeys(keys):
        message = renderer.system_message(persona, template)
        known[persona, template] = None if message is None else _part("system", message)
    return [known[key] for key in keys]


def _texts(questions: pd.DataFrame, items: pd.DataFrame) -> dict[str, str]:
    """The posts by item id."""
    texts: dict[str, str] = dict(zip(items["item_id"], items["text"], strict=True))
    missing = sorted(set(questions["item_id"]) - texts.keys())
    if missing:
        raise TableError(
            f"table 'questions' names {counted(len(missing), 'item')} that table 'items' does not hold, "
            f"e.g. {missing[0]}; materialize both again"
        )
    return texts
