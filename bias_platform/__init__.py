"""Measures social bias in language models: raw posts in, a mixed-effects report that can be trusted out.

The rooms, in the order data flows through them: catalog, corpora, prompts, models, inference, analysis, reports.
Below them stand statistics, schemas and storage; on top, workers and orchestration. `pyproject.toml` holds the rules.
"""

__version__ = "0.1.0"
