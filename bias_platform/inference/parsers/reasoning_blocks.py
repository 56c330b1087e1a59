"""What a model thinks aloud before it answers: no part of its answer."""

import re

_TAG = "(think|thinking|thought|reasoning)"
_BEGINNING = re.compile(rf"\s*<{_TAG}>", re.IGNORECASE)
_END = re.compile(rf"</{_TAG}>", re.IGNORECASE)


def after_reasoning(text: str) -> str | None:
    """What follows the reasoning blocks that a text begins with; the whole text where there are none.

    Some chat templates write the opening tag themselves, so that a text begins within a block: it ends at the last
    closing tag.

    Returns:
        None where a block was begun and never closed.

    >>> after_reasoning("<think>Some would say No.</think> Yes")
    ' Yes'
    """
    if "<" not in text:
        return text
    place = 0
    while beginning := _BEGINNING.match(text, place):
        end = re.compile(f"</{beginning[1]}>", re.IGNORECASE).search(text, beginning.end())
        if end is None:
            return None
        place = end.end()
    if place == 0:
        place = max((end.end() for end in _END.finditer(text)), default=0)
    return text[place:]
