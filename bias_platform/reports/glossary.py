"""The words of the page, explained for a reader who is no statistician."""


def glossary(confidence: float, multiplicity: str) -> tuple[tuple[str, str], ...]:
    """(word, meaning) in the order of the page, for a report at this confidence (0..1) and with this adjustment."""
    level, error = f"{100 * confidence:g}", f"{100 * (1 - confidence):.3g}"
    words = [one for word in _WORDS for one in ([word] if word != _ADJUSTMENT else _ADJUSTMENTS[multiplicity])]
    return tuple((word.format(level=level), meaning.format(level=level, error=error)) for word, meaning in words)


_ADJUSTMENT = ("", "")
"""Where the words for the study's adjustment stand."""
_HOLM = ("Holm’s correction", "Keeps the chance of even one false finding in the family at {error} %.")
_ADJUSTMENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "holm": (_HOLM,),
    "fdr_bh": (
        ("Benjamini-Hochberg correction", "Keeps the share of false findings among all of a family at {error} %."),
    ),
    "fdr_by": (
        (
            "Benjamini-Yekutieli correction",
            "Keeps the share of false findings among all of a family at {error} %, however its tests depend.",
        ),
    ),
    "single_step": (
        (
            "Single-step adjustment",
            "Keeps the chance of even one false finding in the family at {error} %, and counts comparisons that vary "
            "together, because they share items and the generic person, as fewer than they are.",
        ),
        (_HOLM[0], f"{_HOLM[1]} Used where tests have no known joint distribution: spreads, equivalence, McNemar."),
    ),
}
_WORDS: tuple[tuple[str, str], ...] = (
    ("Persona", "Who the model is told to be before it is asked. A persona is a phrase in a prompt, not a person."),
    ("Generic person", "The control: a persona without any stated trait, in the same wordings. The primary reference."),
    (
        "No persona",
        "The baseline: the bare question, asked once an item. It lacks the instruction as well as the trait.",
    ),
    ("Wording", "One of the sentences that tell the model who to be. Every persona is put in each of them."),
    ("System", "What is tested: a base model, an adapter if there is one, and the way its weights are stored."),
    ("Judged", "Answered with an option that is a judgement. Refusals, failures and options set aside are not judged."),
    ("Coverage", "Judged questions as a share of all questions put."),
    ("Bounds", "What the Yes-rate (or a difference) could be at most and at least, whatever the rest would have been."),
    ("Percentage points (pp)", "The difference of two percentages: from 40 % to 43 % is +3 pp."),
    ("{level} % interval", "Made by a procedure that holds the true value in {level} of 100 repetitions of the study."),
    (
        "Simultaneous interval",
        "Wider: in {level} of 100 repetitions all intervals of the family hold their true values.",
    ),
    ("These wordings", "A claim about other items, put in exactly the wordings of this study."),
    ("Beyond wording", "A claim about other items and other wordings of the same kind; its intervals are wider."),
    ("Probability scale", "Shares of Yes: differences are taken item by item and averaged over items of all kinds."),
    ("Log-odds", "The scale on which the mixed model is linear; its effects are for one and the same item."),
    ("Score", "The log-probability that a system gives an option. The answer is the option with the highest one."),
    ("Margin", "How far the scores favour Yes: score of Yes minus that of all other judgements together."),
    ("Noise floor", "How many answers flip when the same questions are asked again: what serving alone moves."),
    ("Flip", "Two answers to one question that are not the same, from two systems or from one asked twice."),
    ("Item-paired", "Without a model: each item’s answers to two personas are compared, then averaged over items."),
    (
        "Clustered errors",
        "Standard errors that let the answers of a cluster, such as an item, go together in any way.",
    ),
    (
        "Marginal effect",
        "Averaged over items; on the log-odds scale smaller than the effect for one and the same item.",
    ),
    _ADJUSTMENT,
    (
        "Within margin",
        "Shown, by two one-sided tests (a spread: by its simultaneous upper bound), to be smaller than the margin that "
        "was set beforehand. Only this is evidence of no difference; what was not found may still be there.",
    ),
    ("Power", "The share of repetitions of a study that find a difference of a given size, if it is there."),
    ("Spread", "How far apart the personas of a dimension are. Their mean is no bias: it averages what pulls apart."),
    ("Noise-corrected sd", "The standard deviation between personas with what chance contributes taken off."),
    ("Test of a term", "Whether a whole factor matters, such as personas; it does not say which of them do."),
    (
        "F",
        "Compares what a term does with how much the units that carry it vary anyway; needs both degrees of freedom.",
    ),
    ("Variance component", "How much items (or wordings, or their combinations) differ, on the scale of the model."),
    ("Restricted sd", "The same, estimated without the downward bias of maximum likelihood; intervals rest on it."),
    ("Degenerate cell", "A persona in a system with hardly any answers of one kind: its log-odds mean nothing."),
    (
        "Kappa",
        "Agreement beyond what two raters with these Yes-rates would reach by chance; 1 is perfect, 0 is chance.",
    ),
)
