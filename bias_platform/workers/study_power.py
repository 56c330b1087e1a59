"""Simulates which differences a study could find, and writes the page that tells them."""

from bias_platform.analysis.assumed_answers import StudySize
from bias_platform.analysis.declared_power import declared_power
from bias_platform.catalog.entries import StudyEntry
from bias_platform.reports.power_page import write_power_report
from bias_platform.reports.provenance import Provenance
from bias_platform.storage import publish
from bias_platform.storage.manifest import environment_record
from bias_platform.workers.session import Publication, Session, run_worker


def work(session: Session) -> None:
    """Request: publication (its parameters say the size), catalog, study_slug, study."""
    request = session.request
    publication = Publication.model_validate(request["publication"])
    size, cells = StudySize(**publication.parameters["size"]), publication.parameters["cells_per_item"]
    found = declared_power(
        StudyEntry.model_validate(request["study"]), size, cells, session.progress("simulating", every=5.0)
    )
    provenance = Provenance(
        study=request["study_slug"],
        catalog=request["catalog"],
        code_version=publication.code_version,
        packages=environment_record(),
    )
    with publish(**publication.arguments()) as staging:
        write_power_report(found, provenance, staging.folder)
        staging.rows.update({f"tables/{name}.parquet": len(table) for name, table in found.tables.items()})
        staging.facts.update(headline=found.headline, cells=cells * size.items, items=size.items)
    session.published("", staging.published)


if __name__ == "__main__":
    run_worker(work)
