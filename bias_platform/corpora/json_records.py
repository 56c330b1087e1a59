"""A JSON file that is one object of records, with keys that stand twice kept apart instead of lost."""

import json
from pathlib import Path
from typing import Any

from bias_platform.errors import CorpusError


class _Pairs(list[tuple[str, Any]]):
    """The members of the outermost object, in their order."""


def read_json_object(path: Path) -> list[tuple[str, Any]]:
    """The members (key, value) of a file's one JSON object; a key that stands twice is there twice.

    Raises:
        CorpusError: the file is no JSON in UTF-8, or no object.
    """
    try:
        content = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path} is no JSON: {error.msg} in line {error.lineno}, character {error.colno}") from None
    if not isinstance(content, _Pairs):
        raise CorpusError(f"{path} holds no JSON object of records by id but a {type(content).__name__}")
    return [(key, _plain(value)) for key, value in content]


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
