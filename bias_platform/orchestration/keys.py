"""Names of assets: `<catalog>/<group>/<name>`, so that a demo and a real study stand side by side in one UI."""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class Keys:
    """The asset keys of one catalog.

    Args:
        catalog: the catalog's name.
    """

    catalog: str

    def corpus(self, slug: str) -> dg.AssetKey:
        """Items and annotations of a corpus."""
        return self._key("corpora", slug)

    def personas(self, slug: str) -> dg.AssetKey:
        """A persona set."""
        return self._key("personas", slug)

    def questions(self, study: str) -> dg.AssetKey:
        """What a study asks."""
        return self._key("prompts", f"{study}_questions")

    @property
    def examples(self) -> dg.AssetKey:
        """What adapters and reference bases learn from, partitioned by learner."""
        return self._key("prompts", "examples")

    @property
    def recipes(self) -> dg.AssetKey:
        """What the catalog says of each base, adapter and checkpoint, observed."""
        return self._key("models", "recipes")

    @property
    def system_recipes(self) -> dg.AssetKey:
        """What the catalog says of each whole system, observed."""
        return self._key("models", "system_recipes")

    @property
    def base(self) -> dg.AssetKey:
        """Base models."""
        return self._key("models", "base")

    @property
    def adapters(self) -> dg.AssetKey:
        """Adapters, partitioned by `base+adapter`."""
        return self._key("models", "adapters")

    @property
    def checkpoints(self) -> dg.AssetKey:
        """Quantized checkpoints."""
        return self._key("models", "checkpoints")

    @property
    def systems(self) -> dg.AssetKey:
        """Resolved systems."""
        return self._key("models", "systems")

    def predictions(self, study: str) -> dg.AssetKey:
        """Answers of a study, partitioned by model and persona."""
        return self._key("predictions", study)

    def index(self, study: str) -> dg.AssetKey:
        """One combined version of all of a study's predictions."""
        return self._key("predictions", f"{study}_index")

    def repeats(self, study: str) -> dg.AssetKey:
        """Answers to the same questions asked again, partitioned by model and repeat."""
        return self._key("predictions", f"{study}_repeats")

    def report(self, study: str, kind: str = "regression") -> dg.AssetKey:
        """A report of a study: `regression`, what was found; `power`, what could be found."""
        return self._key("reports", f"{study}_{kind}")

    def _key(self, group: str, name: str) -> dg.AssetKey:
        return dg.AssetKey([_safe(self.catalog), group, _safe(name)])


def group_name(key: dg.AssetKey) -> str:
    """The group an asset stands in: its middle word."""
    return key.path[1]


def _safe(name: str) -> str:
    # asset keys take letters, digits and underscores well; slugs also have dots and dashes
    return name.replace("-", "_").replace(".", "_")
