"""Texts inside the statements that lead from a number to its rows."""


def literal(text: str) -> str:
    """A text as SQL writes it, whatever it holds.

    >>> literal("O'Neill  and others")
    "'O''Neill  and others'"
    """
    return "'" + text.replace("'", "''") + "'"
