"""Numbers of rows: how the page names them, and how a number in a sentence leads to its row."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from markupsafe import Markup, escape

_ADDRESS = re.compile(r"\[([a-z_]+):([1-9][0-9]*)\]")


def row_number(table: str, index: object) -> str:
    """The number of a row, its place counted from 1.

    >>> row_number("pair_tests", 16)
    'pair_tests:17'
    """
    return f"{table}:{int(str(index)) + 1}"


def anchor(number: str) -> str:
    """The id of a row on the page.

    >>> anchor("pair_tests:17")
    'pair_tests-17'
    """
    return number.replace(":", "-")


def quoted_rows(sentences: Iterable[str], tables: Mapping[str, Sequence[object]]) -> dict[str, list[int]]:
    """Table -> places (from 0) of the rows that sentences name in square brackets, if there are such rows.

    >>> quoted_rows(["one [alphas:2], two [alphas:9] [other:1]"], {"alphas": [0, 1]})
    {'alphas': [1]}
    """
    found: dict[str, list[int]] = {}
    for sentence in sentences:
        for name, place in _ADDRESS.findall(sentence):
            if name in tables and int(place) <= len(tables[name]):
                found.setdefault(name, []).append(int(place) - 1)
    return {name: sorted(set(places)) for name, places in found.items()}


def linked(sentence: str, shown: Collection[str]) -> Markup:
    """The sentence, escaped, with every number in brackets that the page shows as a link to its row.

    >>> print(linked("<b> [alphas:2]", {"alphas:2"}))
    &lt;b&gt; <a class="row" href="#alphas-2">[alphas:2]</a>
    """

    def link(match: re.Match[str]) -> str:
        number = f"{match[1]}:{match[2]}"
        return f'<a class="row" href="#{anchor(number)}">[{number}]</a>' if number in shown else match[0]

    return Markup(_ADDRESS.sub(link, str(escape(sentence))))
