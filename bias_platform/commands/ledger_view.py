"""What the ledger commands print: aligned columns, thousands separated, no text of any post or answer."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from bias_platform.errors import bullet_list, counted
from bias_platform.inference.ledger_checks import LedgerCheck
from bias_platform.inference.ledger_summary import LedgerSummary, Reason
from bias_platform.inference.recorded_outcomes import ImportReport
from bias_platform.inference.wide_results import WideColumns

_LABEL_WIDTH = 10
_SHOWN_REASONS = 12
_SHOWN_ROWS = 10
_ORIGINS = {
    "asked": "asked",
    "imported": "imported",
    "rebuilt": "taken over when it was rebuilt",
    "migrated": "from a ledger without batches",
}


def ledger_title(path: Path) -> str:
    """`tiny+people / offence`: system and task, which the path says."""
    return f"{path.parent.name} / {path.stem}"


def summary_view(summary: LedgerSummary) -> str:
    """A ledger in numbers."""
    blocks = [_facts(summary), _outcomes(summary), _reasons(summary.reasons)]
    body = "\n\n".join("\n".join(f"  {line}" for line in block) for block in map(list, blocks) if block)
    return f"{ledger_title(summary.path)}\n{body}"


def check_view(path: Path, check: LedgerCheck) -> str:
    """What a check has found."""
    what = f"{counted(check.cells, 'cell')} in {counted(check.batches, 'batch', 'batches')}"
    if not check.problems:
        return f"{ledger_title(path)}: sound ({what})"
    return f"{ledger_title(path)}: DAMAGED ({what} read)\n{bullet_list(check.problems)}"


def compaction_view(path: Path, before: int, after: int) -> str:
    """What compacting has saved."""
    return f"{ledger_title(path)}: {size_text(before)} before, {size_text(after)} now"


def import_view(report: ImportReport, columns: WideColumns) -> str:
    """What became of recorded answers."""
    matched = report.rows - len(report.rows_without_item) - len(report.repeated_rows)
    imported = report.imported.total()
    found = [
        ("columns of answers matched", len(columns.answers), ""),
        ("  not in the study", len(columns.unmatched), ""),
        ("rows matched", matched, ""),
        ("  post not in the study", len(report.rows_without_item), _row_numbers(report.rows_without_item)),
        ("  post came before", len(report.repeated_rows), _row_numbers(report.repeated_rows)),
        ("cells imported", imported, ""),
        *((f"  {outcome}", cells, _share(cells, imported)) for outcome, cells in sorted(report.imported.items())),
        ("cells already in the ledger", report.already_known, "left as they are" if report.already_known else ""),
        ("answers the study does not ask for", report.not_asked, ""),
        ("unreadable response_json", report.unreadable_completions, ""),
        *((f"written by {model}", cells, "") for model, cells in report.models.most_common()),
    ]
    lines = _columns([(label, f"{count:,}", note) for label, count, note in found if count or label[0] != " "])
    unmatched = [f"columns not in the study:\n{bullet_list(columns.unmatched)}"] if columns.unmatched else []
    return "\n".join([*lines, *unmatched])


def size_text(size: int) -> str:
    """Bytes in the largest unit that leaves a number above 1.

    >>> size_text(1_234_567)
    '1.2 MB'
    """
    value, units = float(size), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:,.0f} B" if units[0] == "B" else f"{value:,.1f} {units[0]}"


def _facts(summary: LedgerSummary) -> Iterator[str]:
    yield _labelled("file", f"{summary.path} ({size_text(summary.size)}, schema {summary.schema_version})")
    if summary.first_written is not None and summary.last_written is not None:
        yield _labelled("written", f"{_moment(summary.first_written)} to {_moment(summary.last_written)} UTC")
    for count in summary.batches:
        what = f"{counted(count.batches, 'batch', 'batches')} {_ORIGINS.get(count.origin, count.origin)}"
        yield _labelled("batches" if count is summary.batches[0] else "", f"{what} ({counted(count.cells, 'cell')})")
    spent = summary.spent
    if any(spent):
        cached = f" ({spent.cached_tokens:,} from a cache)" if spent.cached_tokens else ""
        yield _labelled("tokens", f"{spent.input_tokens:,} read{cached}, {spent.output_tokens:,} written")
    if summary.rate:
        tokens = f", {summary.rate.tokens_per_second:,.0f} tokens/s" if summary.rate.tokens_per_second else ""
        pace = f"{summary.rate.cells_per_second:,.1f} cells/s{tokens}"
        yield _labelled("pace", f"{pace} (last {counted(summary.rate.cells, 'cell')} asked)")
    yield _labelled("writer", f"{summary.writer} is writing it now" if summary.writer else "nobody writes it now")
    if summary.suspicion:
        yield _labelled("damage", f"{summary.suspicion}; the next run mends it")
    for path in (path for path in summary.set_aside if not path.name.endswith(("-wal", "-shm"))):
        yield _labelled("set aside", f"{path.name} ({size_text(path.stat().st_size)})")


def _outcomes(summary: LedgerSummary) -> list[str]:
    ordered = sorted(summary.by_outcome.items(), key=lambda each: -each[1])
    rows = [("outcome", "cells", "share")]
    rows += [(outcome, f"{cells:,}", _share(cells, summary.cells)) for outcome, cells in ordered]
    rows += [("all", f"{summary.cells:,}", "")] if len(ordered) != 1 else []
    return _columns(rows)


def _reasons(reasons: Sequence[Reason]) -> list[str]:
    if not reasons:
        return []
    rows = [("no answer because", "cells", "")]
    rows += [(each.reason, f"{each.cells:,}", _kind(each)) for each in reasons[:_SHOWN_REASONS]]
    rest = reasons[_SHOWN_REASONS:]
    rows += [(f"{len(rest)} more reasons", f"{sum(each.cells for each in rest):,}", "")] if rest else []
    return _columns(rows)


def _kind(reason: Reason) -> str:
    if reason.outcome != "failed":
        return reason.outcome
    return "failed, asked again by the next run" if reason.transient else "failed, not asked again"


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """A label, a number that ends where the others end, and a note."""
    label, number = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    notes = max(len(row[2]) for row in rows) if all(_is_share(row[2]) for row in rows) else 0
    return [f"{row[0]:<{label}}  {row[1]:>{number}}  {row[2]:>{notes}}".rstrip() for row in rows]


def _is_share(text: str) -> bool:
    return text in ("", "share") or text.endswith("%")


def _share(cells: int, total: int) -> str:
    return f"{cells / total:.2%}".replace("%", " %") if total else ""


def _labelled(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}}{text}"


def _moment(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M}"


def _row_numbers(rows: Sequence[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:_SHOWN_ROWS])
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{', ...' if len(rows) > _SHOWN_ROWS else ''}" if rows else ""
