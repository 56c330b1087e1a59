"""What can be studied: YAML files and the typed loader that turns them into one `Catalog`.

Not here: reading corpora (`corpora`), rendering prompts (`prompts`), loading models (`models`). Nothing heavy is
imported, because every process, the Dagster code location included, starts by loading a catalog.
"""
