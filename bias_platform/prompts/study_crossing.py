"""Which dimensions of the persona study cross two others, told by their names and phrases.

A dimension `<a>_x_<b>` crosses `a` and `b`; each of its personas combines the two whose own words it has most of.
"""

import re
from collections.abc import Mapping, Sequence

from bias_platform.catalog import PersonaEntry
from bias_platform.catalog.entries import CrossedDimension
from bias_platform.errors import CorpusError

_WORDS = re.compile(r"[\w-]+")


def crossed_dimensions(dimensions: Mapping[str, Sequence[PersonaEntry]]) -> dict[str, CrossedDimension]:
    """Every dimension that crosses two others of the set.

    >>> sides = {"age": ["an old man", "a young man"], "trade": ["a man who bakes", "a man who sails"]}
    >>> phrases = {**sides, "age_x_trade": ["an old man who sails", "a young man who bakes"]}
    >>> named = {
    ...     name: [PersonaEntry(id=text.replace(" ", "-"), phrase=text) for text in texts]
    ...     for name, texts in phrases.items()
    ... }
    >>> crossed_dimensions(named)["age_x_trade"].cells["an-old-man-who-sails"]
    ('an-old-man', 'a-man-who-sails')

    Raises:
        CorpusError: a persona that combines no two personas of these dimensions, or could be either of several.
    """
    crossed = {}
    for name, members in dimensions.items():
        first, _, second = name.partition("_x_")
        if first in dimensions and second in dimensions:
            cells = {p.id: (_side(p, dimensions[first]), _side(p, dimensions[second])) for p in members}
            crossed[name] = CrossedDimension(of=(first, second), cells=cells)
    return crossed


def _side(persona: PersonaEntry, candidates: Sequence[PersonaEntry]) -> str:
    """The candidate whose own words (those that not all candidates have) the persona has the greatest share of."""
    shared = set.intersection(*(_words(candidate) for candidate in candidates))
    shares = {}
    for candidate in candidates:
        own = _words(candidate) - shared
        shares[candidate.id] = len(own & _words(persona)) / max(len(own), 1)
    best = max(shares.values())
    winners = [name for name, share in shares.items() if share == best]
    if best == 0 or len(winners) > 1:
        raise CorpusError(
            f"the persona '{persona.phrase}' combines no single one of: {', '.join(c.phrase for c in candidates)}"
        )
    return winners[0]


def _words(persona: PersonaEntry) -> set[str]:
    # articles follow the next word's sound: they tell nothing
    return set(_WORDS.findall(persona.phrase.lower())) - {"a", "an", "the"}
