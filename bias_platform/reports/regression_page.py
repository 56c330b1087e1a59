"""Writes a regression report: one self-contained page, its tables as Parquet, its plots as PNG."""

from pathlib import Path

from markupsafe import Markup

from bias_platform.analysis.regression import RegressionResults
from bias_platform.reports.figures.style import to_png, to_svg
from bias_platform.reports.glossary import glossary
from bias_platform.reports.page_environment import page_environment, page_style
from bias_platform.reports.provenance import Provenance
from bias_platform.reports.regression_figures import TITLES, regression_figures
from bias_platform.reports.regression_views import regression_views
from bias_platform.schemas.results import RESULT_TABLES
from bias_platform.storage import write_table

PAGE = "report.html"


def write_regression_report(results: RegressionResults, provenance: Provenance, out: Path) -> None:
    """Fills `out` with report.html, tables/<name>.parquet and plots/<name>.png.

    The page asks for nothing outside itself: styles and plots are inside, there is no script. Whatever comes from a
    catalog or a corpus is escaped. Equal inputs give equal bytes.

    Args:
        results: what the analysis found.
        provenance: where it came from.
        out: an existing or new folder.
    """
    for folder in ("tables", "plots"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name in RESULT_TABLES:
        write_table(results.tables[name], out / "tables" / f"{name}.parquet")
    figures = regression_figures(results.tables, results.facts)
    for name, figure in figures.items():
        to_png(figure, out / "plots" / f"{name}.png")
    plots = {name: Markup(to_svg(figure, name, TITLES[name])) for name, figure in figures.items()}
    (out / PAGE).write_text(render_page(results, provenance, plots), "utf-8")


def render_page(results: RegressionResults, provenance: Provenance, plots: dict[str, Markup]) -> str:
    """The page as text."""
    return (
        page_environment()
        .get_template("regression.html.jinja")
        .render(
            results=results,
            facts=results.facts,
            provenance=provenance,
            plots=plots,
            titles=TITLES,
            views=regression_views(results.tables),
            tables=results.tables,
            schemas={name: (schema.__doc__ or "").split("\n")[0] for name, schema in RESULT_TABLES.items()},
            glossary=glossary(float(str(results.facts["confidence"])), str(results.facts["multiplicity"])),
            style=page_style(),
        )
    )
