"""A persona set of the catalog as the table `Personas`."""

import json
from collections.abc import Sequence

import pandas as pd

from bias_platform.catalog.entries import PersonaEntry, PersonaSetEntry
from bias_platform.catalog.systems import NO_PERSONA
from bias_platform.errors import CatalogError
from bias_platform.schemas import Personas, validate_table

CONTROL_DIMENSION = "control"
BASELINE_DIMENSION = "baseline"


def personas_table(entry: PersonaSetEntry, dimensions: Sequence[str] = (), baseline: bool = True) -> pd.DataFrame:
    """The named personas of the wanted dimensions, then the control, then the baseline.

    Args:
        entry: the persona set.
        dimensions: which ones, in this order; empty: all.
        baseline: whether `no-persona` (no system message, no phrase) is a row.

    Raises:
        CatalogError: the set has no such dimension.
    """
    unknown = [name for name in dimensions if name not in entry.dimensions]
    if unknown:
        raise CatalogError(
            f"the persona set has no dimension {', '.join(unknown)}; it has: {', '.join(entry.dimensions)}"
        )
    wanted = tuple(dimensions) or tuple(entry.dimensions)
    rows = [_row(persona, name, "named") for name in wanted for persona in entry.dimensions[name]]
    rows.append(_row(entry.control, CONTROL_DIMENSION, "control"))
    if baseline:
        rows.append((NO_PERSONA, BASELINE_DIMENSION, None, "no persona", "baseline", "{}"))
    columns = ["persona_id", "dimension", "phrase", "label", "role", "attributes"]
    return validate_table(pd.DataFrame(rows, columns=columns, dtype=object), Personas, "personas")


def _row(persona: PersonaEntry, dimension: str, role: str) -> tuple[str, str, str | None, str, str, str]:
    attributes = json.dumps(persona.attributes, sort_keys=True, ensure_ascii=False)
    return persona.id, dimension, persona.phrase, persona.label or persona.id, role, attributes
