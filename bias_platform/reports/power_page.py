"""Writes what a study could find: one self-contained page, its tables as Parquet, its plot as PNG, a summary."""

from pathlib import Path

from markupsafe import Markup

from bias_platform.analysis.declared_power import DeclaredPower
from bias_platform.reports.figures.style import to_png, to_svg
from bias_platform.reports.page_environment import page_environment, page_style
from bias_platform.reports.power_figures import PLOT, TITLE, power_curves_figure
from bias_platform.reports.power_views import curve_view, power_summary, smallest_view
from bias_platform.reports.provenance import Provenance
from bias_platform.schemas.power import POWER_TABLES
from bias_platform.storage import write_table
from bias_platform.storage.names import REPORT_PAGE, SUMMARY


def write_power_report(found: DeclaredPower, provenance: Provenance, out: Path) -> None:
    """Fills `out` with report.html, summary.md, tables/<name>.parquet and plots/power_curves.png.

    Equal inputs give equal bytes. The page asks for nothing outside itself.
    """
    for folder in ("tables", "plots"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name in POWER_TABLES:
        write_table(found.tables[name], out / "tables" / f"{name}.parquet")
    figure = power_curves_figure(found)
    to_png(figure, out / "plots" / f"{PLOT}.png")
    (out / SUMMARY).write_text(power_summary(found), "utf-8")
    page = render_power_page(found, provenance, Markup(to_svg(figure, PLOT, TITLE)))
    (out / REPORT_PAGE).write_text(page, "utf-8")


def render_power_page(found: DeclaredPower, provenance: Provenance, plot: Markup) -> str:
    """The page as text."""
    return (
        page_environment()
        .get_template("power.html.jinja")
        .render(
            found=found,
            settings=found.study.power,
            analysis=found.study.analysis,
            provenance=provenance,
            plots={PLOT: plot},
            smallest=smallest_view(found),
            curves=curve_view(found),
            tables=found.tables,
            schemas={name: (schema.__doc__ or "").split("\n")[0] for name, schema in POWER_TABLES.items()},
            style=page_style(),
        )
    )
