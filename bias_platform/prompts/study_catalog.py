"""The persona study's folder of JSON files as catalog entries: persona sets, wordings and tasks of its three corpora.

File names are the study's: `<CORPUS>_<dimension>_personas.json`, the maps `..._personas_map.json` of annotator codes,
`persona_prompts.json`, one question a corpus, and files of a single persona, one of which corrects a slip of another.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bias_platform.catalog import PersonaEntry, PersonaSetEntry, TaskEntry, TemplateSetEntry
from bias_platform.errors import CorpusError, bullet_list
from bias_platform.prompts.study_crossing import crossed_dimensions
from bias_platform.prompts.study_format import (
    OddPersona,
    StudyPersonas,
    read_persona_map,
    read_persona_set,
    read_question,
    read_single_personas,
    read_templates,
)
from bias_platform.prompts.study_tasks import picture_task, post_task

_ATTRIBUTES = {"gender_identity": "gender", "political_leaning": "politics", "race_ethnicity": "race"}
"""Dimension -> the annotator attribute whose codes its map file has."""
_OTHERS = "other"
"""Annotator code of those whom a map leaves out: the last persona of a dimension stands for them."""
_COUNTRY = " in the United States"
_ALIKE = 0.6  # similarity from which a single persona is taken for the corrected form of an odd one


class StudyCatalog(NamedTuple):
    """What the files declare, and what a reader should know of it."""

    persona_sets: dict[str, PersonaSetEntry]
    template_sets: dict[str, TemplateSetEntry]
    tasks: dict[str, TaskEntry]
    notes: tuple[str, ...]
    """sentences: odd personas and what became of them, the added control"""


class _Corpus(NamedTuple):
    slug: str
    dimensions: tuple[str, ...]
    """in the order of the study"""
    country: str


_CORPORA = {
    "SBIC": _Corpus(
        "sbic",
        (
            "gender_identity",
            "sexual_orientation",
            "gender_identity_x_sexual_orientation",
            "political_leaning",
            "race_ethnicity",
        ),
        _COUNTRY,
    ),
    "EXIST": _Corpus("exist", ("gender_identity",), ""),
    "HatReD": _Corpus("hatred", ("gender_identity", "sexual_orientation", "race_ethnicity", "religion"), _COUNTRY),
}
_QUESTIONS = {"SBIC": "SBIC_offensiveYN", "EXIST": "EXIST_sexist", "HatReD": "HatReD_reasonings"}


def read_study_catalog(folder: Path) -> StudyCatalog:
    """Reads the folder.

    Returns:
        persona sets `<corpus>-<number of personas>`, the template set `study-instructions` and the tasks
        `study-<corpus>`, with what is odd in words.

    Raises:
        CorpusError: files that are missing (all of them at once) or of another shape.
    """
    _require_files(folder)
    sets, notes = {}, []
    for name, corpus in _CORPORA.items():
        found, told = _personas(folder, name, corpus)
        members = sum(map(len, found.dimensions.values()))
        sets[f"{corpus.slug}-{members}"] = found
        notes += [f"{corpus.slug}-{members}: {note}" for note in told]
    questions = {name: read_question(folder / f"{file}.json") for name, file in _QUESTIONS.items()}
    tasks = {
        "study-sbic": post_task(questions["SBIC"], ("Yes", "Maybe", "No", "Incomprehensible")),
        "study-exist": post_task(questions["EXIST"], ("Yes", "No")),
        "study-hatred": picture_task(questions["HatReD"]),
    }
    templates = {"study-instructions": read_templates(folder / "persona_prompts.json")}
    return StudyCatalog(sets, templates, tasks, tuple(notes))


def _require_files(folder: Path) -> None:
    wanted = [file for name, corpus in _CORPORA.items() for file in _persona_files(folder, name, corpus)]
    wanted += [folder / f"{file}.json" for file in (*_QUESTIONS.values(), "persona_prompts")]
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        raise CorpusError(
            f"{folder} lacks files of the persona study:\n{bullet_list(missing)}\nname the folder that holds its "
            "JSON files (personas, wordings and questions)"
        )


def _persona_files(folder: Path, name: str, corpus: _Corpus) -> list[Path]:
    return [folder / f"{name}_{dimension}_personas.json" for dimension in corpus.dimensions]


def _personas(folder: Path, name: str, corpus: _Corpus) -> tuple[PersonaSetEntry, list[str]]:
    files, maps = _persona_files(folder, name, corpus), _maps(folder, name, corpus)
    control = PersonaEntry(id="generic-person", label="a person", phrase=f"a person{corpus.country}")
    first = read_persona_set(files, control, maps)
    corrections = _corrections(first, list(read_single_personas(folder).values()))
    found = read_persona_set(files, control, maps, corrections).entry
    groups = {**_groups_of_others(maps, found, corrections), **_own_groups(folder, name)}
    dimensions = {
        dimension: tuple(_with_group(persona, groups.get(persona.phrase, {})) for persona in members)
        for dimension, members in found.dimensions.items()
    }
    entry = PersonaSetEntry(dimensions=dimensions, control=control, crossed=crossed_dimensions(dimensions))
    notes = [_told(odd, corrections) for odd in first.odd]
    return entry, [*notes, f"the study has no control; '{control.phrase}' was added"]


def _maps(folder: Path, name: str, corpus: _Corpus) -> dict[str, Path]:
    paths = {_ATTRIBUTES[d]: folder / f"{name}_{d}_personas_map.json" for d in corpus.dimensions if d in _ATTRIBUTES}
    return {attribute: path for attribute, path in paths.items() if path.is_file()}


def _corrections(found: StudyPersonas, singles: Sequence[str]) -> dict[str, str]:
    """Odd phrase -> the single persona that no set has and that says nearly the same."""
    known = {persona.phrase for members in found.entry.dimensions.values() for persona in members}
    spare = [phrase for phrase in singles if phrase not in known]
    near = {odd.phrase: difflib.get_close_matches(odd.phrase, spare, n=1, cutoff=_ALIKE) for odd in found.odd}
    return {phrase: matches[0] for phrase, matches in near.items() if matches}


def _groups_of_others(
    maps: Mapping[str, Path], found: PersonaSetEntry, corrections: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Corrected personas came after the maps, which lack them: they stand for the annotators coded as others."""
    groups = {}
    for dimension, attribute in _ATTRIBUTES.items():
        corrected = [p.phrase for p in found.dimensions.get(dimension, ()) if p.phrase in corrections.values()]
        if attribute in maps and len(corrected) == 1 and _OTHERS not in read_persona_map(maps[attribute]):
            groups[corrected[0]] = {attribute: _OTHERS}
    return groups


def _own_groups(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """Phrase -> gender, by the single-persona files that bear a corpus's own name."""
    return {phrase: {"gender": code} for code, phrase in read_single_personas(folder, f"{name}_").items()}


def _with_group(persona: PersonaEntry, group: Mapping[str, str]) -> PersonaEntry:
    return persona.model_copy(update={"attributes": {**persona.attributes, **group}}) if group else persona


def _told(odd: OddPersona, corrections: Mapping[str, str]) -> str:
    sentence = f"in {odd.dimension}, '{odd.phrase}' {odd.reason}"
    if odd.phrase in corrections:
        return f"{sentence}; '{corrections[odd.phrase]}' of the single personas was taken instead"
    return f"{sentence}; it was left as it is, look at it before you ask it"


def lines(found: StudyCatalog) -> Iterator[str]:
    """What was read, one sentence a line."""
    for slug, entry in found.persona_sets.items():
        sizes = ", ".join(f"{dimension} {len(members)}" for dimension, members in entry.dimensions.items())
        yield f"persona set {slug}: {sizes}"
    for slug, templates in found.template_sets.items():
        yield f"template set {slug}: {', '.join(templates.templates)}"
    for slug, task in found.tasks.items():
        yield f"task {slug}: {' / '.join(task.option_values) or task.answer}"
    yield from found.notes
