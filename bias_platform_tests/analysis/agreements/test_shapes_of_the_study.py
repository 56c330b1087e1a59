"""The paper's catalog gives tables of the shapes that the study printed by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.agreements.results import AgreementResults, analyse_agreement
from bias_platform.catalog import load_catalog
from bias_platform.catalog.entries import Catalog
from bias_platform_tests.analysis.agreements.simulated import laid_out

ITEMS = 12


@pytest.fixture(scope="module")
def paper() -> Catalog:
    """With as few permutations as are allowed."""
    catalog = load_catalog("paper")
    studies = {
        slug: study.model_copy(update={"agreement": study.agreement.model_copy(update={"permutations": 99})})
        for slug, study in catalog.studies.items()
        if study.agreement is not None
    }
    return catalog.model_copy(update={"studies": studies})


def analysed(catalog: Catalog, study: str, root: Path, answers: tuple[str, ...]) -> AgreementResults:
    rng = np.random.default_rng(5)

    def says(_system: str, _persona: str, _template: str | None, items: np.ndarray) -> list[str | None]:
        usual = items % len(answers)
        other = rng.integers(0, len(answers), len(items))
        return [answers[place] for place in np.where(rng.random(len(items)) < 0.3, other, usual)]

    people = pd.DataFrame(
        [
            {"item": item, "annotator_gender": gender, "annotator_race": race, "annotator_politics": politics}
            | {"label": answers[item % len(answers)]}
            for item in range(ITEMS)
            for gender, race, politics in zip(
                ["man", "woman"] * 3,
                ["asian", "black", "hisp", "white", "other", "white"],
                ["cons", "mod-cons", "mod-liberal", "liberal", "libert", "other"],
                strict=True,
            )
        ]
    )
    scorers = {"chrf": lambda a, b: np.array([float(x == y) for x, y in zip(a, b, strict=True)])}
    return analyse_agreement(laid_out(catalog, study, root, ITEMS, says, people, scorers), lambda _: None)


def test_posts(paper: Catalog, tmp_path: Path) -> None:
    tables = analysed(paper, "sbic-personas", tmp_path, ("Yes", "No", "Maybe", "Incomprehensible")).tables
    assert (tables["alphas"]["role"] == "named").sum() == 405
    assert len(tables["human_alphas"]) == 273
    assert len(tables["shares"]) == 75
    assert len(tables["pair_tests"]) == 960
    assert len(tables["tuning_tests"]) == 78
    assert set(tables["recalls"]["subset"]) == {"black-folks", "women"}
    assert tables["shares"].groupby("dimension")["pairs"].first().to_dict() == {
        "gender_identity": 10,
        "sexual_orientation": 3,
        "gender_by_orientation": 15,
        "political_leaning": 15,
        "race_ethnicity": 21,
    }


def test_tweets(paper: Catalog, tmp_path: Path) -> None:
    tables = analysed(paper, "exist-personas", tmp_path, ("Yes", "No")).tables
    assert (tables["alphas"]["role"] == "named").sum() == 75
    assert len(tables["human_alphas"]) == 42
    assert len(tables["shares"]) == 15
    assert len(tables["pair_tests"]) == 150
    assert len(tables["tuning_tests"]) == 12


def test_memes(paper: Catalog, tmp_path: Path) -> None:
    tables = analysed(paper, "hatred-personas", tmp_path, ("The meme mocks cats.", "The meme praises dogs.")).tables
    assert (tables["similarities"]["role"] == "named").sum() == 300
    assert len(tables["shares"]) == 60
    assert len(tables["pair_tests"]) == 645
    assert tables["alphas"].empty
