"""The sample memes: committed as generated, in the form of HatReD, with their planted truth to be found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus
from bias_platform.corpora.sample_memes import SIDE, generate_memes, write_memes
from bias_platform.corpora.sample_memes_planted import (
    FAITHFUL_SHARE,
    PLANTED_WORDINGS,
    Subject,
    planted_memes_markdown,
    planted_sentence,
)

COMMITTED = Path(__file__).parents[2] / "data" / "sample-memes"
MEMES = generate_memes()


@pytest.fixture(scope="module")
def corpus() -> CorpusTables:
    return read_corpus("m", CorpusEntry(reader="hatred", path=str(COMMITTED), pictures=str(COMMITTED / "pictures")))


def said() -> pd.DataFrame:
    """One row a sentence on one group: subject, gender, politics, sentence."""
    rows = [
        {**person, "subject": meme.subjects[0], "sentence": sentence}
        for meme in MEMES
        if len(meme.subjects) == 1
        for sentence, person in zip(meme.record["reasonings"], meme.record["annotators"], strict=True)
    ]
    return pd.DataFrame(rows)


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    write_memes(MEMES, tmp_path)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(COMMITTED) for path in COMMITTED.rglob("*") if path.is_file()}
    assert written == committed - {Path("README.md")}
    for name in written:
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes(), f"{name}: run the generator again"
    assert sum((COMMITTED / name).stat().st_size for name in committed) < 400_000


def test_the_readme_tells_the_planted_truth() -> None:
    assert planted_memes_markdown() in (COMMITTED / "README.md").read_text()


def test_it_is_read_as_hatred_is(corpus: CorpusTables) -> None:
    assert corpus.facts["records"] == {"train": 167, "test": 63}
    assert corpus.facts["records_kept"] == {"train": 161, "test": 60}
    assert len(corpus.pictures) == len(corpus.items) == 221
    assert corpus.facts["annotators"] == 36
    assert corpus.items["target_group"].isna().sum() == 1
    assert corpus.annotations.groupby("annotator_id")["annotator_gender"].nunique().max() == 1
    assert corpus.annotations.groupby("item_id")["annotator_gender"].nunique().min() == 3


def test_pictures_show_their_subject() -> None:
    for meme in MEMES:
        path = COMMITTED / "pictures" / meme.record["img"]
        with Image.open(path) as picture:
            assert picture.size == (SIDE, SIDE)
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
        vivid = pixels[np.ptp(pixels, axis=1) > 100]
        assert (len(vivid) > 40) == bool(meme.subjects)
        if len(meme.subjects) == 1:
            red, green, blue = vivid[0]
            strongest = {"red": red > green + blue, "green": green > red, "blue": blue > red, "yellow": red > 3 * blue}
            assert strongest[meme.subjects[0].colour], meme.record["img"]


def test_annotators_say_what_was_planted() -> None:
    table = said()
    table["planted"] = [
        planted_sentence(r.subject, {"gender": r.gender, "politics": r.politics}) for r in table.itertuples()
    ]
    table["plain"] = [planted_sentence(subject, {}) for subject in table["subject"]]
    differs = table["planted"] != table["plain"]
    assert set(table.loc[~differs, "sentence"] == table.loc[~differs, "planted"]) == {True}
    faithful = (table["sentence"] == table["planted"])[differs].mean()
    assert abs(faithful - FAITHFUL_SHARE) < 4 * (FAITHFUL_SHARE * (1 - FAITHFUL_SHARE) / differs.sum()) ** 0.5
    assert ((table["sentence"] == table["planted"]) | (table["sentence"] == table["plain"])).all()


@pytest.mark.parametrize("wording", PLANTED_WORDINGS, ids=lambda wording: wording.value)
def test_only_they_use_their_own_words_and_only_there(wording: object) -> None:
    attribute, value, where, words = wording.attribute, wording.value, wording.where, wording.words  # type: ignore[attr-defined]
    table = said()
    there = table["subject"].map(lambda subject: subject.shape in where or subject.colour in where)
    own = table["sentence"].str.contains(words, regex=False)
    theirs = (table[attribute] == value) & there
    assert not own[~theirs].any()
    assert own[theirs].mean() > 0.8
    assert theirs.sum() > 90


def test_both_differences_add_up() -> None:
    both = planted_sentence(Subject("triangle", "blue", True), {"gender": "woman", "politics": "cons"})
    assert both == "belittles the triangles in a harmless joke among friends."
