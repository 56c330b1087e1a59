"""One pandera model a table: the contract between two rooms, checked before a table is published.

Not here: how tables are made (`corpora`, `prompts`, `inference`, `analysis`) or where they lie (`storage`).
Use `validate_table`, which reports all failures of a table at once in words.
"""

from bias_platform.schemas.tables import (
    Annotations,
    GroupItems,
    Items,
    Labels,
    Personas,
    Predictions,
    Questions,
    Repeats,
    TrainingExamples,
    TrainingLog,
)
from bias_platform.schemas.validation import validate_table

__all__ = [
    "Annotations",
    "GroupItems",
    "Items",
    "Labels",
    "Personas",
    "Predictions",
    "Questions",
    "Repeats",
    "TrainingExamples",
    "TrainingLog",
    "validate_table",
]
