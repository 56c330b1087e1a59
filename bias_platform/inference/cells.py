"""The cells of a table of questions: what is said to the system in each, and under which identity it is filed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import TableError, counted
from bias_platform.inference.engines.base import EngineIdentity, Image, Prompt
from bias_platform.inference.identity import cell_ids, join_part_hashes, part_hash, reading_of, sampling_seed

SERVED_DTYPE = "served"
"""An endpoint computes in a number format of its own, which belongs to the declared snapshot of its model."""


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


def build_cells(
    questions: pd.DataFrame,
    items: pd.DataFrame,
    *,
    renderer: MessageRenderer,
    system: SystemIdentity,
    settings: EngineSettings,
    engine: EngineIdentity,
    images: Mapping[str, Image] | None = None,
    repetition: str = "",
) -> Cells:
    """Renders each distinct message once and identifies every cell.

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
    heads, users = _heads(questions, renderer), _users(questions, items, renderer)
    question_ids = questions["question_id"].tolist()
    pictures = [(images or {}).get(item) for item in questions["item_id"]]
    seeds = _seeds(question_ids, settings)
    digests, prompts = [], []
    for head, user, picture, seed in zip(heads, users, pictures, seeds, strict=True):
        parts = (user,) if head is None else (head, user)
        hashes = [part.digest for part in parts] + ([picture.digest] if picture else [])
        digests.append(join_part_hashes(hashes))
        prompts.append(Prompt(tuple(part.message for part in parts), (picture,) if picture else (), seed))
    ids = cell_ids(
        question_ids,
        digests,
        system_identity=system.identity,
        engine_name=engine.name,
        numerics_version=engine.numerics_version,
        dtype=SERVED_DTYPE if settings.name == "openai" else settings.dtype,
        reading=reading_of(settings),
        chat_template_hash=engine.chat_template_hash,
        repetition=repetition,
    )
    return Cells(ids, prompts)


def _seeds(question_ids: Sequence[str], settings: EngineSettings) -> Sequence[int | None]:
    if settings.ask == "score" or settings.decoding.temperature == 0:
        return [None] * len(question_ids)
    return [sampling_seed(question, settings.decoding.seed) for question in question_ids]


def _part(role: str, content: str) -> _Part:
    return _Part({"role": role, "content": content}, part_hash(role, content))


def _heads(questions: pd.DataFrame, renderer: MessageRenderer) -> list[_Part | None]:
    templates = questions["template_id"].astype(object).where(questions["template_id"].notna(), None)
    keys = list(zip(questions["persona_id"], templates, strict=True))
    known: dict[tuple[str, str | None], _Part | None] = {}
    for persona, template in dict.fromkeys(keys):
        message = renderer.system_message(persona, template)
        known[persona, template] = None if message is None else _part("system", message)
    return [known[key] for key in keys]


def _users(questions: pd.DataFrame, items: pd.DataFrame, renderer: MessageRenderer) -> list[_Part]:
    texts: dict[str, str] = dict(zip(items["item_id"], items["text"], strict=True))
    missing = sorted(set(questions["item_id"]) - texts.keys())
    if missing:
        raise TableError(
            f"table 'questions' names {counted(len(missing), 'item')} that table 'items' does not hold, "
            f"e.g. {missing[0]}; materialize both again"
        )
    keys = list(zip(questions["item_id"], questions["option_order"], strict=True))
    known = {key: _part("user", renderer.user_message(texts[key[0]], key[1])) for key in dict.fromkeys(keys)}
    return [known[key] for key in keys]
