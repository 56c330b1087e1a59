"""Tunes a LoRA adapter on a base model."""

from pathlib import Path

from bias_platform.catalog.entries import AdapterEntry
from bias_platform.models.source import ModelSource
from bias_platform.models.tuning import train_adapter
from bias_platform.reports.training_plots import loss_curve_png
from bias_platform.schemas import TrainingLog, validate_table
from bias_platform.storage import publish, read_table, write_table
from bias_platform.storage.names import TRAINING_LOG
from bias_platform.workers.session import Publication, Session, as_base64, run_worker
from bias_platform.workers.weights import verify_weights


def work(session: Session) -> None:
    """Request: slug, entry (AdapterEntry), base (ModelSource), examples (path), pictures (folder), publication."""
    slug = session.request["slug"]
    entry = AdapterEntry.model_validate(session.request["entry"])
    base = ModelSource.model_validate(session.request["base"])
    examples = read_table(Path(session.request["examples"]), "prompts/examples")
    verify_weights(base)
    publication = Publication.model_validate(session.request["publication"])
    with publish(**publication.arguments()) as staging:
        progress = session.progress(f"tuning {slug}")
        log = train_adapter(base, examples, entry, staging.folder, progress, Path(session.request["pictures"]))
        validate_table(log, TrainingLog, f"training log of {slug}")
        staging.rows[TRAINING_LOG] = write_table(log, staging.folder / TRAINING_LOG)
        staging.facts.update(final_loss=float(log["loss"].tail(10).mean()), steps=len(log), examples=len(examples))
    session.published(slug, staging.published, loss_curve_png=as_base64(loss_curve_png(log, slug)))


if __name__ == "__main__":
    run_worker(work)
