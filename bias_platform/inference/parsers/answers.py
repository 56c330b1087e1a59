"""Reads an answer of a task off a text: what holds for all kinds of answers, then the parser of the task's kind."""

from collections.abc import Callable, Mapping

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers.folded_text import fold
from bias_platform.inference.parsers.option_lists import parse_option_list
from bias_platform.inference.parsers.options import parse_option
from bias_platform.inference.parsers.parsed_answer import ParsedAnswer, answered, invalid, refused, truncated
from bias_platform.inference.parsers.reasoning_blocks import after_reasoning
from bias_platform.inference.parsers.refusals import declining_language
from bias_platform.inference.parsers.sentences import parse_sentence


def parse_answer(text: str, finish: str, task: TaskEntry) -> ParsedAnswer:
    """Reads an answer off what a model wrote.

    Args:
        text: whole and unchanged.
        finish: why writing ended: stop, length or filter.
        task: its kind of answer, its options or patterns.

    >>> from bias_platform.catalog.entries import OptionEntry
    >>> task = TaskEntry(question="{content}", options=(OptionEntry(value="Yes"), OptionEntry(value="No")))
    >>> parse_answer("**Answer:** yes.", "stop", task)
    ParsedAnswer(outcome='answered', answer='Yes', detail=None)
    >>> parse_answer("Yes and no", "stop", task)
    ParsedAnswer(outcome='invalid', answer=None, detail='several options: Yes, No')
    """
    if finish == "filter":
        return refused("refused", "the endpoint's filter")
    body = after_reasoning(text)
    if finish == "length":
        return truncated("the longest answer was reached" + (" while reasoning" if body is None else ""))
    if body is None:
        return invalid("unfinished reasoning", text)
    body = body.strip()
    if not body:
        return invalid("empty", "nothing was written" if not text.strip() else "nothing after the reasoning")
    return _PARSERS[task.answer](body, task)


def _parse_text(text: str, task: TaskEntry) -> ParsedAnswer:
    """Any text is an answer, unless it declines."""
    language = declining_language(fold(text))
    return answered(text) if language is None else refused(f"declined ({language})", text)


_PARSERS: Mapping[str, Callable[[str, TaskEntry], ParsedAnswer]] = {
    "option": parse_option,
    "option-list": parse_option_list,
    "sentence": parse_sentence,
    "text": _parse_text,
}
