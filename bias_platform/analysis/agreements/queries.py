"""The statement that gives the rows a number is made from: DuckDB, run in the catalog's folder of the lake.

It reads the published tables by itself and shares no code with the analysis: what it gives can be held against it.
"""

from dataclasses import dataclass

from bias_platform.analysis.agreements.answer_matrix import AnswerMatrix, Column
from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.analysis.sql_text import literal
from bias_platform.corpora.assembly import GROUP_SEPARATOR


@dataclass(frozen=True)
class Queries:
    """Writes the statements of one report."""

    inputs: AgreementInputs
    matrix: AnswerMatrix

    def coverage(self, system: str, persona: str) -> str:
        """Outcomes of a partition, counted."""
        return f"SELECT outcome, count(*) AS cells FROM {self._part(system, persona)} GROUP BY outcome ORDER BY outcome"

    def answers(self, system: str, **columns: Column) -> str:
        """One row an item: item_id and, for each named column, its answer and outcome."""
        return self._joined({name: (system, column) for name, column in columns.items()})

    def answers_of_systems(self, policy: str, group: str, **columns: tuple[str, Column]) -> str:
        """The same of columns of several systems, on the items that a group's people label, with their label."""
        labels = self._labels(policy, group)
        return self._joined(columns, more="l.label AS people", join=f"JOIN ({labels}) l USING (item_id)")

    def overall(self, policy: str, system: str, column: Column) -> str:
        """Answers beside the label of all annotators."""
        labels = self._labels(policy, None)
        return self._joined({"answer": (system, column)}, "l.label AS people", f"JOIN ({labels}) l USING (item_id)")

    def subset(self, system: str, column: Column, group: str, label: str) -> str:
        """Answers about the items that are about a group and that all annotators label so."""
        items = literal(self.inputs.relative(self.inputs.questions_folder / "items.parquet"))
        people = literal(self.inputs.relative(self.inputs.corpus_folder / "annotations.parquet"))
        matches = f"regexp_matches(coalesce(i.target_group, ''), {literal(group)})"
        if "target_groups" in self.inputs.annotations:
            split = f"string_split(a.target_groups, {literal(GROUP_SEPARATOR)})"
            matches = f"bool_and(len(list_filter({split}, lambda g: NOT regexp_matches(g, {literal(group)}))) = 0)"
        chosen = (
            f"SELECT i.item_id FROM read_parquet({items}) i JOIN read_parquet({people}) a USING (item_id) "
            f"GROUP BY i.item_id, i.target_group HAVING bool_and(a.label = {literal(label)}) AND {matches}"
        )
        asked = f"JOIN ({chosen}) c USING (item_id) WHERE t_answer.outcome <> 'failed'"
        return self._joined({"answer": (system, column)}, join=asked)

    def again(self, system: str, repeat: str, column: Column) -> str:
        """Answers of a column and those to the same questions asked again."""
        path = literal(self.inputs.relative(self.inputs.repeats[system, repeat]))
        second = (
            f"SELECT item_id, answer, outcome FROM read_parquet({path}) "
            f"WHERE persona_id = {literal(column[0])} AND {self._rows(column)}"
        )
        return self._joined(
            {"first": (system, column)},
            "g.answer AS again, g.outcome AS again_outcome",
            f"JOIN ({second}) g USING (item_id)",
        )

    def table(self, name: str, where: dict[str, str], columns: str = "*") -> str:
        """Rows of another table of the same report."""
        said = " AND ".join(f'"{column}" = {literal(value)}' for column, value in where.items())
        path = literal(self.inputs.relative(self.inputs.report_folder / "tables" / f"{name}.parquet"))
        return f"SELECT {columns} FROM read_parquet({path}) WHERE {said}"

    def _joined(self, columns: dict[str, tuple[str, Column]], more: str = "", join: str = "") -> str:
        parts = {
            name: f"(SELECT item_id, answer, outcome FROM {self._part(system, column[0])} WHERE {self._rows(column)})"
            for name, (system, column) in columns.items()
        }
        first, *others = parts
        chosen = [f't_{name}.answer AS "{name}", t_{name}.outcome AS "{name}_outcome"' for name in parts]
        rest = [f"JOIN {parts[name]} t_{name} USING (item_id)" for name in others]
        select = ", ".join(["item_id", *chosen, *([more] if more else [])])
        clauses = [f"SELECT {select} FROM {parts[first]} t_{first}", *rest, join, "ORDER BY item_id"]
        return " ".join(clause for clause in clauses if clause)

    def _rows(self, column: Column) -> str:
        wording = "template_id IS NULL" if column[1] is None else f"template_id = {literal(column[1])}"
        return f"{wording} AND option_order = {literal(self.matrix.option_order)} AND replicate = 0"

    def _part(self, system: str, persona: str) -> str:
        return f"read_parquet({literal(self.inputs.relative(self.inputs.partitions[system, persona]))})"

    def _labels(self, policy: str, group: str | None) -> str:
        path = literal(self.inputs.relative(self.inputs.corpus_folder / "labels.parquet"))
        of = '"group" IS NULL' if group is None else f'"group" = {literal(group)}'
        return f"SELECT item_id, label FROM read_parquet({path}) WHERE policy = {literal(policy)} AND {of}"
