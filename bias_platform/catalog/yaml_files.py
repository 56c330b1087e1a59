"""One YAML file read safely: plain values, the line of each, duplicate keys found.

Scalars follow YAML 1.2: `Yes`, `No`, `on` and `off` are texts (they are options of tasks), only `true` and `false` are
booleans, and dates stay texts. Keys are always texts, as written: `0: No` maps the text "0". `<<: *name` puts the
fields of an anchored mapping under those written beside it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bias_platform.catalog.problems import Field, field_path

_PLAIN = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^[-+]?[0-9]+$"),
    "float": re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
}
_TAG = "tag:yaml.org,2002:"


class _Composer(yaml.SafeLoader):
    """The safe loader with YAML 1.2 scalars; only its node tree is used, so no object is ever constructed."""


_Composer.yaml_implicit_resolvers = {}

for _name, _pattern in _PLAIN.items():
    _Composer.add_implicit_resolver(_TAG + _name, _pattern, None)


@dataclass
class YamlFile:
    """What a file holds.

    Attributes:
        path: the file.
        content: its top-level mapping; empty when the file could not be read.
        lines: field -> line, counted from 1, for messages.
        problems: syntax errors and duplicate keys as (line or None, sentence).
    """

    path: Path
    content: dict[str, Any] = field(default_factory=dict)
    lines: dict[Field, int] = field(default_factory=dict)
    problems: list[tuple[int | None, str]] = field(default_factory=list)

    def line(self, place: Field) -> int | None:
        """The line of a field, or of the nearest field above it."""
        for depth in range(len(place), 0, -1):
            if place[:depth] in self.lines:
                return self.lines[place[:depth]]
        return None


def read_yaml(path: Path) -> YamlFile:
    """Reads a file. Nothing is raised: what is wrong stands in `problems`, so that all files can be read first."""
    result = YamlFile(path)
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=_Composer)
    except yaml.MarkedYAMLError as error:
        result.problems.append(_syntax_problem(error))
        return result
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        result.problems.append((None, f"is not readable as YAML in UTF-8: {' '.join(str(error).split())}"))
        return result
    except OSError as error:
        result.problems.append((None, f"cannot be read: {error.strerror or error}"))
        return result
    if node is None:
        return result
    content = _Builder(result).build(node, ())
    if isinstance(content, dict):
        result.content = content
    else:
        result.problems.append((1, "must hold sections such as `corpora:` and `studies:` at its top level"))
    return result


def _syntax_problem(error: yaml.MarkedYAMLError) -> tuple[int | None, str]:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(part for part in (error.context, error.problem) if part)
    column = f" at column {mark.column + 1}" if mark else ""
    return (mark.line + 1 if mark else None, f"is not valid YAML{column}: {reason}")


@dataclass
class _Builder:
    file: YamlFile
    open_nodes: list[int] = field(default_factory=list)

    def build(self, node: yaml.Node, place: Field) -> Any:
        self.file.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if id(node) in self.open_nodes:
            self._complain(node, f"{field_path(place)} refers to itself through an alias")
            return None
        self.open_nodes.append(id(node))
        try:
            return self._mapping(node, place) if isinstance(node, yaml.MappingNode) else self._sequence(node, place)
        finally:
            self.open_nodes.pop()

    def _sequence(self, node: yaml.Node, place: Field) -> list[Any]:
        return [self.build(child, (*place, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, place: Field) -> dict[str, Any]:
        pairs = list(self._pairs(node, place))
        merged = self._merged(
            [child for key, child in pairs if _merges(key)], place
        )  # first: the own fields' lines win
        result: dict[str, Any] = {}
        for key, child in pairs:
            if _merges(key):
                continue
            inner = (*place, key.value)
            if key.value in result:
                first = self.file.lines[inner]
                self._complain(key, f"{field_path(inner)} is given twice, first in line {first}; keep one")
                continue
            self.file.lines[inner] = key.start_mark.line + 1
            result[key.value] = self.build(child, inner)
        return {**merged, **result}

    def _merged(self, sources: list[yaml.Node], place: Field) -> dict[str, Any]:
        """The fields that `<<` brings in; of several mappings that have one, the first counts."""
        fields: dict[str, Any] = {}
        for source in sources:
            for part in source.value if isinstance(source, yaml.SequenceNode) else [source]:
                if isinstance(part, yaml.MappingNode):
                    fields = {**(self.build(part, place) or {}), **fields}
                else:
                    self._complain(part, f"{field_path(place)} has a << that is no mapping; write e.g. <<: *settings")
        return fields

    def _pairs(self, node: yaml.MappingNode, place: Field) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, child
            else:
                self._complain(key, f"{field_path(place)} has a key that is not a plain text")

    def _scalar(self, node: yaml.ScalarNode, place: Field) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return node.value
        if kind not in _PLAIN or not _PLAIN[kind].match(node.value):
            self._complain(node, f"{field_path(place)} has the tag {node.tag}, which is not allowed; remove it")
            return None
        if kind == "bool":
            return node.value.lower() == "true"
        if kind == "null":
            return None
        return int(node.value) if kind == "int" else float(node.value)

    def _complain(self, node: yaml.Node, sentence: str) -> None:
        self.file.problems.append((node.start_mark.line + 1, sentence))


def _merges(key: yaml.ScalarNode) -> bool:
    return key.value == "<<" and key.style is None
