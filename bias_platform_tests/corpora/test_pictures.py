"""Pictures are opened, named by content, and part of an item's identity."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_platform.corpora.assembly import assemble
from bias_platform.corpora.indexed_png import indexed_png
from bias_platform.corpora.pictures import content_hashes, content_names
from bias_platform.errors import CorpusError
from bias_platform_tests.corpora.pictures_for_tests import PALETTE, tiny_png


def rows(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    plain: dict[str, list[object]] = {
        "row": list(range(n)),
        "text": [""] * n,
        "source_id": [None] * n,
        "target_group": [None] * n,
        "split": [None] * n,
        "annotator": [None] * n,
        "label": ["x"] * n,
        "annotators": [1] * n,
    }
    return pd.DataFrame({**plain, **columns})


def file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def test_names_are_hashes_with_the_extension_of_the_real_format(tmp_path: Path) -> None:
    png = file(tmp_path, "a.jpg", tiny_png(1))
    paths = [png]
    for kind, name in (("JPEG", "b.png"), ("GIF", "c"), ("WEBP", "d.webp")):
        Image.new("RGB", (9, 9), "red").save(tmp_path / name, format=kind)
        paths.append(tmp_path / name)
    names = content_names("c", [*paths, png])
    assert [names[path].partition(".")[2] for path in paths] == ["png", "jpg", "gif", "webp"]
    assert names[png] == hashlib.blake2b(tiny_png(1), digest_size=16).hexdigest() + ".png"


def test_all_that_cannot_be_used_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = file(tmp_path, "good.png", tiny_png(1))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.jpg", quality=95)
    cut = file(tmp_path, "cut.jpg", (tmp_path / "whole.jpg").read_bytes()[:-200])
    text = file(tmp_path, "text.png", b"no picture")
    Image.new("RGB", (2, 2)).save(tmp_path / "other.bmp")
    Image.new("L", (40, 40)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    files = [good, cut, tmp_path / "gone.png", text, tmp_path / "other.bmp", tmp_path / "large.png"]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    with pytest.raises(CorpusError) as caught:
        content_names("c", files[:-1])
    message = str(caught.value)
    assert message.startswith("corpus 'c': 4 of 5 pictures cannot be used: cut.jpg is no whole picture")
    assert "gone.png is not there; text.png is no whole picture of the formats PNG, JPEG, GIF, WEBP" in message
    assert "other.bmp is no whole picture" in message
    assert str(tmp_path) not in message, "a folder may name a person"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # 1,600 pixels: Pillow itself would only warn
    with pytest.raises(CorpusError, match=r"large\.png has more than 1,000 pixels, Pillow's limit"):
        content_names("c", [good, files[-1]])
    with pytest.raises(CorpusError, match=r"7 of 7 pictures .*p4\.png is not there; and 2 more$"):
        content_hashes("c", [tmp_path / f"p{n}.png" for n in range(7)])


def test_an_item_is_a_text_a_picture_or_both(tmp_path: Path) -> None:
    one, two = file(tmp_path, "1.png", tiny_png(1)), file(tmp_path, "2.png", tiny_png(2))
    copy = file(tmp_path, "copy.png", tiny_png(1))
    table = rows(text=["", "hi", "hi", "hi", "", " "], picture=[one, one, two, None, copy, None])
    tables = assemble("c", table, False, {})
    assert tables.items["text"].tolist() == ["", "hi", "hi", "hi"]
    assert tables.items["picture"].notna().tolist() == [True, True, True, False]
    assert tables.items["item_id"].is_unique
    assert tables.annotations["item_id"].value_counts().max() == 2, "a copy of a picture is the same item"
    assert tables.facts["dropped_empty_posts"] == 1
    assert tables.facts["pictures"] == 2
    assert {name: path.read_bytes() for name, path in tables.pictures.items()} == {
        tables.items.loc[0, "picture"]: tiny_png(1),
        tables.items.loc[2, "picture"]: tiny_png(2),
    }
    text_only = assemble("c", rows(text=["hi"]), False, {})
    assert text_only.items["item_id"].tolist() == [tables.items.loc[3, "item_id"]]
    assert "picture" not in text_only.items
    assert not text_only.pictures


def test_ids_of_texts_stay_what_they_were() -> None:
    # of the first release: answers that were paid for hang on them
    expected = hashlib.blake2b(b"c\x00hi", digest_size=8).hexdigest()
    assert assemble("c", rows(text=["hi"]), False, {}).items["item_id"].tolist() == [expected]


def test_the_id_follows_the_content_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    first = assemble("c", rows(picture=[file(tmp_path, "1.png", tiny_png(1))]), False, {})
    second = assemble("c", rows(picture=[file(tmp_path / "x", "other.png", tiny_png(1))]), False, {})
    assert first.items.equals(second.items)
    other = assemble("d", rows(picture=[tmp_path / "1.png"]), False, {})
    assert other.items["item_id"].tolist() != first.items["item_id"].tolist()


def test_a_withdrawn_item_takes_its_picture_along_unless_another_has_it(tmp_path: Path) -> None:
    one, two = file(tmp_path, "1.png", tiny_png(1)), file(tmp_path, "2.png", tiny_png(2))
    tables = assemble("c", rows(text=["", "hi", ""], picture=[one, one, two]), False, {})
    first, with_text, second = tables.items["item_id"]
    left = tables.without([first, second])
    assert list(left.pictures.values()) == [one]
    assert left.items["item_id"].tolist() == [with_text]
    assert left.facts["pictures"] == 1
    assert left.without([with_text]).pictures == {}


def test_what_is_written_is_what_pillow_reads(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 16, (32, 32)).astype(np.uint8)
    path = file(tmp_path, "p.png", indexed_png(pixels, PALETTE))
    with Image.open(path) as picture:
        picture.verify()
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), PALETTE[pixels])
    for wrong in (pixels[:, :3], pixels + 1, np.zeros((400, 400), np.uint8)):
        with pytest.raises(ValueError, match=r"even width|one stored block holds"):
            indexed_png(wrong, PALETTE)
