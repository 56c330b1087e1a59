"""Tasks of the persona study, made of its questions: word for word, the list of options set apart if there is one."""

import re
from collections.abc import Sequence

from bias_platform.catalog import OptionEntry, TaskEntry
from bias_platform.errors import CorpusError

_ANSWER_FORM = re.compile(r'"([^"<]*<[^"]*>[^"]*)"')
_SLOT = re.compile(r"<([^<>]+)>")


def post_task(question: str, values: Sequence[str]) -> TaskEntry:
    """The task of judging a text by one of the options, `Yes` first.

    The lines `<option>: <gloss>` become the task's options where these, in their order, give back the very question;
    otherwise the question stays as it is, with the options in its text.

    Raises:
        CorpusError: the question does not show the text once.
    """
    if question.count("{content}") != 1:
        raise CorpusError("the study's question must contain {content}, where the text goes, exactly once")
    found = _options(question, values)
    text, options = found or (question, tuple(OptionEntry(value=value) for value in values))
    unsure = ("Yes", "Maybe") if "Maybe" in values else ()
    aside = tuple(value for value in values if value == "Incomprehensible")
    return TaskEntry(question=text, options=options, positive=("Yes",), positive_lenient=unsure, set_aside=aside)


def picture_task(question: str) -> TaskEntry:
    """The task of explaining a picture in a sentence of one of the forms that the question quotes, e.g. `"It <verb>."`.

    Raises:
        CorpusError: the question quotes no form with <slots>, or shows a text.
    """
    forms = list(dict.fromkeys(_ANSWER_FORM.findall(question)))
    if not forms or "{content}" in question:
        raise CorpusError('the study\'s question on pictures must quote forms of the answer, such as "It is <what>."')
    patterns = tuple(_SLOT.sub(_named, form.strip()) for form in forms)
    return TaskEntry(shown="picture", question=question, answer="sentence", patterns=patterns)


def _options(question: str, values: Sequence[str]) -> tuple[str, tuple[OptionEntry, ...]] | None:
    """The question with {options}, and the options; None where they are not listed under each other."""
    starts = [re.search(rf"^{re.escape(value)}: ", question, re.MULTILINE) for value in values]
    places = [match.start() for match in starts if match]
    if len(places) < len(values) or places != sorted(places):
        return None
    last = question.find("\n\n", places[-1])
    end = len(question) if last == -1 else last
    texts = [question[a:b] for a, b in zip(places, [*places[1:], end], strict=True)]
    glosses = [text[len(value) + 2 :].removesuffix("\n") for text, value in zip(texts, values, strict=True)]
    options = tuple(OptionEntry(value=value, gloss=gloss) for value, gloss in zip(values, glosses, strict=True))
    listed = "\n".join(f"{option.value}: {option.gloss}" for option in options)
    text = question[: places[0]] + "{options}" + question[end:]
    return (text, options) if text.replace("{options}", listed) == question else None


def _named(slot: re.Match[str]) -> str:
    return "{" + re.sub(r"[^a-z]+", "_", slot[1].lower()).strip("_") + "}"
