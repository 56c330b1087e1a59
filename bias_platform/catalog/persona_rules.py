"""What must hold within a persona set: distinct personas, and crossed dimensions that are crossed in full."""

from collections.abc import Iterator

from bias_platform.catalog.entries import CrossedDimension, PersonaSetEntry
from bias_platform.catalog.problems import Field, Problem, field_path, unknown
from bias_platform.catalog.systems import NO_PERSONA

RESERVED_DIMENSIONS = ("control", "baseline")


def persona_set_problems(persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    """Every broken rule of one persona set."""
    ids: dict[str, str] = {}
    phrases: dict[str, str] = {}
    named = [
        (persona, (*place, "dimensions", dimension, index))
        for dimension, personas in persona_set.dimensions.items()
        for index, persona in enumerate(personas)
    ]
    for dimension, personas in persona_set.dimensions.items():
        where = (*place, "dimensions", dimension)
        if dimension in RESERVED_DIMENSIONS:
            yield Problem(where, f"the name is taken by the {dimension} itself; rename the dimension")
        if not personas:
            yield Problem(where, "holds no persona; add one or remove the dimension")
    for persona, where in [*named, (persona_set.control, (*place, "control"))]:
        if persona.id == NO_PERSONA:
            yield Problem((*where, "id"), f"'{NO_PERSONA}' is taken by the baseline without a persona; rename it")
        yield from seen_before(ids, persona.id, (*where, "id"), "the persona id")
        yield from seen_before(phrases, persona.phrase, (*where, "phrase"), "the phrase")
    for dimension, crossed in persona_set.crossed.items():
        yield from _crossed(persona_set, dimension, crossed, (*place, "crossed", dimension))


def seen_before(seen: dict[str, str], value: str, where: Field, what: str) -> Iterator[Problem]:
    """Two personas with one id share a partition, two with one phrase share their questions: neither may be."""
    if value in seen:
        yield Problem(where, f"{what} '{value}' stands already in {seen[value]}; each may occur once in a set")
    seen.setdefault(value, field_path(where))


def _crossed(
    persona_set: PersonaSetEntry, dimension: str, crossed: CrossedDimension, place: Field
) -> Iterator[Problem]:
    known = tuple(persona_set.dimensions)
    if dimension not in known:
        yield unknown(place, dimension, "dimension of the set", known)
        return
    single = [name for name in known if name not in persona_set.crossed]
    wrong = [(index, name) for index, name in enumerate(crossed.of) if name not in single]
    for index, name in wrong:
        yield unknown((*place, "of", index), name, "dimension that is not itself crossed", single)
    if crossed.of[0] == crossed.of[1]:
        yield Problem((*place, "of"), f"crosses '{crossed.of[0]}' with itself; name two dimensions")
    elif not wrong:
        yield from _cells(persona_set, dimension, crossed, (*place, "cells"))


def _cells(persona_set: PersonaSetEntry, dimension: str, crossed: CrossedDimension, place: Field) -> Iterator[Problem]:
    """Every persona of the dimension is one cell, and no cell is two of them."""
    members = [persona.id for persona in persona_set.dimensions[dimension]]
    sides = [[persona.id for persona in persona_set.dimensions[name]] for name in crossed.of]
    taken: dict[tuple[str, str], str] = {}
    for persona, cell in crossed.cells.items():
        if persona not in members:
            yield unknown((*place, persona), persona, f"persona in '{dimension}'", members)
        for index, (name, side) in enumerate(zip(cell, sides, strict=True)):
            if name not in side:
                yield unknown((*place, persona, index), name, f"persona in '{crossed.of[index]}'", side)
        if cell in taken:
            yield Problem((*place, persona), f"combines the same as '{taken[cell]}'; each cell may have one persona")
        taken.setdefault(cell, persona)
    missing = [name for name in members if name not in crossed.cells]
    if missing:
        yield Problem(place, f"lacks {', '.join(missing)} of '{dimension}'; say which two personas each combines")
