"""Writes an agreement report: one self-contained page, its tables and its plots in several formats."""

from pathlib import Path

from bias_platform.analysis.agreements.results import AgreementResults
from bias_platform.reports.agreement_figures import agreement_figures
from bias_platform.reports.agreement_files import caption_of, write_tables
from bias_platform.reports.agreement_glossary import agreement_glossary
from bias_platform.reports.agreement_links import linked, quoted_rows
from bias_platform.reports.agreement_pictures import Plot, on_page
from bias_platform.reports.agreement_views import NumberedView, agreement_views
from bias_platform.reports.figures.files import save_plot
from bias_platform.reports.figures.tiles import Palette
from bias_platform.reports.page_environment import page_environment, page_style
from bias_platform.reports.provenance import Provenance
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES

PAGE = "report.html"
_SECTIONS = (
    ("summary", "Summary", ""),
    ("what", "What this is", ""),
    ("coverage", "Coverage", "coverage"),
    ("alphas", "Agreement", "alphas"),
    ("similarities", "Similarity", "similarities"),
    ("pairs", "Pairs of personas", "pair_tests"),
    ("shares", "Shares that differ", "shares"),
    ("people", "People", "human_alphas"),
    ("tuning", "Tuning", "tuning_tests"),
    ("recalls", "Recall", "recalls"),
    ("evenness", "Evenness", "evenness"),
    ("scores", "Macro-F1", "label_scores"),
    ("noise", "Noise floor", "noise_alphas"),
    ("methods", "Methods", ""),
    ("provenance", "Provenance", ""),
    ("glossary", "Glossary", ""),
)
"""(id, name in the navigation, table without which there is no such section), in the order of the page."""


def write_agreement_report(
    results: AgreementResults, provenance: Provenance, out: Path, palette: Palette = "colour-blind"
) -> None:
    """Fills `out` with report.html, tables/<name>.{parquet,csv,tex} and plots/<name>.{svg,pdf,png}.

    The page asks for nothing outside itself: styles and plots are inside, there is no script. Whatever comes from a
    catalog or a corpus is escaped; posts are never on it. Equal inputs give equal bytes.

    Args:
        results: what the analysis found.
        provenance: where it came from.
        out: an existing or new folder.
        palette: colours of the heat maps: those all readers can tell apart, or those of the published study.
    """
    for folder in ("tables", "plots"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_tables(results.tables, out / "tables")
    pictures = agreement_figures(results.tables, results.facts, palette)
    placed = on_page(pictures)
    for plot in [plot for plots in placed.values() for plot in plots]:
        save_plot(pictures[plot.name].figure, str(plot.svg), out / "plots", plot.name)
    (out / PAGE).write_text(render_page(results, provenance, placed, palette), "utf-8")


def render_page(
    results: AgreementResults, provenance: Provenance, plots: dict[str, list[Plot]], palette: Palette
) -> str:
    """The page as text; `plots` by section, their heat maps in the colours of `palette`."""
    quoted = quoted_rows((results.headline, *results.summary, *results.messages), _places(results))
    views = agreement_views(results.tables, quoted)
    shown = {number for view in views.values() for number in view.numbers}
    return (
        page_environment()
        .get_template("agreement.html.jinja")
        .render(
            facts=results.facts,
            provenance=provenance,
            headline=linked(results.headline, shown),
            **{part: [linked(said, shown) for said in getattr(results, part)] for part in ("summary", "messages")},
            sections=[(place, name) for place, name, table in _SECTIONS if not table or table in views],
            views=views,
            plots=plots,
            palette=palette,
            example=_example(results, views, quoted),
            files={name: (caption_of(name), len(results.tables[name])) for name in AGREEMENT_TABLES},
            glossary=agreement_glossary(results.facts),
            style=page_style(),
        )
    )


def _places(results: AgreementResults) -> dict[str, range]:
    """Table -> places of its rows."""
    return {name: range(len(table)) for name, table in results.tables.items()}


def _example(
    results: AgreementResults, views: dict[str, NumberedView], quoted: dict[str, list[int]]
) -> tuple[str, str] | None:
    """A number and the statement behind it: the headline's, or the first there is."""
    first = quoted_rows([results.headline], _places(results))
    for name, places in {**first, **{key: rows for key, rows in quoted.items() if key not in first}}.items():
        return f"{name}:{places[0] + 1}", str(results.tables[name]["query"].iloc[places[0]])
    for name, view in views.items():
        return view.numbers[0], str(results.tables[name]["query"].iloc[0])
    return None
