from collections import Counter

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bias_platform.analysis.agreements.results import AgreementResults
from bias_platform.reports.agreement_figures import agreement_figures
from bias_platform.reports.agreement_pictures import Picture
from bias_platform.reports.figures.forest import Rows
from bias_platform.reports.figures.marked_rows import MarkPanel, Scale, marked_rows_figure
from bias_platform.reports.figures.pair_map import PairMap, TilePanel, pair_map_figure
from bias_platform.reports.figures.style import SERIES
from bias_platform.reports.figures.tiles import PALETTES, Palette
from bias_platform.schemas.results_of_agreement import ALIKE, FIRST, SAME, SECOND, STATES, UNKNOWN
from bias_platform_tests.reports.made_agreement import Made, made_results


@pytest.fixture(scope="module")
def results() -> AgreementResults:
    """Two systems, three wordings, two dimensions."""
    return made_results(Made())


@pytest.fixture(scope="module")
def pictures(results: AgreementResults) -> dict[str, Picture]:
    """All plots."""
    return agreement_figures(results.tables, results.facts)


def _tiles(axes: Axes, palette: Palette = "colour-blind") -> dict[tuple[float, float], str]:
    """(x, y) -> state, by the fill of the unit squares."""
    states = {look.fill.lower(): state for state, look in PALETTES[palette].items()}
    squares = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_width() == 1]
    return {(s.get_x() + 0.5, s.get_y() + 0.5): states[to_hex(s.get_facecolor())] for s in squares}


def _marks(axes: Axes) -> dict[tuple[float, float], tuple[object, bool]]:
    """(x, y) -> marker, and whether it is solid."""
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])): (
            line.get_marker(),
            to_hex(line.get_markerfacecolor()) == to_hex(line.get_color()),
        )
        for line in axes.lines
    }


def test_every_pair_has_the_tile_of_its_state(results: AgreementResults, pictures: dict[str, Picture]) -> None:
    table = results.tables["pair_tests"]
    labels = ["Asian", "Black", "White", "other"]
    part = table[(table["system"] == "small+tuned") & (table["dimension"] == "race")]
    figure = pictures["pairs_race_small+tuned"].figure
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a) role", "(b) identity", "(c) answer-as"]
    for axes, (_, rows) in zip(figure.axes, part.groupby("template_id", sort=False), strict=True):
        expected = {
            (labels.index(first), labels.index(second) - 1): state
            for first, second, state in zip(rows["first_label"], rows["second_label"], rows["state"], strict=True)
        }
        assert _tiles(axes) == expected
        assert all(x <= y for x, y in expected)  # below the diagonal
    first, second, _ = figure.axes
    assert [tick.get_text() for tick in first.get_xticklabels()] == labels[:-1]
    assert [tick.get_text() for tick in first.get_yticklabels()] == labels[1:]
    assert {tick.get_text() for tick in second.get_yticklabels()} == {""}
    assert first.get_ylim()[0] > first.get_ylim()[1]


def test_marks_tell_states_apart_without_colour(pictures: dict[str, Picture], results: AgreementResults) -> None:
    table = results.tables["pair_tests"]
    seen = Counter()
    for name, picture in pictures.items():
        if name.startswith("pairs_"):
            for axes in picture.figure.axes:
                marks = _marks(axes)
                for place, state in _tiles(axes).items():
                    seen[state, str(marks.get(place, (None,))[0])[:8]] += 1
    by_state = {state: {mark for known, mark in seen if known == state} for state in STATES}
    assert all(len(marks) == 1 for marks in by_state.values())
    assert len(set.union(*by_state.values())) == len(STATES)
    assert {state: sum(n for (known, _), n in seen.items() if known == state) for state in STATES} == dict(
        table["state"].value_counts()
    )


def test_solid_marks_outlive_holm(results: AgreementResults, pictures: dict[str, Picture]) -> None:
    table = results.tables["pair_tests"]
    found = table[table["state"].isin([FIRST, SECOND])]
    solid = sum(
        is_solid
        for name, picture in pictures.items()
        if name.startswith("pairs_")
        for axes in picture.figure.axes
        for place, (_, is_solid) in _marks(axes).items()
        if _tiles(axes)[place] in (FIRST, SECOND)
    )
    assert 0 < (found["p_holm"] < 0.05).sum() < len(found)
    assert solid == (found["p_holm"] < 0.05).sum()


def test_the_legend_names_the_states_that_occur(results: AgreementResults) -> None:
    table = results.tables["pair_tests"]

    def legend(states: list[str]) -> list[str]:
        kept = {**results.tables, "pair_tests": table[table["state"].isin(states)]}
        figure = agreement_figures(kept, results.facts)["pairs_race_small"].figure
        assert figure.legends[0].get_title().get_text() == "Paired t test, p < 0.05, uncorrected"
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert legend([SAME]) == [
        "x-axis persona nearer to “no persona”",
        "y-axis persona nearer to “no persona”",
        "nonsignificant",
    ]
    assert legend([SAME, ALIKE, UNKNOWN])[-2:] == ["not different: identical answers", "not tested"]


def test_published_colours_are_to_be_had_by_name(results: AgreementResults) -> None:
    figure = agreement_figures(results.tables, results.facts, palette="published")["pairs_race_small"].figure
    fills = {to_hex(patch.get_facecolor()) for axes in figure.axes for patch in axes.patches}
    assert {"#840032", "#e59500", "#002642"} <= fills


@pytest.mark.parametrize("personas", [2, 7])
@pytest.mark.parametrize("wordings", [1, 6])
def test_maps_of_all_sizes_fit(personas: int, wordings: int) -> None:
    keys = [f"p{k}" for k in range(personas)]
    states = {(a, b): (SAME, True) for k, a in enumerate(keys) for b in keys[k + 1 :]}
    panels = [TilePanel(f"a-wording-with-a-long-name-{k}", states) for k in range(wordings)]
    labels = {key: f"a persona with a very long label {key}" for key in keys}
    figure = pair_map_figure(PairMap("t", labels, panels, "test", [(SAME, True, "nonsignificant")]))
    assert len(figure.axes) == wordings
    assert figure.get_figwidth() <= 10.8
    for axes in figure.axes:
        box = axes.get_position()
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
        tile = box.width * figure.get_figwidth() / (personas - 1)
        assert tile == pytest.approx(box.height * figure.get_figheight() / (personas - 1))  # square
        assert len(_tiles(axes)) == personas * (personas - 1) / 2
        assert all(tick.get_text().endswith("…") for tick in axes.get_xticklabels())
    assert len({axes.get_position().x0 for axes in figure.axes}) == wordings  # side by side


def _points(axes: Axes, color: str) -> list[float]:
    return [
        float(x)
        for drawn in axes.collections
        if len(drawn.get_offsets())
        and len(drawn.get_facecolors())
        and to_hex(drawn.get_facecolors()[0]) == color.lower()
        for x in np.asarray(drawn.get_offsets())[:, 0]
    ]


def test_alphas_have_a_panel_a_system_and_a_mark_a_wording(
    results: AgreementResults, pictures: dict[str, Picture]
) -> None:
    table = results.tables["alphas"]
    figure = pictures["alphas"].figure
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["small", "small+tuned"]
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["role", "identity", "answer-as"]
    for axes, (_, part) in zip(figure.axes, table.groupby("system", sort=False), strict=True):
        for k, wording in enumerate(("role", "identity", "answer-as")):
            expected = part.loc[(part["template_id"] == wording) & part["alpha"].notna(), "alpha"]
            assert sorted(_points(axes, SERIES[k])) == pytest.approx(sorted(expected))
        assert "moderate" in {text.get_text() for text in axes.texts}


def test_systems_tuned_on_groups_share_a_panel(pictures: dict[str, Picture]) -> None:
    titles = [axes.get_title(loc="left") for axes in pictures["human_alphas"].figure.axes]
    assert titles[-1] == "small, tuned on each group"
    assert len(titles) == 3


def test_shares_stand_beside_what_chance_gives(results: AgreementResults, pictures: dict[str, Picture]) -> None:
    figure = pictures["shares"].figure
    table = results.tables["shares"].query("system == 'small'")
    axes = figure.axes[0]
    assert sorted(_points(axes, SERIES[1])) == pytest.approx(sorted(100 * table["share"]))  # all are beyond chance
    bars = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_height() == 0.5]
    assert bars == pytest.approx(list(100 * table["null_95"]))
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "exceeded by chance once in twenty, at most" in said


def test_without_rows_there_are_no_plots(results: AgreementResults) -> None:
    empty = {name: table.iloc[:0] for name, table in results.tables.items()}
    assert agreement_figures(empty, results.facts) == {}


def test_rows_with_one_mark_have_it_in_the_middle() -> None:
    data = pd.DataFrame(
        {"row": ["a", "a", "b"], "series": ["x", "y", "y"], "estimate": [0.1, 0.2, 0.3], "lower": 0.0, "upper": 0.5}
    )
    rows = Rows([("group", [("a", "A"), ("b", "B")])])
    figure: Figure = marked_rows_figure(rows, [MarkPanel("s", data)], ["x", "y"], Scale("value"))
    heights = rows.positions()[0]
    marked = {
        round(float(x), 3): float(y)
        for drawn in figure.axes[0].collections
        if len(drawn.get_facecolors())
        for x, y in np.asarray(drawn.get_offsets())
    }
    assert marked[0.3] == heights["b"]
    assert marked[0.1] < heights["a"] < marked[0.2]
