"""A cell's identity: everything that can change the outcome of a question put to a system, and nothing else.

What two systems are compared on is the `question_id` (`prompts`). Not part of either: names of systems, paths, batch
sizes, the order of the work, package versions that do not change the declared numerics.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

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


def cell_ids(
    question_ids: Sequence[str],
    message_hashes: Sequence[bytes],
    *,
    system_identity: str,
    engine_name: str,
    numerics_version: str,
    dtype: str,
    scoring: str,
    chat_template_hash: str,
) -> list[str]:
    """32 hex digits for each question.

    Args:
        question_ids: what is asked.
        message_hashes: `message_hash` of each, as rendered.
        system_identity: hash of the content of the system's parts.
        engine_name: registry name.
        numerics_version: declared by the engine.
        dtype: number format of the computation.
        scoring: how the answer is read off.
        chat_template_hash: how messages become text.

    Raises:
        ValueError: the two sequences differ in length.
    """
    how = (system_identity, engine_name, numerics_version, dtype, scoring, chat_template_hash)
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
