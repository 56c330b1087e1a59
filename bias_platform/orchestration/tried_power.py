"""A study's power under other settings than it declares: told, not published."""

from collections.abc import Callable, Mapping
from typing import Any

from bias_platform.analysis.assumed_answers import StudySize
from bias_platform.analysis.declared_power import declared_power
from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.orchestration.blueprints import Blueprints
from bias_platform.progress import ProgressPrinter
from bias_platform.reports.power_views import power_summary
from bias_platform.storage import Lake


def tried_power(
    catalog: Catalog, lake: Lake, study: str, instead: Mapping[str, Any], say: Callable[[str], None]
) -> str:
    """The summary, in Markdown.

    Args:
        catalog: that declares the study.
        lake: where a study that takes all items of its corpus finds how many there are; the largest number of items
            that is tried stands for it where one is given.
        study: its slug.
        instead: fields of `PowerSettings` that are set otherwise.
        say: where progress goes.

    Raises:
        ArtifactError: the number of items is neither declared nor tried, and the corpus is not there.
        ModelError: settings under which no answers can be drawn.
    """
    entry, blueprints = catalog.studies[study], Blueprints(catalog, lake)
    if entry.items.n is None and "items" in instead:
        parameters = blueprints.power_parameters(study)
        parameters["size"]["items"] = max(instead["items"])
    else:
        parameters = blueprints.power(study).parameters
    settings = PowerSettings.model_validate({**entry.power.model_dump(), **instead})
    tried = entry.model_copy(update={"power": settings})
    progress = ProgressPrinter(say, "simulating")
    size = StudySize(**parameters["size"])
    return power_summary(declared_power(tried, size, parameters["cells_per_item"], progress))
