"""What is wrong with a catalog: one `Problem` a mistake, with the place it was made and a near-miss suggestion."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

Field = tuple[str | int, ...]
"""A way down the catalog, e.g. ("studies", "offensiveness", "systems", 2)."""

_SHOWN = 60


class Problem(NamedTuple):
    """One mistake: where in the catalog, and what is wrong, allowed and to be done."""

    field: Field
    message: str


def field_path(field: Field) -> str:
    """The written form of a field.

    >>> field_path(("studies", "offensiveness", "systems", 2))
    'studies.offensiveness.systems[2]'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """A value as an error message quotes it: on one line and cut after 60 characters."""
    text = str(value) if isinstance(value, int | float | bool) else f"'{value}'"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...'"


def allowed(known: Iterable[str], value: object = None) -> str:
    """What may stand here, and the nearest of it to what does.

    >>> allowed(["demo", "paper"], "dmeo")
    "allowed: demo, paper. Did you mean 'demo'?"
    """
    names = list(dict.fromkeys(known))
    if not names:
        return "none is declared"
    return f"allowed: {', '.join(names)}{suggestion(names, value)}"


def suggestion(names: Iterable[str], value: object) -> str:
    """`. Did you mean 'x'?`, or nothing when no name is near."""
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(value).lower(), by_lower, n=1, cutoff=0.6)
    return f". Did you mean '{by_lower[near[0]]}'?" if near else ""


def unknown(field: Field, value: object, what: str, known: Iterable[str]) -> Problem:
    """The problem of a name nobody declared. `what` names the kind of thing, e.g. `model`."""
    return Problem(field, f"there is no {what} {shown(value)}; {allowed(known, value)}")
