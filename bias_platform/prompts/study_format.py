"""Personas, wordings and questions in the JSON files of the persona study, turned into catalog entries.

Four shapes: personas `{dimension: [phrase, ...]}`, a map `{annotator code: phrase}`, wordings `{name: text}` and a
question `{"user_prompt": text}`. A persona that breaks the pattern of its dimension is reported, not mended.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bias_platform.catalog import PersonaEntry, PersonaSetEntry, TemplateSetEntry
from bias_platform.errors import CorpusError, bullet_list

_LONGEST_ID = 80
_ARTICLES = ("a", "an", "the")
# before these spellings a/an follows the sound, which the letters do not show
_SOUND_UNCLEAR = re.compile(r"^(?:(?i:u|eu|one|h)|[A-Z]{2,})")


class OddPersona(NamedTuple):
    """A persona that does not share what the others of its dimension share."""

    dimension: str
    phrase: str
    reason: str


class StudyPersonas(NamedTuple):
    """Personas as read."""

    entry: PersonaSetEntry
    odd: tuple[OddPersona, ...]
    """personas to look at before they are asked anything"""
    unmatched: tuple[str, ...]
    """phrases of the maps that no persona has"""


def column_slug(phrase: str) -> str:
    """The study's own slug of a phrase, as its result columns begin.

    >>> column_slug("a non-binary individual in the United States")
    'a_non_binary_individual_in_the_United_States'
    """
    return re.sub(r"\W+", "_", phrase, flags=re.ASCII).strip("_")


def persona_id(phrase: str) -> str:
    """A catalog slug: the study's slug in lower case, at most 80 characters (longer ones end in 8 hex of their hash).

    Raises:
        CorpusError: the phrase has no letter or digit to make a slug of.
    """
    slug = column_slug(phrase).lower()
    if not slug:
        raise CorpusError(f"the persona '{phrase}' has no letter a-z or digit to make an id of")
    if len(slug) <= _LONGEST_ID:
        return slug
    digest = hashlib.blake2b(phrase.encode(), digest_size=4).hexdigest()
    return f"{slug[: _LONGEST_ID - 9]}-{digest}"


def read_persona_set(
    files: Sequence[Path],
    control: PersonaEntry,
    maps: Mapping[str, Path] | None = None,
    corrections: Mapping[str, str] | None = None,
) -> StudyPersonas:
    """Reads persona files into one set.

    Args:
        files: persona files; their dimensions must differ.
        control: the generic person, which the study does not have.
        maps: annotator attribute (e.g. `gender`) -> the file that maps its codes to phrases.
        corrections: phrase as the files have it -> the one to be asked instead.

    Raises:
        CorpusError: a file is missing or has another shape, or a dimension or persona occurs twice; all at once.
    """
    dimensions, problems = _dimensions(files, corrections or {})
    attributes = _attributes(maps or {})
    phrases = [phrase for personas in dimensions.values() for phrase in personas]
    taken = Counter(map(persona_id, phrases))
    problems += [f"the persona id '{slug}' occurs {n} times" for slug, n in taken.items() if n > 1]
    if problems:
        raise CorpusError(f"the persona files do not make one set:\n{bullet_list(problems)}")
    entry = PersonaSetEntry(
        dimensions={name: tuple(_persona(p, attributes) for p in personas) for name, personas in dimensions.items()},
        control=control,
    )
    odd = tuple(found for name, personas in dimensions.items() for found in odd_personas(name, personas))
    return StudyPersonas(entry, odd, tuple(phrase for phrase in attributes if phrase not in phrases))


def read_templates(path: Path) -> TemplateSetEntry:
    """Reads the wordings of the persona instruction.

    Raises:
        CorpusError: the file is missing or has another shape, or a wording lacks {persona}.
    """
    content = _texts(path, "the wordings")
    wrong = [f"{name}: {{persona}} must stand exactly once" for name, t in content.items() if t.count("{persona}") != 1]
    if wrong or not content:
        raise CorpusError(f"{path} holds no usable wordings:\n{bullet_list(wrong or ['it is empty'])}")
    return TemplateSetEntry(templates={column_slug(name).lower(): text for name, text in content.items()})


def read_question(path: Path) -> str:
    """Reads the question put to a model; {content} in it is the text to be judged (the memes' question has none).

    Raises:
        CorpusError: the file is missing or has no `user_prompt`.
    """
    content = _texts(path, "the question")
    if "user_prompt" not in content:
        raise CorpusError(f"{path} holds no question: expected the key 'user_prompt', found {', '.join(content)}")
    return content["user_prompt"]


def read_persona_map(path: Path) -> dict[str, str]:
    """Reads annotator code -> phrase.

    Raises:
        CorpusError: the file is missing or has another shape.
    """
    return _texts(path, "a map of codes to personas")


def read_single_personas(folder: Path, beginning: str = "") -> dict[str, str]:
    """Key -> phrase of all files `<beginning><key>_persona.json`, which hold one persona each; sorted by file name.

    Raises:
        CorpusError: a file has another shape.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob(f"{beginning}*_persona.json")):
        content = _read(path)
        phrases = [phrase for value in content.values() if isinstance(value, list) for phrase in value]
        if len(content) != 1 or len(phrases) != 1 or not _is_text(phrases[0]):
            raise CorpusError(f"{path} must hold one persona, as {{name: [phrase]}}")
        found[next(iter(content))] = phrases[0].strip()
    return found


def odd_personas(dimension: str, phrases: Sequence[str]) -> Iterator[OddPersona]:
    """Personas without the ending or the article that most of their dimension has, or with the wrong article.

    A dimension of fewer than three personas has no pattern to break.
    """
    ending = _majority_ending([phrase.split() for phrase in phrases]) if len(phrases) > 2 else []
    with_article = sum(phrase.split()[0].lower() in _ARTICLES for phrase in phrases)
    for phrase in phrases:
        words = phrase.split()
        if ending and not _contains(words, ending):
            carriers = sum(_contains(other.split(), ending) for other in phrases)
            lacking = " ".join(_without_lead(ending, words))
            yield OddPersona(dimension, phrase, f"lacks '{lacking}', which {carriers} of {len(phrases)} have")
        if words[0].lower() not in _ARTICLES:
            if 2 * with_article > len(phrases):
                yield OddPersona(dimension, phrase, f"has no article; {with_article} of {len(phrases)} have one")
        elif _wrong_article(words):
            yield OddPersona(dimension, phrase, f"'{words[0]}' does not go with '{words[1]}'")


def _majority_ending(phrases: Sequence[list[str]]) -> list[str]:
    """The longest ending of two words or more that more than half have; nothing if all share some ending anyway."""
    if len({words[-1] for words in phrases}) == 1:
        return []
    endings = Counter(tuple(words[start:]) for words in phrases for start in range(len(words) - 1))
    shared = [list(ending) for ending, count in endings.items() if 2 * count > len(phrases)]
    return max(shared, key=len, default=[])


def _contains(words: Sequence[str], part: Sequence[str]) -> bool:
    starts = range(len(words) - len(part) + 1)
    return any(list(words[start : start + len(part)]) == list(part) for start in starts)


def _without_lead(ending: list[str], words: Sequence[str]) -> list[str]:
    """The ending without first words that the phrase does have elsewhere: what is truly missing."""
    first = next((place for place, word in enumerate(ending) if word not in words), 0)
    return ending[first:]


def _wrong_article(words: Sequence[str]) -> bool:
    article = words[0].lower()
    if article == "the" or len(words) == 1 or _SOUND_UNCLEAR.match(words[1]):
        return False
    return (words[1][0].lower() in "aeiou") != (article == "an")


def _dimensions(files: Sequence[Path], corrections: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    found: dict[str, list[str]] = {}
    problems: list[str] = []
    for path in files:
        for written, phrases in _read(path).items():
            name = column_slug(written).lower()
            if not isinstance(phrases, list) or not phrases or not all(_is_text(phrase) for phrase in phrases):
                problems.append(f"{path}: '{written}' must hold a list of phrases")
            elif name in found:
                problems.append(f"{path}: the dimension '{name}' occurs in an earlier file too")
            else:
                found[name] = [corrections.get(phrase.strip(), phrase.strip()) for phrase in phrases]
    return found, problems


def _attributes(maps: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Phrase -> annotator attribute -> code."""
    found: dict[str, dict[str, str]] = {}
    for attribute, path in maps.items():
        for code, phrase in read_persona_map(path).items():
            found.setdefault(phrase.strip(), {})[attribute] = code
    return found


def _persona(phrase: str, attributes: Mapping[str, dict[str, str]]) -> PersonaEntry:
    return PersonaEntry(id=persona_id(phrase), phrase=phrase, attributes=attributes.get(phrase, {}))


def _texts(path: Path, what: str) -> dict[str, str]:
    content = _read(path)
    wrong = [str(name) for name, text in content.items() if not _is_text(text)]
    if wrong:
        raise CorpusError(f"{path} does not hold {what}: {', '.join(wrong)} must be a text")
    return content


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise CorpusError(f"{path} is not JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise CorpusError(f"{path} must hold one JSON object, not {type(content).__name__}")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"the key '{repeated[0]}' is given twice")
    return dict(pairs)
