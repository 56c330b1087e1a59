"""A cell's identity: everything that can change the outcome of a question put to a system, and nothing else.

What two systems are compared on is the `question_id` (`prompts`). Not part of either: names of systems, paths, batch
sizes, the order of the work, package versions that do not change the declared numerics.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bias_platform.catalog.engine_settings import EngineSettings

_CELL_BYTES = 16
_MESSAGE_BYTES = 16


def message_hash(messages: Sequence[Mapping[str, str]]) -> bytes:
    """16 bytes that change with any role, any character of any message, and their order."""
    return join_part_hashes(part_hash(message["role"], message["content"]) for message in messages)


def part_hash(role: str, content: str) -> bytes:
    """16 bytes for one message; `join_part_hashes` of all parts is the `message_hash`."""
    digest = hashlib.blake2b(f"{len(role)}:{role}:".encode(), digest_size=_MESSAGE_BYTES)
    digest.update(content.encode("utf-8", "surrogatepass"))
    return digest.digest()


def join_part_hashes(parts: Iterable[bytes]) -> bytes:
    """The hash of a chat from the hashes of its messages, which many chats share."""
    return hashlib.blake2b(b"".join(parts), digest_size=_MESSAGE_BYTES).digest()


def reading_of(settings: EngineSettings) -> str:
    """How an answer is obtained: by which rule it is read off scores, or how it is written."""
    if settings.ask == "score":
        return settings.scoring
    decoding = settings.decoding
    parts: dict[str, float] = {"maximum_tokens": decoding.maximum_tokens, "structured": settings.structured}
    if decoding.temperature > 0:
        parts |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": decoding.seed}
    return "generate:" + json.dumps(parts, sort_keys=True)


def sampling_seed(question_id: str, seed: int) -> int:
    """31 bits that a question samples by: other questions and replicates, and other seeds, draw on their own.

    >>> sampling_seed("a", 0) == sampling_seed("a", 0) != sampling_seed("b", 0)
    True
    """
    digest = hashlib.blake2b(f"{seed}:{question_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def image_hash(path: Path) -> bytes:
    """16 bytes that change with any byte of the picture."""
    digest = hashlib.blake2b(digest_size=_MESSAGE_BYTES)
    digest.update(path.read_bytes())
    return digest.digest()


def cell_ids(
    question_ids: Sequence[str],
    message_hashes: Sequence[bytes],
    *,
    system_identity: str,
    engine_name: str,
    numerics_version: str,
    dtype: str,
    reading: str,
    chat_template_hash: str,
    repetition: str = "",
) -> list[str]:
    """32 hex digits for each question.

    Args:
        question_ids: what is asked.
        message_hashes: `message_hash` of each, as rendered.
        system_identity: hash of the content of the system's parts.
        engine_name: registry name.
        numerics_version: declared by the engine.
        dtype: number format of the computation.
        reading: `reading_of` the settings.
        chat_template_hash: how messages become text.
        repetition: names an asking-again that measures the noise of serving; empty: the answer itself.

    Raises:
        ValueError: the two sequences differ in length.
    """
    how: tuple[str, ...] = (system_identity, engine_name, numerics_version, dtype, reading, chat_template_hash)
    how += (repetition,) if repetition else ()
    common = hashlib.blake2b(digest_size=_CELL_BYTES)
    for part in how:
        common.update(f"{len(part)}:{part}:".encode())
    ids = []
    for question, messages in zip(question_ids, message_hashes, strict=True):
        digest = common.copy()
        digest.update(f"{len(question)}:{question}:".encode())
        digest.update(messages)
        ids.append(digest.hexdigest())
    return ids
