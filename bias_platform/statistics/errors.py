"""The mistakes a caller of this room can make, as one clear sentence."""

from collections.abc import Iterable
from difflib import get_close_matches

from bias_platform.errors import UserError


class ModelError(UserError):
    """A model, a contrast or its data cannot be used as asked; the message says what to change."""


def spell_check(wanted: str, known: Iterable[str]) -> str:
    """A hint naming the known words nearest to ``wanted``, or all of them where few are known.

    >>> spell_check("persna", ["persona", "system"])
    'did you mean persona?'
    """
    names = [str(name) for name in known]
    near = get_close_matches(str(wanted), names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known are: {shown}"
