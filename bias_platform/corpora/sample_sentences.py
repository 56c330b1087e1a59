"""The grammar of the sample corpus: mild sentences about everyday groups, with the severity their words add up to.

Severity is additive over words (statement + intensifier + tail), and statements, openings and contexts recur in many
combinations: a model can predict it only by learning words.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bias_platform.corpora.sample_planted import TARGET_GROUPS


class Sentence(NamedTuple):
    """A post of the sample corpus and what is true of it."""

    text: str
    target_group: str | None
    """None for word salad"""
    severity: float
    """logits, before item noise"""
    readable: bool
    """False for word salad"""
    trait: str
    """the words that carry the severity, for the stereotype column"""


Weighted = tuple[str, float]

LEVEL_SHARES = (0.20, 0.14, 0.26, 0.25, 0.15)
"""How often a friendly, neutral, borderline, rude and harsh statement is drawn."""

ADJECTIVES: tuple[tuple[Weighted, ...], ...] = (
    (("kind", -4.2), ("cheerful", -4.0), ("thoughtful", -4.3), ("patient", -3.7), ("generous", -4.2), ("helpful", -4)),
    (("early today", -3.0), ("busy", -2.7), ("everywhere", -2.2), ("out in force", -2.5), ("in the news", -2.6)),
    (("noisy", -0.6), ("fussy", -0.4), ("slow", -0.9), ("odd", -0.3), ("stubborn", -0.2), ("boring", 0.1)),
    (("annoying", 0.9), ("selfish", 1.4), ("clueless", 1.5), ("lazy", 1.2), ("rude", 1.3), ("childish", 1.1)),
    (("insufferable", 2.5), ("hopeless", 2.2), ("useless", 2.6), ("ridiculous", 2.0), ("a disgrace", 3.0)),
)
VERBS: tuple[tuple[Weighted, ...], ...] = (
    (("always say hello", -4.0), ("share their snacks", -4.2), ("make the day brighter", -4.5), ("lend a hand", -4.1)),
    (("meet on thursdays", -3.2), ("use the side door", -2.9), ("have a new club room", -3.1), ("like maps", -3.0)),
    (("take up half the room", -0.1), ("talk too much", 0.1), ("never hurry up", -0.5), ("want it all their way", 0.2)),
    (("never look where they go", 0.7), ("think they own the place", 1.4), ("spoil it for everybody", 1.5)),
    (("have no manners at all", 2.2), ("know nothing about anything", 2.4), ("should stay away for good", 2.8)),
)
WISHES: tuple[tuple[Weighted, ...], ...] = (
    (("come by more often", -4.3), ("get the thanks they deserve", -4.4), ("run the town", -3.8)),
    (("put up a timetable", -2.8), ("meet on sundays too", -3.1), ("use the other gate", -2.2)),
    (("tidy up once", 0.1), ("keep it down", 0.0), ("make some room", -0.4), ("listen for a change", 0.2)),
    (("grow up", 1.6), ("stop whining", 1.4), ("get out of my way", 1.5)),
    (("just disappear", 2.9), ("shut up for ever", 2.8)),
)
INTENSIFIERS: tuple[Weighted, ...] = (("", 0.0), ("", 0.0), ("a little ", -0.6), ("rather ", -0.2), ("so ", 0.3))
INTENSIFIERS += (("really ", 0.4), ("utterly ", 0.8))
TAILS: tuple[Weighted, ...] = (
    *((("", 0.0),) * 6),
    ("but they mean well", -0.9),
    ("no hard feelings", -0.7),
    ("at least some of them", -0.5),
    ("and i am tired of it", 0.6),
    ("and everybody knows it", 0.5),
    ("as my aunt keeps saying", 0.0),
    ("or so it seems", -0.3),
)
OPENINGS = (
    *(("",) * 10),
    "honestly,",
    "well,",
    "so",
    "hot take:",
    "just saw this again:",
    "monday thought:",
    "reminder:",
    "ok folks,",
    "my turn to say it:",
    "update from the hill:",
    "@user",
    "RT @user:",
    "news to nobody:",
    "i have said it before,",
    "three coffees in and",
    "asking around,",
    "after ten years here,",
    "from what i can tell,",
    "listen,",
    "diary, day 12:",
)
CONTEXTS = (
    *(("",) * 8),
    "at the station",
    "in the park",
    "on the bus",
    "by the river",
    "in our street",
    "at the market",
    "on rainy days",
    "before breakfast",
    "around midnight",
    "this week",
    "every spring",
    "near the old bridge",
    "at the library",
    "in the queue",
    "on the 14",
    "at the corner shop",
    "all summer",
)
SALAD = (
    *("blue", "seven", "of", "lamp", "under", "quickly", "the", "spoon", "was", "if", "carpet", "eleven", "through"),
    *("yellow", "because", "tuesday", "or", "window", "sing", "near", "potato", "and", "twice", "cloud", "with"),
)


def draw_sentence(random: np.random.RandomState, salad_share: float) -> Sentence:
    """Draws one post; with probability `salad_share` it is word salad about nobody."""
    if random.random_sample() < salad_share:
        words = [_pick(random, SALAD) for _ in range(random.randint(5, 12))]
        return Sentence(" ".join(words), None, 0.0, False, "")
    group = _pick(random, TARGET_GROUPS)
    level = int(np.searchsorted(np.cumsum(LEVEL_SHARES), random.random_sample(), side="right"))
    frame = FRAMES[random.randint(len(FRAMES))]
    core, severity, trait = frame(random, group, min(level, len(LEVEL_SHARES) - 1))
    tail, shift = TAILS[random.randint(len(TAILS))]
    return Sentence(_assemble(random, core, tail), group, severity + shift, True, trait)


Core = tuple[str, float, str]


def _are(random: np.random.RandomState, group: str, level: int) -> Core:
    word, severity, more, shift = _adjective(random, level)
    return f"{group} are {more}{word}{_context(random)}", severity + shift, word


def _find(random: np.random.RandomState, group: str, level: int) -> Core:
    word, severity, more, shift = _adjective(random, level)
    verb = _pick(random, ("i find", "we found", "people call", "my friends call"))
    return f"{verb} {group} {more}{word}{_context(random)}", severity + shift, word


def _why(random: np.random.RandomState, group: str, level: int) -> Core:
    word, severity, _, _ = _adjective(random, level)
    return f"why are {group}{_context(random)} always {word}", severity + 0.3, word


def _one(random: np.random.RandomState, group: str, level: int) -> Core:
    word, severity, more, shift = _adjective(random, level)
    who = _pick(random, ("my neighbour", "the man next door", "my cousin", "our new boss", "her sister"))
    kind = _pick(random, ("is one of those", "hangs out with", "married into a family of"))
    return f"{who} {kind} {group}, {more}{word}{_context(random)}", severity + shift - 0.2, word


def _do(random: np.random.RandomState, group: str, level: int) -> Core:
    phrase, severity = VERBS[level][random.randint(len(VERBS[level]))]
    return f"{group}{_context(random)} {phrase}", severity, phrase


def _all_do(random: np.random.RandomState, group: str, level: int) -> Core:
    phrase, severity = VERBS[level][random.randint(len(VERBS[level]))]
    start, shift = (("all those", 0.4), ("the new", 0.0), ("some", -0.5), ("local", 0.0))[random.randint(4)]
    return f"{start} {group} {phrase}{_context(random)}", severity + shift, phrase


def _wish(random: np.random.RandomState, group: str, level: int) -> Core:
    phrase, severity = WISHES[level][random.randint(len(WISHES[level]))]
    start = _pick(random, ("i wish", "can", "when will", "it is time"))
    link = {"i wish": "would", "can": "please", "when will": "finally", "it is time": "would"}[start]
    return f"{start} {group}{_context(random)} {link} {phrase}", severity, phrase


FRAMES: tuple[Callable[[np.random.RandomState, str, int], Core], ...] = (
    _are,
    _are,
    _find,
    _why,
    _one,
    _do,
    _all_do,
    _wish,
)


def _adjective(random: np.random.RandomState, level: int) -> tuple[str, float, str, float]:
    word, severity = ADJECTIVES[level][random.randint(len(ADJECTIVES[level]))]
    more, shift = INTENSIFIERS[random.randint(len(INTENSIFIERS))]
    if word.startswith("a ") or level <= 1:  # "so a disgrace" is no English, and "so kind" should not be ruder
        more, shift = "", 0.0
    return word, severity, more, shift


def _context(random: np.random.RandomState) -> str:
    context = _pick(random, CONTEXTS)
    return f" {context}" if context else ""


def _assemble(random: np.random.RandomState, core: str, tail: str) -> str:
    opening = _pick(random, OPENINGS)
    text = " ".join(part for part in (opening, core) if part)
    text = f"{text}, {tail}" if tail else text
    asks = core.startswith(("why", "can ", "when")) and not tail
    text += _pick(random, ("?", "?", "?!", "") if asks else ("", "", ".", ".", "!", "..."))
    return text[:1].upper() + text[1:] if random.random_sample() < 0.5 else text


def _pick(random: np.random.RandomState, choices: Sequence[str]) -> str:
    return choices[random.randint(len(choices))]
