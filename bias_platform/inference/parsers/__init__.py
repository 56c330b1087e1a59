"""What a model wrote becomes an outcome: an answer of the task, or the reason why there is none. Never a guess.

One module a kind of answer; each is a pure function of the text and the task. Not here: asking (`answering`), and what
is kept (`ledger`: always the whole text, so that a better parser can read it anew).

What holds for all kinds:

- What an endpoint's filter took away is `refused`, and what was cut at the longest answer is `truncated`, whatever its
  text: "No" may have been the beginning of "No opinion".
- A reasoning block (`<think>...</think>`) at the beginning is set aside. One that was never closed leaves no answer.
- A text in which the model declines is `refused` (`refusals`), unless it gives an answer as well: then it is `invalid`,
  because either may be meant.
- Everything else that does not fit is `invalid`. The detail begins with a constant reason, then a colon, then at most
  80 characters of particulars, so that a table can count reasons.
"""

from bias_platform.inference.parsers.answers import parse_answer
from bias_platform.inference.parsers.parsed_answer import OutcomeKind, ParsedAnswer

__all__ = ["OutcomeKind", "ParsedAnswer", "parse_answer"]
