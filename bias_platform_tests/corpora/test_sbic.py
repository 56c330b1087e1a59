"""SBIC.v2: labels, de-duplication, splits, attributes."""

from pathlib import Path

import pandas as pd
import pytest

from bias_platform.catalog.corpus_settings import DownloadFile
from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus, source_hash
from bias_platform.corpora.sample import SBIC_COLUMNS
from bias_platform.errors import CorpusError


def judgement(**cells: str) -> dict[str, str]:
    plain = {"offensiveYN": "0.0", "annotatorGender": "man", "annotatorRace": "white", "annotatorAge": "34.0"}
    ids = {"annotatorPolitics": "liberal", "WorkerId": "w1", "HITId": "h1", "post": "hello"}
    return {**dict.fromkeys(SBIC_COLUMNS, ""), **plain, **ids, **cells}


def corpus(folder: Path, **splits: list[dict[str, str]]) -> CorpusEntry:
    for split, rows in splits.items():
        pd.DataFrame(rows).to_csv(folder / f"SBIC.v2.{split}.csv", index=False)
    return CorpusEntry(reader="sbic", path=str(folder))


def read(folder: Path, **splits: list[dict[str, str]]) -> CorpusTables:
    return read_corpus("s", corpus(folder, **splits))


def test_codes_become_options_and_a_missing_answer_is_one(tmp_path: Path) -> None:
    codes = {"1.0": "Yes", "0.5": "Maybe", "0.0": "No", "": "Incomprehensible", "1": "Yes", "0": "No"}
    rows = [judgement(offensiveYN=code, WorkerId=f"w{n}") for n, code in enumerate(codes)]
    assert read(tmp_path, trn=rows).annotations["label"].tolist() == list(codes.values())


def test_a_judgement_with_several_implied_targets_counts_once(tmp_path: Path) -> None:
    rows = [
        judgement(offensiveYN="1.0", targetMinority=""),
        judgement(offensiveYN="1.0", targetMinority="Night  Owls "),
        judgement(offensiveYN="0.0", WorkerId="w2"),
        judgement(offensiveYN="0.5", WorkerId="w2"),
    ]
    tables = read(tmp_path, trn=rows)
    assert tables.annotations["label"].tolist() == ["Yes", "No"]
    assert tables.items["target_group"].tolist() == ["night owls"]
    assert tables.facts["rows_of_a_judgement_already_counted"] == 2
    assert tables.facts["judgements_with_two_answers"] == 1
    assert tables.facts["rows"] == 4


def test_the_same_worker_counts_again_in_another_hit_or_with_other_demographics(tmp_path: Path) -> None:
    rows = [judgement(), judgement(HITId="h2"), judgement(annotatorAge="35.0"), judgement()]
    tables = read(tmp_path, trn=rows)
    assert len(tables.annotations) == 3
    assert tables.facts["annotators"] == 1
    assert len(tables.items) == 1


def test_posts_equal_up_to_a_nul_are_two(tmp_path: Path) -> None:
    tables = read(tmp_path, trn=[judgement(post="a\x00b"), judgement(post="a\x00c")])
    assert tables.items["text"].tolist() == ["ab", "ac"]


def test_the_target_group_is_the_commonest_ties_alphabetical(tmp_path: Path) -> None:
    groups = ["b", "b", "a", "", "c,d ", "C , D"]
    rows = [judgement(WorkerId=f"w{n}", targetMinority=group) for n, group in enumerate(groups)]
    assert read(tmp_path, trn=rows).items["target_group"].tolist() == ["b"]
    rows = [judgement(WorkerId=f"w{n}", targetMinority=group) for n, group in enumerate(["c,d ", "C , D", "b", "b"])]
    assert read(tmp_path, trn=rows).items["target_group"].tolist() == ["b"]


def test_splits_come_from_file_names_and_tested_posts_are_not_learnt(tmp_path: Path) -> None:
    shared = judgement(post="both")
    tables = read(tmp_path, trn=[shared, judgement(post="t")], dev=[judgement(post="d")], tst=[shared])
    splits = dict(zip(tables.items["text"], tables.items["split"], strict=True))
    assert splits == {"both": "test", "t": "train", "d": "dev"}
    assert tables.facts["posts_in_several_splits"] == 1


def test_aggregated_files_beside_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "SBIC.v2.agg.trn.csv").write_text("post,other\nx,1\n")
    assert read(tmp_path, trn=[judgement()]).items["text"].tolist() == ["hello"]


def test_annotator_attributes_are_texts_and_missing_ones_missing(tmp_path: Path) -> None:
    rows = [judgement(), judgement(WorkerId="w2", annotatorGender="na", annotatorAge="", annotatorRace=" hisp ")]
    annotations = read(tmp_path, trn=rows).annotations
    assert annotations["annotator_gender"].tolist() == ["man", None]
    assert annotations["annotator_age"].tolist() == ["34", None]
    assert annotations["annotator_race"].tolist() == ["white", "hisp"]
    assert "annotator_orientation" not in annotations
    extended = [{**row, "annotatorOrientation": "gay"} for row in rows]
    assert read(tmp_path, trn=extended).annotations["annotator_orientation"].tolist() == ["gay", "gay"]


def test_ages_in_bands(tmp_path: Path) -> None:
    ages = ["34.0", "30", "39.0", "fifty"]
    entry = corpus(tmp_path, trn=[judgement(WorkerId=f"w{n}", annotatorAge=age) for n, age in enumerate(ages)])
    banded = entry.model_copy(update={"parameters": {"age_band_years": 10}})
    assert read_corpus("s", banded).annotations["annotator_age"].tolist() == ["30-39", "30-39", "30-39", "fifty"]
    for wrong in ({"age_band_years": 0}, {"bands": 3}):
        with pytest.raises(CorpusError, match="allowed is age_band_years"):
            read_corpus("s", entry.model_copy(update={"parameters": wrong}))


def test_labels_can_be_renamed_to_a_tasks_options(tmp_path: Path) -> None:
    entry = corpus(tmp_path, trn=[judgement(offensiveYN="1.0")]).model_copy(update={"label_values": {"Yes": "Rude"}})
    assert read_corpus("s", entry).annotations["label"].tolist() == ["Rude"]


def test_other_codes_are_listed_with_their_rows(tmp_path: Path) -> None:
    rows = [judgement(offensiveYN=code, WorkerId=f"w{n}") for n, code in enumerate(["2.0", "yes", "1.0", "yes"])]
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, trn=rows)
    assert "'2.0': 1 row (1)" in str(caught.value)
    assert "'yes': 2 rows (2, 4)" in str(caught.value)


def test_the_problems_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "SBIC.v2.trn.csv").write_text("post,label\nx,1\n")
    (tmp_path / "SBIC.v2.tst.csv").write_bytes(b"post\n\xff\n")
    with pytest.raises(CorpusError) as caught:
        read_corpus("s", CorpusEntry(reader="sbic", path=str(tmp_path)))
    message = str(caught.value)
    assert "'offensiveYN' is missing" in message
    assert "'WorkerId' is missing" in message
    assert "the columns there: 'post', 'label'" in message
    assert "not UTF-8" in message
    assert "`reader: table`" in message


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds none of SBIC\.v2\.trn\.csv"):
        read_corpus("s", CorpusEntry(reader="sbic", path=str(tmp_path)))
    with pytest.raises(CorpusError, match=r"corpus 's': there is nothing at .*; set `path` to where it"):
        read_corpus("s", CorpusEntry(reader="sbic", path=str(tmp_path / "no")))


def test_a_single_file(tmp_path: Path) -> None:
    corpus(tmp_path, tst=[judgement()])
    tables = read_corpus("s", CorpusEntry(reader="sbic", path=str(tmp_path / "SBIC.v2.tst.csv")))
    assert tables.items["split"].tolist() == ["test"]
    (tmp_path / "SBIC.v2.tst.csv").rename(tmp_path / "mine.csv")
    assert read_corpus("s", CorpusEntry(reader="sbic", path=str(tmp_path / "mine.csv"))).items["split"].tolist() == [
        None
    ]


def test_a_judgement_says_how_many_rows_held_it(tmp_path: Path) -> None:
    rows = [judgement(targetStereotype=text) for text in ("", "a", "b")] + [judgement(WorkerId="w2")]
    annotations = read(tmp_path, trn=rows).annotations
    assert annotations["source_rows"].tolist() == [3, 1]
    assert annotations["annotators"].tolist() == [1, 1]


def test_missing_files_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    download = DownloadFile(url="https://example.org/SBIC.v2.tgz", members=("SBIC.v2.trn.csv",))
    entry = CorpusEntry(reader="sbic", path=str(tmp_path / "no"), download=(download,))
    for told_by in (read_corpus, source_hash):
        with pytest.raises(CorpusError, match=r"nothing at .*/no; run `bias-platform fetch s`, or set `path` to where"):
            told_by("s", entry)
