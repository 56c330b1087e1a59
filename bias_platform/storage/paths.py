"""The one place that knows where everything lies."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]")


def lake_root() -> Path:
    """`BIAS_PLATFORM_LAKE` if set, else `data/lake` beside `DAGSTER_HOME`, else under the current folder.

    Beside Dagster's records, so that a command given in another folder does not start a second lake and ask everything
    again.
    """
    named = os.environ.get("BIAS_PLATFORM_LAKE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("DAGSTER_HOME", "dagster_home")).absolute().parent / "data" / "lake"


@dataclass(frozen=True)
class Lake:
    """The folder of one catalog's outputs: `<root>/<catalog>/<group>/<name>/...`.

    Args:
        root: folder shared by all catalogs.
        catalog: the catalog's name.
    """

    root: Path
    catalog: str

    @property
    def home(self) -> Path:
        """This catalog's folder."""
        return self.root / self.catalog

    def corpus(self, slug: str) -> Path:
        """`items.parquet` and `annotations.parquet` of a corpus."""
        return self._at("corpora", slug)

    def personas(self, slug: str) -> Path:
        """`personas.parquet` and `templates.parquet` of a persona set."""
        return self._at("personas", slug)

    def questions(self, study: str) -> Path:
        """`questions.parquet` and `items.parquet` of a study."""
        return self._at("prompts", f"{study}_questions")

    def examples(self, adapter: str) -> Path:
        """`examples.parquet` an adapter learns from."""
        return self._at("prompts", f"{adapter}_examples")

    def base(self, slug: str) -> Path:
        """A base model's weights and tokenizer (or, for a hub model, its resolved reference)."""
        return self._at("models", "base", slug)

    def adapter(self, adapted_slug: str) -> Path:
        """The adapter of `base+adapter`."""
        return self._at("models", "adapters", adapted_slug)

    def checkpoint(self, system: str) -> Path:
        """A quantized checkpoint."""
        return self._at("models", "checkpoints", system)

    def system(self, system: str) -> Path:
        """A resolved system: exactly what is loaded."""
        return self._at("models", "systems", system)

    def predictions(self, study: str) -> Path:
        """All partitions of a study's predictions."""
        return self._at("predictions", study)

    def prediction_partition(self, study: str, system: str, persona: str) -> Path:
        """One partition: `part.parquet` and its manifest."""
        return self.predictions(study) / f"model={system}" / f"persona={persona}"

    def index(self, study: str) -> Path:
        """The table of contents of a study's predictions."""
        return self._at("predictions", f"{study}_index")

    def repeat_partition(self, study: str, system: str, repeat: str) -> Path:
        """One partition of a study's noise floor: `part.parquet` and its manifest."""
        return self._at("predictions", f"{study}_repeats") / f"model={system}" / f"repeat={repeat}"

    def report(self, study: str, kind: str) -> Path:
        """A report's page and tables."""
        return self._at("reports", f"{study}_{kind}")

    def ledger(self, system: str, task: str) -> Path:
        """The SQLite file that holds every outcome of a system at a task."""
        return self._at("ledger", system) / f"{task}.sqlite"

    def _at(self, *parts: str) -> Path:
        return self.home.joinpath(*(_UNSAFE.sub("_", part) for part in parts))
