"""Where things lie, how they are published whole or not at all, and how one can tell what they were made from.

Not here: what the tables contain (`schemas`) or how they are computed. Answers bought one by one lie in the ledger
(`inference.ledger`) until their partition is complete.
"""

from bias_platform.storage.manifest import Manifest, read_manifest, verify_artifact
from bias_platform.storage.paths import Lake
from bias_platform.storage.publication import publish
from bias_platform.storage.tables import read_table, write_table

__all__ = ["Lake", "Manifest", "publish", "read_manifest", "read_table", "verify_artifact", "write_table"]
