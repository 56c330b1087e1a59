"""Answers as models write them to closed questions, and what must be made of each."""

import pytest

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers import parse_answer
from bias_platform_tests.inference.parsers.declared_tasks import (
    CHINESE,
    GERMAN,
    HINDI,
    INCOME,
    LANGUAGE,
    OFFENSIVE,
    OPINION,
    PERSIAN,
    SCALE,
    SIGNED,
    SPANISH,
    WHO,
    option_task,
    spelled_task,
)

READ: list[tuple[TaskEntry, str, str]] = [
    # exact, and what surrounds an answer
    (OFFENSIVE, "Yes", "Yes"),
    (OFFENSIVE, " \n maybe\t", "Maybe"),
    (OFFENSIVE, "YES!", "Yes"),
    (OFFENSIVE, "No.", "No"),
    (OFFENSIVE, '"No"', "No"),
    (OFFENSIVE, "“No.”", "No"),
    (OFFENSIVE, "«Maybe»", "Maybe"),
    (OFFENSIVE, "`Incomprehensible`", "Incomprehensible"),
    (OFFENSIVE, "**Yes**", "Yes"),
    (OFFENSIVE, "***Yes***.", "Yes"),
    (OFFENSIVE, "_No_", "No"),
    (OFFENSIVE, "# No", "No"),
    (OFFENSIVE, "> Yes", "Yes"),
    (OFFENSIVE, "- Yes", "Yes"),
    (OFFENSIVE, "• Yes", "Yes"),
    (OFFENSIVE, "(Maybe)", "Maybe"),
    (OFFENSIVE, "```\nYes\n```", "Yes"),
    (OFFENSIVE, "Ｙｅｓ", "Yes"),
    (OFFENSIVE, "\u200bYes\ufeff", "Yes"),
    (OFFENSIVE, "Yes…", "Yes"),
    (OFFENSIVE, "<answer>Maybe</answer>", "Maybe"),
    (OFFENSIVE, "$\\boxed{\\text{Yes}}$", "Yes"),
    # labels
    (OFFENSIVE, "Answer: Yes", "Yes"),
    (OFFENSIVE, "**Answer:** Yes", "Yes"),
    (OFFENSIVE, "**Answer**: No.", "No"),
    (OFFENSIVE, "Final answer - **No**", "No"),
    (OFFENSIVE, "The answer is: Maybe.", "Maybe"),
    (OFFENSIVE, "My answer is Yes", "Yes"),
    (OFFENSIVE, '{"answer": "Yes"}', "Yes"),
    (OFFENSIVE, "Response:\n\nNo", "No"),
    (OFFENSIVE, "I would say No.", "No"),
    (OFFENSIVE, "As a woman in the United States, I'd say maybe.", "Maybe"),
    (OFFENSIVE, "As a conservative, yes.", "Yes"),
    (OFFENSIVE, "Based on the post, the correct answer is Yes.", "Yes"),
    (OFFENSIVE, "It mocks how people talk. Answer: Yes", "Yes"),
    # gloss and explanation
    (OFFENSIVE, "Yes: it offends", "Yes"),
    (OFFENSIVE, "Yes (it offends).", "Yes"),
    (OFFENSIVE, "**Incomprehensible** — it makes no sense", "Incomprehensible"),
    (OFFENSIVE, "No: it is fine. Nothing here hurts.", "No"),
    (OFFENSIVE, "Yes, because it mocks old people.", "Yes"),
    (OFFENSIVE, "Maybe\n\nIt depends on who reads it.", "Maybe"),
    (OFFENSIVE, "No - a joke among friends", "No"),
    (OFFENSIVE, "Yes. Yes, it would.", "Yes"),
    (OFFENSIVE, "Yes; a no-brainer", "Yes"),
    # longer options win
    (OPINION, "No opinion", "No opinion"),
    (OPINION, "no-opinion.", "No opinion"),
    (OPINION, "NO_OPINION", "No opinion"),
    (OPINION, "No opinion, really.", "No opinion"),
    (OPINION, "No", "No"),
    (WHO, "Can’t be determined.", "Can't be determined"),
    (WHO, "the grandson, who struggled", "The grandson"),
    # other languages
    (SPANISH, "Sí.", "Sí"),
    (SPANISH, "¡SÍ!", "Sí"),
    (SPANISH, "Si\u0301", "Sí"),
    (SPANISH, "Respuesta: No", "No"),
    (SPANISH, "Como mujer, diría que sí.", "Sí"),
    (SPANISH, "No, no lo es.", "No"),
    (GERMAN, "GROSS.", "groß"),
    (PERSIAN, "بله.", "بله"),
    (PERSIAN, "خير", "خیر"),
    (PERSIAN, "خیر، چون شوخی است.", "خیر"),
    (PERSIAN, "پاسخ: بله", "بله"),
    (PERSIAN, "نمیدانم", "نمی‌دانم"),
    (PERSIAN, "«نمي‌دانم»", "نمی‌دانم"),
    (PERSIAN, "مشكوك", "مشکوک"),
    (PERSIAN, "بَله", "بله"),
    (CHINESE, "是。", "是"),
    (CHINESE, "否，没有问题。", "否"),
    (HINDI, "हाँ।", "हाँ"),
    (HINDI, "नहीं, यह ठीक है", "नहीं"),
    # numbers and signs
    (SCALE, "2", "2"),
    (SCALE, "2.", "2"),
    (SCALE, "(3)", "3"),
    (SCALE, "۲", "2"),
    (SCALE, "Rating: 1", "1"),
    (SCALE, "1: hardly", "1"),
    (SIGNED, "-1", "-1"),
    (SIGNED, "**−1**", "-1"),
    (SIGNED, "+1.", "+1"),
    (INCOME, ">50k", ">50K"),
    (INCOME, "Answer: <=50K.", "<=50K"),
    (LANGUAGE, "c++.", "C++"),
    (LANGUAGE, "**C**", "C"),
]

INVALID: list[tuple[TaskEntry, str, str]] = [
    # parts of words, and other words
    (OFFENSIVE, "Yesterday", "no option: Yesterday"),
    (OFFENSIVE, "none", "no option: none"),
    (OFFENSIVE, "Nope", "no option: Nope"),
    (OFFENSIVE, "No-one would mind.", "no option: No-one would mind."),
    (OFFENSIVE, "Not sure", "no option: Not sure"),
    (OFFENSIVE, "Sorry, that is hard to say.", "no option: "),
    (OFFENSIVE, "it depends", "no option: it depends"),
    (OFFENSIVE, "Incomprensible", "no option: Incomprensible"),
    (OFFENSIVE, "Ye\u0301s", "no option: "),
    (SPANISH, "Si", "no option: Si"),
    (CHINESE, "可能", "no option: "),
    (HINDI, "नी", "no option: "),
    # several
    (OFFENSIVE, "Yes and No", "several options: Yes, No"),
    (OFFENSIVE, "No/Yes", "several options: Yes, No"),
    (OFFENSIVE, "Yes... or maybe No", "several options: Yes, Maybe, No"),
    (OFFENSIVE, "No, I would not say it is offensive. Yes, it is mild", "several options: Yes, No"),
    (OFFENSIVE, "Yes: it is fine", "several options: Yes, No"),
    (OFFENSIVE, "Yes, there is no excuse for it.", "several options: Yes, No"),
    (OFFENSIVE, "Some say No. Answer: Yes", "several options: Yes, No"),
    (OFFENSIVE, "Yes: it offends\nMaybe: hard to tell\nNo: it is fine", "several options: Yes, Maybe, No"),
    (OFFENSIVE, "~~Yes~~ Maybe", "several options: Yes, Maybe"),
    (OPINION, "No, I have a strong opinion", "several options: No, Strong opinion"),
    (CHINESE, "否，因为这是玩笑。", "several options: 是, 否"),
    (CHINESE, "是否", "several options: 是, 否"),
    (SCALE, "1 or 2", "several options: 1, 2"),
    # only mentioned
    (OFFENSIVE, "No problem", "an option only mentioned: No problem"),
    (OFFENSIVE, "Maybe not", "an option only mentioned: Maybe not"),
    (OFFENSIVE, "The answer is not Yes", "an option only mentioned: The answer is not Yes"),
    (OFFENSIVE, "Nobody would say yes", "an option only mentioned: Nobody would say yes"),
    (OFFENSIVE, "Yes? Hardly.", "an option only mentioned: Yes? Hardly."),
    (OFFENSIVE, "It offends.", "an option only mentioned: It offends."),
    (OFFENSIVE, "~~Yes~~", "an option only mentioned: ~~Yes~~"),
    (OFFENSIVE, "<s>Yes</s>", "an option only mentioned: <s>Yes</s>"),
    (SPANISH, "No es para tanto", "an option only mentioned: No es para tanto"),
    (LANGUAGE, "C#", "an option only mentioned: C#"),
    # taken back
    (OFFENSIVE, "Yes. Wait, this is a quotation.", "an option taken back: Yes. Wait"),
    (OFFENSIVE, "No, on second thought it does.", "an option taken back: "),
    # numbers that are others
    (SCALE, "-1", "no option: -1"),
    (SCALE, "(-1)", "no option: (-1)"),
    (SCALE, "1.5", "no option: 1.5"),
    (SCALE, "0,5", "no option: 0,5"),
    (SCALE, ".3", "no option: .3"),
    (SCALE, "10", "no option: 10"),
    (SCALE, "1 %", "no option: 1 %"),
    (SCALE, "$2", "no option: $2"),
    (SCALE, "1-2", "no option: 1-2"),
    (SCALE, "1st", "no option: 1st"),
    (SIGNED, "1", "no option: 1"),
    (INCOME, "50K", "no option: 50K"),
    # an answer and a refusal
    (OFFENSIVE, "No. I'm sorry, but I can't assist with that.", "an option beside a refusal: No. I'm sorry"),
    (OFFENSIVE, "No, I cannot help with that.", "an option beside a refusal: No, I cannot help"),
    (OFFENSIVE, "I can't take on a persona, but No.", "an option beside a refusal: I can't take on a persona, but No."),
    (OFFENSIVE, "I cannot assist with that.\nAnswer: Maybe", "an option beside a refusal: "),
]


@pytest.mark.parametrize(("task", "text", "answer"), READ)
def test_what_is_read(task: TaskEntry, text: str, answer: str) -> None:
    assert parse_answer(text, "stop", task) == ("answered", answer, None)


@pytest.mark.parametrize(("task", "text", "detail"), INVALID)
def test_what_is_no_answer(task: TaskEntry, text: str, detail: str) -> None:
    parsed = parse_answer(text, "stop", task)
    assert parsed[:2] == ("invalid", None)
    assert parsed.detail is not None
    assert parsed.detail.startswith(detail)


def test_another_spelling_counts_where_the_task_lists_it() -> None:
    task = spelled_task({"Incomprehensible": ["Incomprensible", "n/a"], "Yes": ["yep"], "No": []})
    assert parse_answer("Incomprensible.", "stop", task).answer == "Incomprehensible"
    assert parse_answer("**N/A**", "stop", task).answer == "Incomprehensible"
    assert parse_answer("Yep, it does", "stop", task).answer == "Yes"
    assert parse_answer("yep and no", "stop", task).detail == "several options: Yes, No"


def test_a_gloss_may_name_other_options() -> None:
    task = option_task("Yes", "No", "Unclear", Unclear="neither Yes nor No")
    assert parse_answer("Unclear (neither yes nor no)", "stop", task).answer == "Unclear"
    assert parse_answer("Neither Yes nor No", "stop", task).detail == "an option only mentioned: Neither Yes nor No"
    assert parse_answer("Yes, neither no nor yes", "stop", task).detail == "several options: Yes, No"


def test_options_that_are_spelled_alike_are_told_apart_only_as_written() -> None:
    task = option_task("non-toxic", "non toxic")
    assert parse_answer("non toxic", "stop", task).answer == "non toxic"
    assert parse_answer("non-toxic", "stop", task).answer == "non-toxic"
    assert parse_answer("Non-toxic.", "stop", task).detail == "several options: non-toxic, non toxic"


def test_order_of_the_options_does_not_matter() -> None:
    texts = [text for task, text, _ in (*READ, *INVALID) if task is OPINION or task is OFFENSIVE]
    for task in (OPINION, OFFENSIVE):
        turned = task.model_copy(update={"options": task.options[::-1]})
        for text in texts:
            assert parse_answer(text, "stop", task)[:2] == parse_answer(text, "stop", turned)[:2]
