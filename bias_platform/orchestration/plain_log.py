"""A logger for people at a terminal: the line itself, without run ids; everything stays in the event log."""

import logging
import sys

import dagster as dg

PLAIN = "plain"
_BY_DAGSTER = ("[pipes]", "Dependencies for step")


class _OnlyTheLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The message as it was given, indented under the step it belongs to."""
        meta = getattr(record, "dagster_meta", {})
        return f"      {meta.get('orig_message') or record.getMessage()}"


class _OnlyByHand(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Events (started, succeeded, failed) are told by the plan; only what was logged by hand passes."""
        meta = getattr(record, "dagster_meta", {})
        return meta.get("dagster_event") is None and not str(meta.get("orig_message")).startswith(_BY_DAGSTER)


@dg.logger
def plain_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Prints what assets and workers log, one short line each."""
    logger = logging.Logger("bias_platform.plain", level=logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_OnlyTheLine())
    handler.addFilter(_OnlyByHand())
    logger.addHandler(handler)
    del context
    return logger
