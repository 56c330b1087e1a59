"""Real posts, from the published files to the reports; and no word of them in a page, a log or the UI."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_platform.catalog import load_catalog
from bias_platform.orchestration.build import build_definitions
from bias_platform.orchestration.execution import execute_plan, prepare_instance
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plan import study_plan
from bias_platform.storage import Lake, read_manifest, read_table
from bias_platform_tests.wiring.conftest import REPOSITORY

SHARED = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", REPOSITORY / "../shared/data")).resolve()
EXAMPLE = REPOSITORY / "examples" / "real-posts"
SBIC, DAVIDSON = "sbic-gender", "davidson-gender"
FILES = ("sbic/SBIC.v2.agg.cmb_processed.csv", "davidson/labeled_data.csv")
ITEMS, PERSONAS = 300, 7

pytestmark = pytest.mark.skipif(
    not all((SHARED / file).is_file() for file in FILES),
    reason=f"the real corpora are not under {SHARED}; set BIAS_PLATFORM_SHARED_DATA to where they are",
)


class RealPlace:
    """Both studies of the example, over one lake: the model is trained once."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "dagster_home"
        self.home.mkdir()
        shutil.copy(REPOSITORY / "dagster_home" / "dagster.yaml", self.home)
        catalog = load_catalog(EXAMPLE)
        self.house = House.over(catalog, Lake(folder / "lake", catalog.name))
        self.definitions = build_definitions(catalog, self.house.lake)
        self.said: dict[str, list[str]] = {}

    def run(self, instance: dg.DagsterInstance, study: str) -> None:
        self.said[study] = []
        execute_plan(self.definitions, self.house, study_plan(self.house, study), instance, self.said[study].append)

    def table(self, study: str, name: str) -> pd.DataFrame:
        return read_table(self.house.lake.report(study, "regression") / "tables" / f"{name}.parquet", study)

    def page(self, study: str) -> str:
        return (self.house.lake.report(study, "regression") / "report.html").read_text("utf-8")

    def items(self, study: str) -> pd.DataFrame:
        return read_table(self.house.lake.questions(study) / "items.parquet", study)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPlace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIAS_PLATFORM_SHARED_DATA", str(SHARED))
        made = RealPlace(tmp_path_factory.mktemp("real"))
        instance = prepare_instance(made.home)
        for study in (SBIC, DAVIDSON):
            made.run(instance, study)
        yield made
        instance.dispose()


@pytest.fixture(scope="module")
def fragments(place: RealPlace) -> list[str]:
    """The longest plain stretch of each post: neither HTML nor JSON nor a database writes it differently."""
    posts = pd.concat([place.items(study)["text"] for study in (SBIC, DAVIDSON)])
    longest = [max(re.findall(r"[A-Za-z0-9 ,.!?]+", post) or [""], key=len).strip() for post in posts]
    long_enough = sorted({piece for piece in longest if len(piece) >= 20})
    assert len(long_enough) > ITEMS
    return long_enough


def test_both_studies_run_to_their_reports(place: RealPlace) -> None:
    for study, systems in ((SBIC, 1), (DAVIDSON, 2)):
        page = place.page(study)
        assert place.house.catalog.studies[study].title in page
        assert place.table(study, "system_outcomes")["system"].nunique() == systems
        assert place.table(study, "persona_outcomes")["persona_id"].nunique() == PERSONAS
        facts = read_manifest(place.house.lake.questions(study), study).facts
        assert facts["items"] == ITEMS
        assert facts["questions_per_system"] == ITEMS * (3 * (PERSONAS - 1) + 1)


def test_the_second_study_makes_nothing_twice(place: RealPlace) -> None:
    ran = [line for line in place.said[DAVIDSON] if line.endswith("...")]
    made = [re.sub(r"^\[\d+/\d+\] real_posts/", "", line) for line in ran]
    assert not any("sample_posts" in line or "personas/" in line or "examples" in line for line in made)
    assert sum("models/base" in line for line in made) == 0
    assert "models/checkpoints [reference-mini@nf4] ..." in made


def test_agreement_with_the_human_majority_is_that_of_the_tweets(place: RealPlace) -> None:
    """The agreement in the report, computed again from the raw file's counts."""
    agreement = place.table(DAVIDSON, "human_agreement")
    overall = agreement[agreement["persona_id"].isna()].set_index("system")
    assert set(overall.index) == {"reference-mini", "reference-mini@nf4"}
    assert "Agreement with the human majority" in place.page(DAVIDSON)
    corpus = place.house.lake.corpus("davidson-tweets")
    annotations = read_table(corpus / "annotations.parquet", "annotations")
    yes = annotations["annotators"].where(annotations["label"] == "Yes", 0).groupby(annotations["item_id"]).sum()
    share = yes / annotations.groupby("item_id")["annotators"].sum()
    parts = [
        read_table(path / "part.parquet", "predictions")
        for path in (place.house.lake.predictions(DAVIDSON) / "model=reference-mini").iterdir()
    ]
    answers = pd.concat(parts)
    answers = answers[answers["answer"].isin(["Yes", "Maybe", "No"])]
    human = answers["item_id"].map(share)
    agrees = (answers["answer"] == "Yes") == (human > 0.5)
    assert overall.loc["reference-mini", "agreement"] == pytest.approx(agrees[human != 0.5].mean(), abs=0.01)


def test_a_corpus_without_judgements_gets_no_agreement(place: RealPlace) -> None:
    assert place.table(SBIC, "human_agreement").empty
    assert "Agreement with the human majority" not in place.page(SBIC)


def test_no_handle_and_no_address_is_left_in_any_item(place: RealPlace) -> None:
    for corpus in ("sbic-posts", "davidson-tweets"):
        texts = read_table(place.house.lake.corpus(corpus) / "items.parquet", corpus)["text"]
        assert len(texts) > 5000
        handles = texts.str.extractall(r"(?<![\w.])@(\w*[A-Za-z]\w*)")[0]
        assert set(handles) == {"user"}
        assert not texts.str.contains(r"https?://\w|\bt\.co/\w", regex=True).any()


def test_no_post_is_in_a_page_a_manifest_or_a_ledger(place: RealPlace, fragments: list[str]) -> None:
    """Everything in the lake that is not a table: pages, plots, manifests, ledgers, model files."""
    files = [path for path in place.house.lake.home.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert any(path.name == "report.html" for path in files)
    assert any(path.suffix == ".sqlite" for path in files)
    for path in files:
        assert _found(fragments, path.read_bytes().decode("utf-8", "replace")) == [], path


def test_only_corpora_and_prompts_hold_posts_in_their_tables(place: RealPlace, fragments: list[str]) -> None:
    holders = set()
    for path in place.house.lake.home.rglob("*.parquet"):
        if _found(fragments, "\n".join(_words_of(path))):
            holders.add(path.relative_to(place.house.lake.home).as_posix())
    assert holders == {
        "corpora/davidson-tweets/items.parquet",
        "corpora/sbic-posts/items.parquet",
        f"prompts/{DAVIDSON}_questions/items.parquet",
        f"prompts/{SBIC}_questions/items.parquet",
    }


def test_no_post_is_in_the_event_log_or_the_compute_logs(place: RealPlace, fragments: list[str]) -> None:
    """The event log is where all that the UI shows of a materialization comes from."""
    databases = [path for path in place.home.rglob("*") if path.suffix in (".db", ".sqlite")]
    log = "\n".join(text for path in databases for text in _texts_of_database(path))
    assert "persona_digests" in log
    assert "reference-mini@nf4|trans-woman" in log
    assert _found(fragments, log) == []
    others = [path for path in place.home.rglob("*") if path.is_file() and path not in databases]
    assert any(path.suffix == ".err" for path in others)
    for path in others:
        assert _found(fragments, path.read_bytes().decode("utf-8", "replace")) == [], path


def test_no_post_is_in_what_the_ui_shows_of_the_assets(place: RealPlace, fragments: list[str]) -> None:
    specs = place.definitions.resolve_all_asset_specs()
    shown = "\n".join(f"{spec.description} {spec.metadata} {spec.tags}" for spec in specs)
    assert "Handles are pseudonymised" in shown
    assert _found(fragments, shown) == []


def _found(fragments: Iterable[str], text: str) -> list[str]:
    return [piece for piece in fragments if piece in text]


def _words_of(path: Path) -> Iterator[str]:
    schema = pq.read_schema(path)
    columns = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    table = pq.read_table(path, columns=columns)
    for column in table.columns:
        yield from (str(value) for value in column.unique().to_pylist())


def _texts_of_database(path: Path) -> Iterator[str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from (value for value in row if isinstance(value, str))
