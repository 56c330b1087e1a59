"""The front door: what Dagster loads."""

from bias_platform.orchestration.build import build_definitions

defs = build_definitions()
