"""Column schemas for the UI, taken from the pandera models."""

import warnings
from typing import Any

import dagster as dg
import pandera.pandas as pa
from dagster_pandera import pandera_schema_to_dagster_type


def column_schema_metadata(main: type[pa.DataFrameModel], **others: type[pa.DataFrameModel]) -> dict[str, Any]:
    """Definition metadata: the main table's columns where the UI looks for them, others by name beside it."""
    metadata: dict[str, Any] = {"dagster/column_schema": _columns(main)}
    for name, schema in others.items():
        metadata[f"{name}_columns"] = dg.MetadataValue.table_schema(_columns(schema))
    return metadata


def _columns(schema: type[pa.DataFrameModel]) -> dg.TableSchema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the conversion is marked beta
        value = pandera_schema_to_dagster_type(schema).metadata["schema"]
    columns: dg.TableSchema = value.value
    return columns
