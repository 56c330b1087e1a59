"""What a model wrote becomes an outcome: an answer of the task, or the reason why there is none. Never a guess.

One module a kind of answer; each is a pure function of the text and the task. Not here: asking (`answering`), and what
is kept (`ledger`: always the whole text, so that a better parser can read it anew).
"""

from bias_platform.inference.parsers.answers import OutcomeKind, ParsedAnswer, parse_answer

__all__ = ["OutcomeKind", "ParsedAnswer", "parse_answer"]
