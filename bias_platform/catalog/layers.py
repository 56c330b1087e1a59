"""The YAML files of a catalog and of what it extends, put together before anything is checked against its type.

A catalog inherits building blocks: corpora, persona sets, template sets, tasks, models, adapters and quantizations, by
slug, its own entries winning whole. It does not inherit studies and `systems`: those are the questions of the other
catalog, and each of them is a grid of answers to be paid for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bias_platform.catalog.folders import catalog_folder, yaml_paths
from bias_platform.catalog.problems import Field, Problem, allowed, field_path, shown
from bias_platform.catalog.yaml_files import YamlFile, read_yaml
from bias_platform.errors import CatalogError

INHERITED_SECTIONS = (
    "corpora",
    "persona_sets",
    "template_sets",
    "tasks",
    "models",
    "adapters",
    "quantizations",
)
SECTIONS = (*INHERITED_SECTIONS, "studies")
OWN_FIELDS = ("name", "description", "extends", "systems")


@dataclass
class RawCatalog:
    """Unchecked entries and where each was written.

    Attributes:
        folder: of the catalog itself, not of what it extends.
        sections: section -> slug -> value as YAML gave it.
        own: name, description, extends and systems.
        files: ("corpora", "posts") or ("name",) -> the file it stands in.
        complete: whether every file and the extended catalog could be read; if not, a missing name means nothing.
        problems: what was found wrong, as finished lines with file and line number to sort by.
    """

    folder: Path
    sections: dict[str, dict[str, Any]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    own: dict[str, Any] = field(default_factory=dict)
    files: dict[Field, YamlFile] = field(default_factory=dict)
    complete: bool = True
    problems: list[tuple[str, int, str]] = field(default_factory=list)

    def complain(self, problems: Iterable[Problem]) -> None:
        """Adds problems, each with the file and line of its field."""
        for problem in problems:
            file = self.files.get(problem.field[:2]) or self.files.get(problem.field[:1])
            self._complain_about(file, problem)

    def _complain_about(self, file: YamlFile | None, problem: Problem) -> None:
        text = problem.message if not problem.field else f"{field_path(problem.field)}: {problem.message}"
        text = " ".join(text.splitlines())  # a quoted value may have several
        if file is None:
            self.problems.append(("", 0, text))
            return
        self._add(file, file.line(problem.field), text)

    def _add(self, file: YamlFile, line: int | None, text: str) -> None:
        name = file_name(file.path, self.folder)
        self.problems.append((name, line or 0, f"{name}:{line}: {text}" if line else f"{name}: {text}"))

    def take(self, file: YamlFile) -> None:
        """Adds a file's sections; what two files of one folder both declare is a problem."""
        for line, sentence in file.problems:
            self._add(file, line, sentence)
        self.complete = self.complete and not (file.problems and not file.content)
        for name, value in file.content.items():
            if name in SECTIONS:
                self._take_section(file, name, value)
            elif name in OWN_FIELDS:
                self._take_entry(file, self.own, (name,), value)
            else:
                message = f"there is no such section; {allowed((*OWN_FIELDS, *SECTIONS), name)}"
                self._complain_about(file, Problem((name,), message))

    def _take_section(self, file: YamlFile, section: str, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            message = f"must hold entries by slug, not {shown(value)}"
            self._complain_about(file, Problem((section,), message))
            return
        for slug, entry in value.items():
            self._take_entry(file, self.sections[section], (section, slug), entry)

    def _take_entry(self, file: YamlFile, where: dict[str, Any], place: Field, value: Any) -> None:
        if place in self.files:
            first = self.files[place]
            other = f"{file_name(first.path, self.folder)}:{first.line(place)}"
            self._complain_about(file, Problem(place, f"is already declared in {other}; keep one or rename one"))
            return
        where[str(place[-1])] = value
        self.files[place] = file

    def inherit(self, base: "RawCatalog") -> None:
        """Puts the building blocks of `base` under the own ones; studies and systems stay behind."""
        for section in INHERITED_SECTIONS:
            self.sections[section] = {**base.sections[section], **self.sections[section]}
        inherited = {place: file for place, file in base.files.items() if place[0] in INHERITED_SECTIONS}
        self.files = {**inherited, **self.files}
        self.problems.extend(base.problems)
        self.complete = self.complete and base.complete


def read_layers(folder: Path, below: tuple[Path, ...] = ()) -> RawCatalog:
    """Reads a folder and what it extends. `below`: the folders that (indirectly) extend this one."""
    raw = RawCatalog(below[0] if below else folder)
    for path in yaml_paths(folder):
        raw.take(read_yaml(path))
    base = raw.own.get("extends")
    if base is None:
        return raw
    try:
        base_folder = _base_folder(base, folder, (*below, folder))
    except CatalogError as error:
        raw.complain([Problem(("extends",), str(error))])
        raw.complete = False
        return raw
    raw.inherit(read_layers(base_folder, (*below, folder)))
    return raw


def _base_folder(base: Any, folder: Path, visited: tuple[Path, ...]) -> Path:
    if not isinstance(base, str):
        raise CatalogError(f"must be the name or the folder of one catalog, not {shown(base)}")
    found = catalog_folder(base, beside=folder)
    if found in visited:
        chain = " -> ".join(path.name for path in (*visited, found))
        raise CatalogError(f"the catalogs extend each other in a circle ({chain}); remove one `extends`")
    return found


def file_name(path: Path, folder: Path) -> str:
    """A file as messages name it: relative to the catalog's folder, or in full when it lies elsewhere."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
