"""Tasks whose answers are read in these tests."""

from collections.abc import Mapping, Sequence

from bias_platform.catalog.entries import OptionEntry, TaskEntry


def option_task(*values: str, **glosses: str) -> TaskEntry:
    """One of these options; glosses by value."""
    options = tuple(OptionEntry(value=value, gloss=glosses.get(value)) for value in values)
    return TaskEntry(question="{content} {options}", options=options, positive=values[:1])


def spelled_task(also: Mapping[str, Sequence[str]]) -> TaskEntry:
    """One of these options, each with other spellings."""
    options = tuple(OptionEntry(value=value, also=tuple(others)) for value, others in also.items())
    return TaskEntry(question="{content} {options}", options=options, positive=(options[0].value,))


def list_task(*values: str) -> TaskEntry:
    """A JSON array of these options."""
    return option_task(*values).model_copy(update={"answer": "option-list", "positive": ()})


def sentence_task(*patterns: str) -> TaskEntry:
    """A sentence of these shapes."""
    return TaskEntry(question="{content}", answer="sentence", patterns=patterns)


OFFENSIVE = option_task(
    "Yes", "Maybe", "No", "Incomprehensible",
    Yes="it offends", Maybe="hard to tell", No="it is fine", Incomprehensible="it makes no sense",
)  # fmt: skip
OPINION = option_task("Yes", "No", "No opinion", "Strong opinion")
SPANISH = option_task("Sí", "No")
GERMAN = option_task("groß", "klein")
PERSIAN = option_task("بله", "خیر", "نمی‌دانم", "مشکوک")
CHINESE = option_task("是", "否")
HINDI = option_task("हाँ", "नहीं", "ना")
SCALE = option_task("0", "1", "2", "3")
SIGNED = option_task("-1", "0", "+1")
INCOME = option_task("<=50K", ">50K")
LANGUAGE = option_task("C", "C++")
WHO = option_task("The grandfather", "The grandson", "Can't be determined")
CLOSED = (OFFENSIVE, OPINION, SPANISH, PERSIAN, CHINESE, HINDI, SCALE, SIGNED, INCOME, LANGUAGE, WHO)
LABELS = list_task("racist", "sexist", "homophobe", "religion", "other-hate")
MEME = sentence_task("The meme {verb} {group} {message}.", "The meme uses derogatory terms against {group} {message}.")
TEXT = TaskEntry(question="{content}", answer="text")
