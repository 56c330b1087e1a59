"""The only room that imports dagster: assets, partitions, checks, resources, the compute seam, plans and schedules.

An asset body is a composition of a few calls into the rooms below; anything that loads a model is handed to a worker.
Not here: how anything is computed. If a function would be of use without Dagster, it belongs in another room.
"""

import warnings

from dagster import BetaWarning, PreviewWarning

# partition mappings, backfill policies and partitioned checks are used knowingly, at a pinned version of dagster
warnings.filterwarnings("ignore", category=BetaWarning)
warnings.filterwarnings("ignore", category=PreviewWarning)
