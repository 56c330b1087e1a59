"""Tables of the agreement report: golden values, policies for bad answers, statements that give every number again."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.agreements.derivations import Deriving
from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.analysis.agreements.results import AgreementResults, analyse_agreement
from bias_platform.catalog import load_catalog
from bias_platform.catalog.agreement_settings import AgreementSettings, GroupSystem, TargetedSubset
from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.catalog.entries import Catalog, PersonaEntry, PersonaSetEntry, StudyEntry, TemplateSetEntry
from bias_platform.storage import write_table
from bias_platform_tests.analysis.agreements.simulated import laid_out

ANSWERS = ("Yes", "Maybe", "No", "Incomprehensible")
GOLDEN_ITEMS = 300
GOLDEN_ALPHAS = {"p1": (0.89947, 0.02312), "p2": (0.78159, 0.03245), "p3": (0.81208, 0.03295)}
GOLDEN_ALPHAS |= {"p4": (0.90547, 0.02213), "p5": (0.84027, 0.02805)}
GOLDEN_P = {
    ("p1", "p2"): 0.002111190126,
    ("p1", "p3"): 0.033148606198,
    ("p1", "p4"): 0.852012186472,
    ("p1", "p5"): 0.086725540777,
    ("p2", "p3"): 0.535752948754,
    ("p2", "p4"): 0.001366492179,
    ("p2", "p5"): 0.106520342067,
    ("p3", "p4"): 0.021710993890,
    ("p3", "p5"): 0.525176260308,
    ("p4", "p5"): 0.055932963450,
}
"""Of the R packages the study used (G2 of its facts)."""


def catalog_of(personas: tuple[str, ...], **agreement: object) -> Catalog:
    """One system, one wording, one dimension of these personas, and a system of the group of the first."""
    demo = load_catalog("demo")
    people = tuple(PersonaEntry(id=name, phrase=f"a {name}", attributes={"kind": name}) for name in personas)
    study = StudyEntry(
        title="Do they differ?",
        task="offensiveness",
        corpus="sample-posts",
        persona_set="golden",
        template_set="one",
        systems=("reference-tiny",),
        group_systems=(
            GroupSystem(
                system="reference-tiny+annotators", persona=personas[0], labels="of-kind", composite="reference-tiny"
            ),
        ),
        agreement=AgreementSettings(permutations=99, **agreement),
    )
    policies = {"of-kind": LabelPolicy(rule="unanimous", within="kind"), "of-all": LabelPolicy(rule="unanimous")}
    corpus = demo.corpora["sample-posts"].model_copy(update={"label_policies": policies})
    control = PersonaEntry(id="control", phrase="a person")
    return demo.model_copy(
        update={
            "corpora": {"sample-posts": corpus},
            "persona_sets": {"golden": PersonaSetEntry(dimensions={"kind": people}, control=control)},
            "template_sets": {"one": TemplateSetEntry(templates={"role": "You are {persona}."})},
            "studies": {"golden": study},
        }
    )


def golden_answers(persona: str, items: np.ndarray) -> list[str | None]:
    """G2: a base pattern of ten items, and what each persona changes in it."""
    base = np.array(["Yes"] * 6 + ["No"] * 2 + ["Maybe", "Incomprehensible"], dtype=object)[items % 10]
    changes = {
        "p1": (13, 4, "No"),
        "p2": (6, 1, "No"),
        "p3": (4, 2, "Yes"),
        "p4": (17, 5, "Maybe"),
        "p5": (5, 3, "Maybe"),
    }
    if persona in changes:
        step, rest, said = changes[persona]
        base = np.where(items % step == rest, said, base)
    return list(base)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> AgreementResults:
    catalog = catalog_of(("p1", "p2", "p3", "p4", "p5"))
    root = tmp_path_factory.mktemp("golden")
    inputs = laid_out(
        catalog, "golden", root, GOLDEN_ITEMS, lambda _s, persona, _t, items: golden_answers(persona, items)
    )
    return analyse_agreement(inputs, lambda _: None)


def test_alphas_are_those_of_the_r_packages(golden: AgreementResults) -> None:
    alphas = golden.tables["alphas"].set_index("persona_id")
    for persona, (alpha, error) in GOLDEN_ALPHAS.items():
        assert round(alphas.loc[persona, "alpha"], 5) == alpha
        assert round(alphas.loc[persona, "standard_error"], 5) == error


def test_paired_tests_are_those_of_the_r_packages(golden: AgreementResults) -> None:
    pairs = golden.tables["pair_tests"].set_index(["first_id", "second_id"])
    for pair, p in GOLDEN_P.items():
        assert pairs.loc[pair, "p"] == pytest.approx(p, abs=1e-11)
    share = golden.tables["shares"].iloc[0]
    assert share["share"] == 0.4
    assert (share["differing"], share["tested"], share["pairs"]) == (4, 10, 10)
    assert share["share_holm"] == 0.2


def test_the_control_is_compared_too_but_in_no_pair(golden: AgreementResults) -> None:
    alphas = golden.tables["alphas"]
    assert alphas.loc[alphas["role"] == "control", "alpha"].tolist() == [1.0]
    assert alphas.loc[alphas["role"] == "control", "band"].tolist() == ["almost perfect"]
    assert "control" not in set(golden.tables["pair_tests"]["first_id"]) | set(golden.tables["pair_tests"]["second_id"])


def noisy(seed: int, missing: float = 0.05) -> Callable[..., list[str | None]]:
    def says(system: str, persona: str, template: str | None, items: np.ndarray) -> list[str | None]:
        rng = np.random.default_rng([seed, *f"{system}|{persona}|{template}".encode()])
        said = np.where(rng.random(len(items)) < 0.2, rng.integers(0, 4, len(items)), items % 4)
        return [None if rng.random() < missing else ANSWERS[place] for place in said]

    return says


def everything(root: Path, **agreement: object) -> tuple[AgreementInputs, AgreementResults]:
    subset = TargetedSubset(title="About women", group="^women$|^women,", label="Yes")
    settings = {"human_labels": ("of-kind",), "overall_labels": "of-all", "targeted": {"women": subset}, **agreement}
    catalog = catalog_of(("p1", "p2", "p3"), **settings)
    people = pd.DataFrame(
        [
            {
                "item": item,
                "annotator_kind": kind,
                "label": ANSWERS[(item + (item % 11 == 0) * (kind == "p2")) % 4],
                "target_groups": ["women", "women | women, men", "women | ", "men", ""][item % 5],
            }
            for item in range(120)
            for kind in ("p1", "p2")
        ]
    )
    inputs = laid_out(catalog, "golden", root, 120, noisy(3), people)
    return inputs, analyse_agreement(inputs, lambda _: None)


@pytest.mark.parametrize("policy", ["drop", "category", "as-published"])
def test_every_number_is_given_again_by_its_statement(policy: str, tmp_path: Path) -> None:
    inputs, results = everything(tmp_path, bad_answers=policy)
    folder = inputs.report_folder / "tables"
    folder.mkdir(parents=True)
    for name, table in results.tables.items():
        write_table(table, folder / f"{name}.parquet")
    deriving = Deriving(inputs.settings, inputs.task, lambda _: pytest.fail("no text is compared"))
    seen = set()
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET file_search_path = ?", [str(inputs.home)])
        for name, table in results.tables.items():
            for _, row in table.iterrows():
                again = deriving.derive(name, row, connection.execute(row["query"]).df())
                for column, value in again.items():
                    assert row[column] == pytest.approx(value, abs=1e-9, nan_ok=True), (name, column)
                seen.add(name)
    assert seen == {
        "coverage",
        "alphas",
        "human_alphas",
        "pair_tests",
        "shares",
        "recalls",
        "tuning_tests",
        "evenness",
        "label_scores",
    }


def test_bad_answers_are_left_out_or_counted_as_declared(tmp_path: Path) -> None:
    _, dropped = everything(tmp_path / "drop", bad_answers="drop")
    _, counted = everything(tmp_path / "category", bad_answers="category")
    assert (dropped.tables["alphas"]["items"] < 120).all()
    assert (counted.tables["alphas"]["items"] == 120).all()
    assert (counted.tables["alphas"]["alpha"] < dropped.tables["alphas"]["alpha"]).all()
    assert "fewer than 95 %" in " ".join(dropped.messages)


def test_identical_personas_are_not_different(tmp_path: Path) -> None:
    catalog = catalog_of(("p1", "p2"))
    inputs = laid_out(
        catalog, "golden", tmp_path, 60, lambda _s, _p, _t, items: [ANSWERS[place % 4] for place in items]
    )
    results = analyse_agreement(inputs, lambda _: None)
    pair = results.tables["pair_tests"].iloc[0]
    assert (pair["state"], pair["p"], pair["difference"], pair["disagreement"]) == ("identical", 1.0, 0.0, 0.0)
    assert results.tables["shares"].iloc[0]["share"] == 0.0
    assert "In none of 1 comparison" in results.headline


def test_personas_that_agree_only_where_both_can_be_compared_are_not_identical(tmp_path: Path) -> None:
    """The reference has no valid answer on 50 of 60 items: there the personas part, and nothing is left to test."""

    def says(_system: str, persona: str, _template: str | None, items: np.ndarray) -> list[str | None]:
        usual = [ANSWERS[place % 4] for place in items]
        if persona == "no-persona":
            return [answer if place < 10 else None for place, answer in zip(items, usual, strict=True)]
        return [ANSWERS[(place + (persona == "p2" and place >= 10)) % 4] for place in items]

    pair = analyse_agreement(laid_out(catalog_of(("p1", "p2")), "golden", tmp_path, 60, says), lambda _: None)
    row = pair.tables["pair_tests"].iloc[0]
    assert (row["state"], row["p"], row["items"]) == ("nonsignificant", 1.0, 10)
    assert row["disagreement"] == pytest.approx(50 / 60)


def test_errors_of_the_engine_are_no_answers(tmp_path: Path) -> None:
    """Half of a persona's cells failed; it recognises all that it was asked."""
    subset = TargetedSubset(title="About women", group="^women$", label="Yes")
    catalog = catalog_of(("p1", "p2"), targeted={"women": subset})
    people = pd.DataFrame([{"item": item, "label": "Yes", "target_groups": "women"} for item in range(40)])
    inputs = laid_out(catalog, "golden", tmp_path, 40, lambda _s, _p, _t, items: ["Yes"] * len(items), people)
    path = inputs.partitions["reference-tiny", "p2"]
    table = pd.read_parquet(path)
    failed = table["item_id"].isin(sorted(table["item_id"])[:20])
    table.loc[failed, ["outcome", "answer"]] = ["failed", None]
    write_table(table, path)
    recalls = analyse_agreement(inputs, lambda _: None).tables["recalls"].set_index("persona_id")
    assert recalls.loc["p2", ["items", "recognised", "recall"]].tolist() == [20, 20, 1.0]
    assert recalls.loc["p1", "items"] == 40
    rows = duckdb.execute("SET file_search_path = '" + str(inputs.home) + "'").execute(recalls.loc["p2", "query"]).df()
    assert len(rows) == 20


def test_a_few_items_that_agree_are_no_perfect_agreement(tmp_path: Path) -> None:
    catalog = catalog_of(("p1", "p2"))
    inputs = laid_out(catalog, "golden", tmp_path, 5, lambda _s, _p, _t, items: [ANSWERS[place % 4] for place in items])
    row = analyse_agreement(inputs, lambda _: None).tables["alphas"].iloc[0]
    assert (row["alpha"], row["standard_error"]) == (1.0, 0.0)
    assert row["lower"] < 0.6
    assert row["band"] in ("moderate", "fair", "slight")


def test_one_answer_everywhere_is_said_and_not_scored(tmp_path: Path) -> None:
    catalog = catalog_of(("p1", "p2"))
    inputs = laid_out(catalog, "golden", tmp_path, 60, lambda _s, _p, _t, items: ["No"] * len(items))
    alphas = analyse_agreement(inputs, lambda _: None).tables["alphas"]
    assert alphas["alpha"].isna().all()
    assert set(alphas["reason"]) == {"only one answer occurs"}


def test_permuted_personas_differ_no_more_than_chance(tmp_path: Path) -> None:
    """Personas that answer by one rule with independent noise: Holm finds one in no more than 2 of 12 studies."""
    found, shares = 0, []
    for seed in range(12):
        catalog = catalog_of(("p1", "p2", "p3", "p4", "p5"))
        results = analyse_agreement(laid_out(catalog, "golden", tmp_path / str(seed), 200, noisy(seed)), lambda _: None)
        found += bool((results.tables["pair_tests"]["p_holm"] < 0.05).any())
        shares.append(float(results.tables["shares"]["share"].iloc[0]))
    assert found <= 2
    assert np.mean(shares) < 0.12


def test_a_planted_persona_is_found(tmp_path: Path) -> None:
    def says(system: str, persona: str, template: str | None, items: np.ndarray) -> list[str | None]:
        said = noisy(1, 0.0)(system, persona, template, items)
        return ["No" if persona == "p3" and item % 3 else answer for item, answer in zip(items, said, strict=True)]

    results = analyse_agreement(laid_out(catalog_of(("p1", "p2", "p3")), "golden", tmp_path, 200, says), lambda _: None)
    pairs = results.tables["pair_tests"].set_index(["first_id", "second_id"])
    assert pairs.loc[("p1", "p3"), "p_holm"] < 1e-6
    assert pairs.loc[("p1", "p3"), "state"] == "first"
    assert pairs.loc[("p1", "p2"), "p_holm"] > 0.05
    assert pairs.loc[("p1", "p3"), "fewer_yes"] > pairs.loc[("p1", "p3"), "more_yes"]
    share = results.tables["shares"].iloc[0]
    assert share["share"] > share["null_95"]
    assert share["p"] < 0.05


def test_answers_are_joined_by_item_id(tmp_path: Path) -> None:
    """Partitions lie in an order of their own (see `simulated`): by position the alphas would be near zero."""
    catalog = catalog_of(("p1", "p2"))
    inputs = laid_out(
        catalog, "golden", tmp_path, 100, lambda _s, _p, _t, items: [ANSWERS[place % 4] for place in items]
    )
    assert (analyse_agreement(inputs, lambda _: None).tables["alphas"]["alpha"] == 1.0).all()


def test_a_subset_is_of_items_where_every_judgement_names_its_group(tmp_path: Path) -> None:
    _, results = everything(tmp_path)
    yes = [item for item in range(120) if item % 4 == 0 and item % 11]
    recalls = results.tables["recalls"]
    assert set(recalls["items"]) == {sum(item % 5 in (0, 1) for item in yes)}


def test_where_judgements_name_no_groups_the_items_own_counts(tmp_path: Path) -> None:
    catalog = catalog_of(("p1", "p2"), targeted={"women": TargetedSubset(title="W", group="^women$", label="Yes")})
    people = pd.DataFrame([{"item": item, "label": ANSWERS[item % 4]} for item in range(60)])
    inputs = laid_out(catalog, "golden", tmp_path, 60, lambda _s, _p, _t, items: ["Yes"] * len(items), people)
    recalls = analyse_agreement(inputs, lambda _: None).tables["recalls"]
    assert set(recalls["items"]) == {sum(item % 4 == 0 and item % 3 == 0 for item in range(60))}
    assert set(recalls["recall"]) == {1.0}


def test_a_declared_subset_without_items_is_said(tmp_path: Path) -> None:
    catalog = catalog_of(("p1", "p2"), targeted={"owls": TargetedSubset(title="On owls", group="^owls$", label="Yes")})
    people = pd.DataFrame([{"item": item, "label": "Yes", "target_groups": "women"} for item in range(30)])
    inputs = laid_out(catalog, "golden", tmp_path, 30, lambda _s, _p, _t, items: ["Yes"] * len(items), people)
    results = analyse_agreement(inputs, lambda _: None)
    assert results.tables["recalls"].empty
    assert any(message.startswith("No recall is told of “On owls”") for message in results.messages)
