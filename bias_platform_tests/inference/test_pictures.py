"""Pictures are found by their names, and their bytes are held against these."""

from pathlib import Path

import pandas as pd
import pytest

from bias_platform.errors import ArtifactError
from bias_platform.inference.identity import image_hash
from bias_platform.inference.pictures import shown_images, verify_images


@pytest.fixture
def items(tmp_path: Path) -> pd.DataFrame:
    """Three pictured items and one of text; the pictures lie in `posts/pictures`."""
    folder = tmp_path / "posts" / "pictures"
    folder.mkdir(parents=True)
    names = []
    for content, ending in ((b"first", "png"), (b"second", "jpg"), (b"third", "webp")):
        path = folder / "new"
        path.write_bytes(content)
        names.append(f"{image_hash(path).hex()}.{ending}")
        path.rename(folder / names[-1])
    return pd.DataFrame({"item_id": list("abcd"), "text": ["", "", "three", "four"], "picture": [*names, None]})


def test_every_shown_picture_with_its_hash_and_kind(items: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "posts" / "pictures"
    images = shown_images(items, "picture-and-text", folder)
    assert list(images) == ["a", "b", "c"]
    assert [image.media_type for image in images.values()] == ["image/png", "image/jpeg", "image/webp"]
    assert all(image.digest == image_hash(image.path) for image in images.values())
    assert shown_images(items.assign(text="x"), "text", folder) == {}
    verify_images(images, "posts")


def test_missing_and_changed_pictures_are_one_sentence(items: pd.DataFrame, tmp_path: Path) -> None:
    images = shown_images(items, "picture-and-text", tmp_path / "posts" / "pictures")
    images["a"].path.unlink()
    images["c"].path.write_bytes(b"another")
    with pytest.raises(ArtifactError) as caught:
        verify_images(images, "posts")
    assert str(caught.value) == (
        f"of 3 pictures of corpus 'posts' 1 is missing (e.g. {images['a'].path.name}) and 1 is not what was published "
        f"(e.g. {images['c'].path.name}); materialize corpora/posts again"
    )
    images["b"].path.unlink()
    images["c"].path.unlink()
    with pytest.raises(
        ArtifactError, match=r"of 3 pictures of corpus 'posts' 3 are missing \(e\.g\. [0-9a-f]{32}\.png\); "
    ):
        verify_images(images, "posts")
