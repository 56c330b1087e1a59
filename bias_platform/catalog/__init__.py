"""What can be studied: YAML files and the typed loader that turns them into one `Catalog`.

Not here: reading corpora (`corpora`), rendering prompts (`prompts`), loading models (`models`). Nothing heavy is
imported, because every process, the Dagster code location included, starts by loading a catalog.
"""

from bias_platform.catalog.description import describe_catalog, questions_per_item
from bias_platform.catalog.engine_settings import Budget, DecodingSettings, EngineSettings, Price
from bias_platform.catalog.entries import (
    AdapterEntry,
    AnalysisSettings,
    Catalog,
    ChangeContrast,
    ColumnMapping,
    CorpusEntry,
    ItemSample,
    ModelEntry,
    OptionEntry,
    PersonaEntry,
    PersonaSetEntry,
    QuantizationEntry,
    ReferenceRecipe,
    StudyEntry,
    TaskEntry,
    TemplateSetEntry,
    TrainingData,
)
from bias_platform.catalog.field_reference import field_reference
from bias_platform.catalog.folders import catalog_folder, shipped_catalogs
from bias_platform.catalog.loading import load_catalog
from bias_platform.catalog.paths import resolve_corpus, resolve_path
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.catalog.systems import NO_PERSONA, SystemParts, all_systems, parse_system, study_personas

__all__ = [
    "NO_PERSONA",
    "AdapterEntry",
    "AnalysisSettings",
    "Budget",
    "Catalog",
    "ChangeContrast",
    "ColumnMapping",
    "CorpusEntry",
    "DecodingSettings",
    "EngineSettings",
    "ItemSample",
    "ModelEntry",
    "OptionEntry",
    "PersonaEntry",
    "PersonaSetEntry",
    "PowerSettings",
    "Price",
    "QuantizationEntry",
    "ReferenceRecipe",
    "StudyEntry",
    "SystemParts",
    "TaskEntry",
    "TemplateSetEntry",
    "TrainingData",
    "all_systems",
    "catalog_folder",
    "describe_catalog",
    "field_reference",
    "load_catalog",
    "parse_system",
    "questions_per_item",
    "resolve_corpus",
    "resolve_path",
    "shipped_catalogs",
    "study_personas",
]
