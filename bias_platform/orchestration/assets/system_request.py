"""What every worker that puts a study's questions to a system is told (`workers.asked_system.AskedSystem`)."""

from typing import Any

from bias_platform.catalog.systems import parse_system, study_systems
from bias_platform.inference.ledger_recovery import published_parts
from bias_platform.orchestration.house import House
from bias_platform.storage.names import PICTURES, SYSTEM


def system_request(house: House, study: str, system: str) -> dict[str, Any]:
    """Study, system, what is asked and where its answers are kept, and what may be spent, in JSON types."""
    entry = house.catalog.studies[study]
    return {
        "study": study,
        "lake": str(house.lake.home),
        "system": str(house.lake.system(system) / SYSTEM),
        "task": house.catalog.tasks[entry.task].model_dump(mode="json"),
        "templates": dict(house.catalog.template_sets[entry.template_set].templates),
        "questions": str(house.lake.questions(study)),
        "pictures": str(house.lake.corpus(entry.corpus) / PICTURES),
        "engine": entry.engine.model_dump(mode="json"),
        "ledger": str(house.lake.ledger(system, entry.task)),
        "published": [str(part) for part in published_parts(house.lake, house.catalog, system, entry.task)],
        "text_may_leave_machine": house.catalog.corpora[entry.corpus].text_may_leave_machine,
        "spending": _spending(house, study, system),
        "maximum_failed_share": entry.maximum_failed_share,
    }


def _spending(house: House, study: str, system: str) -> dict[str, Any]:
    """What the study may spend, at which price, and the ledgers of its other systems, whose spending counts too."""
    entry = house.catalog.studies[study]
    return {
        "budget": entry.budget.model_dump(mode="json"),
        "price": _price(house, system),
        "others": [
            {"ledger": str(house.lake.ledger(other, entry.task)), "price": _price(house, other)}
            for other in study_systems(entry)
            if other != system
        ],
    }


def _price(house: House, system: str) -> dict[str, Any] | None:
    price = house.catalog.models[parse_system(system).base].price
    return price.model_dump(mode="json") if price else None
