"""A result table as LaTeX for a paper: booktabs rules, a longtable where it is longer than a page."""

import re

import pandas as pd

from bias_platform.reports.agreement_columns import columns_of
from bias_platform.reports.agreement_views import written

LONG = 40
"""Rows above which a table may break over pages."""
_PAGE_ONLY = {
    "By chance",
    "Coverage",
    "Holm",
    "Labels",
    "Measure",
    "More / fewer Yes",
    "People an item",
    "Same answer",
    "Tuned on the group?",
    "Interval, apart",
}
"""Headings of columns that would make a table wider than a page; the other files have them."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "[": "{[}",
    "]": "{]}",
    "\u2212": r"\ensuremath{-}",
    "\u2009": r"\,",
    "\u00a0": "~",
    "\u2013": "--",
    "\u2019": "'",
    "\u2026": r"\ldots{}",
}
"""Brackets too: one that begins a row would be taken for the option of the line break before it."""


def latex_table(name: str, table: pd.DataFrame, caption: str) -> str:
    """The table; it needs `\\usepackage{booktabs}`, and `longtable` above `LONG` rows.

    Args:
        name: of the table; its label becomes `tab:<name>`.
        table: its rows, all of which are written.
        caption: plain text.
    """
    columns = [column for column in columns_of(name, table) if column.heading not in _PAGE_ONLY]
    headings = [escaped(column.heading) for column in columns]
    rows = [[escaped(cell) for cell in row] for row in written(table, columns)]
    long = len(rows) > LONG
    # by position: two columns may have one heading, which a Styler does not take
    styler = pd.DataFrame(rows, columns=range(len(columns))).style
    styler = styler.hide(axis="index").format_index(lambda place: headings[int(str(place))], axis="columns")
    body = styler.to_latex(
        caption=escaped(caption).replace(" x ", r" $\times$ "),
        label=f"tab:{name.replace('_', '-')}",
        column_format="".join("r" if column.numeric else "l" for column in columns),
        hrules=True,
        environment="longtable" if long else "table",
        position=None if long else "htbp",
        position_float=None if long else "centering",
    )
    packages = r"\usepackage{booktabs,longtable}" if long else r"\usepackage{booktabs}"
    return f"% needs {packages}\n{body}"


def escaped(text: str) -> str:
    r"""Text as LaTeX sets it; line breaks become spaces, for a blank line would end the row.

    >>> escaped("50 % of a_b")
    '50 \\% of a\\_b'
    """
    line = re.sub(r"[ \t\r\n\f\v]+", " ", text)
    return "".join(_SPECIAL.get(letter, letter) for letter in line if letter.isprintable() or letter in _SPECIAL)
