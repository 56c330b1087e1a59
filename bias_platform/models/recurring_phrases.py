"""Phrases that recur in many texts word for word: a prompt's fixed wording.

A reference model gives each such phrase one token. Four fifths of a prompt are fixed wording; as single tokens they
cost little to compute, and the words that matter stand close to the answer: a small model then learns in seconds.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

_PIECE = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")

Line = list[str]


def recurring_phrases(texts: Iterable[str], share: float = 0.1) -> list[str]:
    """Longest runs of words, within a line, that at least `share` of the texts contain.

    Greedy: the most frequent pair of neighbours becomes one piece, again and again, while it is frequent enough.

    Args:
        texts: all of them; equal texts count as often as they occur.
        share: in (0, 1].

    Returns:
        Phrases of two pieces or more, in alphabetical order.

    >>> recurring_phrases(["Is it kind: a dog?", "Is it kind: my cat?", "Is it kind: no"], share=0.9)
    ['Is it kind:']
    """
    counts = Counter(texts)
    threshold = share * counts.total()
    weights: Counter[str] = Counter()
    for text, count in counts.items():
        for line in set(re.findall(r"\n*[^\n]+", text)):
            weights[line] += count
    lines = [(_PIECE.findall(line), weight) for line, weight in weights.items()]
    merged = set()
    while best := _most_frequent_pair(lines, threshold):
        for pieces, _ in lines:
            _merge(pieces, best)
        merged.add("".join(best))
    left = {piece for pieces, _ in lines for piece in pieces}
    return sorted(merged & left)


def _most_frequent_pair(lines: list[tuple[Line, int]], threshold: float) -> tuple[str, str] | None:
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, weight in lines:
        for pair in set(pairwise(pieces)):
            pairs[pair] += weight
    if not pairs:
        return None
    best = min(pairs, key=lambda pair: (-pairs[pair], pair))
    return best if pairs[best] >= threshold else None


def _merge(pieces: Line, pair: tuple[str, str]) -> None:
    position = 0
    while position < len(pieces) - 1:
        if (pieces[position], pieces[position + 1]) == pair:
            pieces[position : position + 2] = ["".join(pair)]
        position += 1
