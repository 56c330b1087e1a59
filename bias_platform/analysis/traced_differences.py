"""Numbers of a regression report that owe nothing to a model, made again from the published answers.

Probabilities of Yes and differences of them are means over items. Each has a DuckDB statement over the tables of
predictions, and the number is the mean of what it gives; log-odds, intervals and p values are the analysis' own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_platform.analysis.sql_text import literal
from bias_platform.catalog.entries import TaskEntry
from bias_platform.schemas.result_parts import LENIENT

TRACED = ("control_contrasts", "persona_pairs", "persona_probabilities")
"""Tables whose rows can be made again."""


@dataclass(frozen=True)
class TracedDifferences:
    """Statements and numbers of one report.

    Args:
        task: of the study.
        control: persona id of the generic person.
        part: (system, persona) -> the file of predictions, as statements name it.
    """

    task: TaskEntry
    control: str
    part: Callable[[str, str], str]

    def statement(self, table: str, row: Mapping[str, Any]) -> str:
        """One row an item: item_id and the share of Yes of the persona (and of the other one), over wordings."""
        own = self._shares(row, str(row["persona_id"]))
        if table == "persona_probabilities":
            return f"SELECT item_id, yes AS persona FROM ({own}) ORDER BY item_id"
        other = self._shares(row, str(row["other_id"]) if table == "persona_pairs" else self.control)
        return (
            f"SELECT item_id, p.yes AS persona, o.yes AS other FROM ({own}) p JOIN ({other}) o USING (item_id) "
            "ORDER BY item_id"
        )

    def derive(self, table: str, row: pd.Series, rows: pd.DataFrame) -> dict[str, float]:
        """Column -> the number made again."""
        del row
        if table == "persona_probabilities":
            return {"probability": float(rows["persona"].mean())}
        return {"difference": float((rows["persona"] - rows["other"]).mean())}

    def apart(self, table: str, row: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
        """Items on which the two differ; of one persona, those not called Yes in every wording."""
        del table, row
        if "other" in rows:
            return rows[rows["persona"] != rows["other"]]
        return rows[rows["persona"] < 1]

    def _shares(self, row: Mapping[str, Any], persona: str) -> str:
        task = self.task
        lenient = row.get("reading") == LENIENT and task.positive_lenient
        yes = ", ".join(map(literal, task.positive_lenient if lenient else task.positive))
        aside = f" AND answer NOT IN ({', '.join(map(literal, task.set_aside))})" if task.set_aside else ""
        return (
            f"SELECT item_id, avg(CASE WHEN answer IN ({yes}) THEN 1.0 ELSE 0.0 END) AS yes "
            f"FROM read_parquet({literal(self.part(str(row['system']), persona))}) "
            f"WHERE outcome = 'answered'{aside} AND replicate = 0 GROUP BY item_id"
        )
