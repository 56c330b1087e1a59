"""Writes a quantized checkpoint."""

from pathlib import Path

from bias_platform.catalog.entries import QuantizationEntry
from bias_platform.models.quantization import write_checkpoint
from bias_platform.models.source import ModelSource
from bias_platform.storage import publish
from bias_platform.workers.session import Publication, Session, run_worker
from bias_platform.workers.weights import verify_weights


def work(session: Session) -> None:
    """Request: slug, entry (QuantizationEntry), base (ModelSource), adapter (path or None), publication."""
    slug, adapter = session.request["slug"], session.request["adapter"]
    entry = QuantizationEntry.model_validate(session.request["entry"])
    base = ModelSource.model_validate(session.request["base"])
    publication = Publication.model_validate(session.request["publication"])
    verify_weights(base, Path(adapter) if adapter else None)
    session.say(f"quantizing {slug} by {entry.method}")
    with publish(**publication.arguments()) as staging:
        facts = write_checkpoint(base, Path(adapter) if adapter else None, entry, staging.folder)
        staging.facts.update(facts)
    session.published(slug, staging.published)


if __name__ == "__main__":
    run_worker(work)
