import re

import pandas as pd
import pytest

from bias_platform.reports.agreement_latex import LONG, escaped, latex_table
from bias_platform_tests.reports.made_agreement import Made, made_results

HOSTILE = '[1em] <b> $x_1^2$ & "q" {50 %} ~#\\ |\n\nnew'
NAKED = re.compile(r"(?<!\\)[%$#_&~^]")


def _body(text: str) -> list[str]:
    """Rows between the last head and the last rule."""
    lines = text.splitlines()
    start = max(k for k, line in enumerate(lines) if line in (r"\midrule", r"\endlastfoot"))
    return [line for line in lines[start + 1 :] if line.endswith(r"\\")]


def _balanced(text: str) -> bool:
    depth = 0
    for brace in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("name", sorted(made_results(Made()).tables))
def test_every_table_is_whole(name: str) -> None:
    table = made_results(Made()).tables[name]
    text = latex_table(name, table, "One row a system x persona: 5 % of it.")
    assert _balanced(text)
    heads = 2 if len(table) > LONG else 1  # of the first page, of the others
    assert text.count(r"\toprule") == heads
    assert text.count(r"\bottomrule") == 1
    assert r"5 \% of it" in text
    assert r"system $\times$ persona" in text
    for environment in ("table", "tabular", "longtable"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")
    assert (r"\begin{longtable}" in text) == (len(table) > LONG)
    rows = _body(text)
    assert len(rows) == len(table)
    columns = re.search(r"\\begin\{(?:tabular|longtable)\}\{([lr]+)\}", text)
    assert columns is not None
    for row in rows:
        assert len(re.split(r"(?<!\\)&", row)) == len(columns[1])


def test_hostile_labels_are_set_as_they_are() -> None:
    table = made_results(Made()).tables["tuning_tests"].assign(attribute=HOSTILE)
    text = latex_table("tuning_tests", table, "A caption")
    assert _balanced(text)
    for row in _body(text):
        assert row.startswith("{[}1em{]}")
        cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
        assert not any(NAKED.search(cell.replace(r"\textasciitilde{}", "")) for cell in cells)
        assert "new" in cells[0]


def test_signs_that_a_typesetter_lacks_are_written_out() -> None:
    assert escaped("−0.1 – 12\u2009345 … < 1") == r"\ensuremath{-}0.1 -- 12\,345 \ldots{} \textless{} 1"
    assert escaped("a\x00b") == "ab"
    assert escaped("Ünïcode") == "Ünïcode"


def test_a_table_says_what_it_needs() -> None:
    tables = made_results(Made()).tables
    assert latex_table("tuning_tests", tables["tuning_tests"], "c").startswith("% needs \\usepackage{booktabs}\n")
    long = pd.concat([tables["alphas"]] * 2, ignore_index=True)
    assert latex_table("alphas", long, "c").startswith("% needs \\usepackage{booktabs,longtable}\n")
