"""Training examples as chat messages in JSON Lines, so that a model can be tuned on them anywhere.

One object a line, `{"messages": [...]}` with the roles system (where there is a persona), user and assistant, in UTF-8
without escapes. Where a picture is shown, the user's content is a list: the text, then the picture as a data URL.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.errors import ArtifactError

_MEDIA_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def write_chat_lines(examples: pd.DataFrame, path: Path, pictures: Path | None = None) -> int:
    """Writes one line an example, in their order; no more than one picture is in memory. Equal inputs, equal bytes.

    Args:
        examples: a table `TrainingExamples`.
        path: the file; pictures: the folder that holds the files its column `picture` names.

    Returns:
        the number of lines.

    Raises:
        ArtifactError: a picture cannot be read or is of no kind that chat models take.
    """
    lines = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in chat_lines(examples, pictures):
            file.write(f"{line}\n")
            lines += 1
    return lines


def chat_lines(examples: pd.DataFrame, pictures: Path | None = None) -> Iterator[str]:
    """The lines one by one, without line ends; arguments and errors as of `write_chat_lines`.

    >>> row = {"system_message": "You are a cook.", "user_message": "Is it hot?", "answer": "Yes"}
    >>> print(*chat_lines(pd.DataFrame([row])))
    {"messages": [{"role": "system", "content": "You are a cook."}, {"role": "user", "content": "Is it hot?"}, \
{"role": "assistant", "content": "Yes"}]}
    """
    shown = examples["picture"] if "picture" in examples else [None] * len(examples)
    columns = (examples["system_message"], examples["user_message"], examples["answer"], shown)
    for system, user, answer, picture in zip(*columns, strict=True):
        content = user if picture is None or pd.isna(picture) else _with_picture(user, picture, pictures)
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": content},
            {"role": "assistant", "content": answer},
        ]
        if system is not None and not pd.isna(system):
            messages.insert(0, {"role": "system", "content": system})
        yield json.dumps({"messages": messages}, ensure_ascii=False)


def _with_picture(text: str, name: str, folder: Path | None) -> list[dict[str, Any]]:
    if folder is None:
        raise ArtifactError(f"the picture {name} is to be shown, but no folder of pictures is given")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ArtifactError(f"the picture {folder / name} cannot be read ({reason}): materialize the corpus") from None
    url = f"data:{media_type(content, name)};base64,{base64.b64encode(content).decode('ascii')}"
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]


def media_type(content: bytes, name: str) -> str:
    """The media type of a picture, told by its first bytes: names of files lie.

    >>> media_type(b"GIF89a...", "cat.png")
    'image/gif'

    Raises:
        ArtifactError: it is none of PNG, JPEG, GIF and WEBP.
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    for beginning, found in _MEDIA_TYPES.items():
        if content.startswith(beginning):
            return found
    raise ArtifactError(f"the picture {name} is none of PNG, JPEG, GIF and WEBP, which chat models take; convert it")
