"""The words of an agreement report's page, explained for a reader who is no statistician."""

from collections.abc import Mapping


def agreement_glossary(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """(word, meaning) in the order of the page; words of closed or of written answers as the report has them."""
    level = f"{100 * float(str(facts['confidence'])):g}"
    told = (*_ALWAYS, *(_WRITTEN if facts["written"] else _CLOSED), *_TESTS)
    return tuple((word.format(level=level), meaning.format(level=level)) for word, meaning in told)


_ALWAYS = (
    ("Persona", "Who the model is told to be before it is asked. A persona is a phrase in a prompt, not a person."),
    ("Reference", "Whose answers personas are compared with: the model without a persona, or the generic person."),
    ("Wording", "One of the sentences that tell the model who to be. Every persona is put in each of them."),
    ("System", "What is tested: a base model, an adapter if there is one, and the way its weights are stored."),
    ("Coverage", "The share that has a valid answer, so that it can be compared."),
    ("{level} % interval", "Made by a procedure that holds the true value in {level} of 100 repetitions of the study."),
)
_CLOSED = (
    (
        "Alpha (Krippendorff’s)",
        "Agreement beyond chance: 1 where all answers are the same, 0 where they agree as often as answers dealt at "
        "random would, below 0 where they agree less.",
    ),
    (
        "Band reached",
        "A word for the size of an alpha: the best of Landis and Koch’s bands that it, or better, lies in with a "
        "probability above 95 %. The bands are a convention, not a finding.",
    ),
    ("Answered apart", "The share of items to which two personas give different answers, whichever is nearer."),
    (
        "McNemar’s test",
        "Whether one of two personas says Yes more often than the other, by the items on which they part.",
    ),
    ("Recall", "Of the items that all people call so, the share that is recognised."),
    ("Macro-F1", "The mean over labels of how well each is found (F1), rare labels counting as much as frequent ones."),
    ("Unanimous", "Only items on which all people of a group gave one label: the clear cases, not all of them."),
)
_WRITTEN = (
    ("Similarity", "How alike two texts are, by the named scorer. Values of different scorers cannot be compared."),
    (
        "Rank-biserial correlation",
        "From −1 to 1: how much the ranked differences of a pair favour the second persona over the first.",
    ),
    ("Answered apart", "The share of items for which two personas’ texts are not the very same."),
)
_TESTS = (
    ("p", "How often chance alone gives a difference at least this large. Not the chance that there is none."),
    (
        "Uncorrected",
        "Each pair by itself: with a limit of 0.05, about one in twenty pairs that do not differ is called different.",
    ),
    ("Holm’s correction", "Keeps the chance of even one false finding among all pairs of the report small."),
    ("BH (Benjamini-Hochberg)", "Keeps the share of false findings among all that are called different small."),
    (
        "Share that differs",
        "Of the pairs of personas of a dimension, the share whose test is significant. Publications call it RIS.",
    ),
    (
        "Permutation",
        "Each item’s answers are dealt to its personas in random order: what is left of a share is chance.",
    ),
    ("Gini coefficient", "How unequal numbers are: 0 where all are the same, towards 1 where one has everything."),
    ("Noise floor", "How far a system agrees with itself when it is asked the same again."),
)
