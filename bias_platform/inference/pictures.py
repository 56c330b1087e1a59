"""The pictures that go with a table of items, found by the names under which their corpus published them."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bias_platform.errors import ArtifactError, counted
from bias_platform.inference.engines.base import Image
from bias_platform.inference.identity import image_hash
from bias_platform.prompts.shown_content import Shown, shown_pictures

_FALLBACK_TYPE = "application/octet-stream"


class _Found(NamedTuple):
    missing: list[str]
    changed: list[str]


def shown_images(items: pd.DataFrame, shown: Shown, folder: Path) -> dict[str, Image]:
    """Item id -> the picture it is asked with; the files need not be there.

    Args:
        items: a table `Items`. A picture's name begins with 32 hex digits, the hash of its bytes.
        shown: of the task; "text": there are none.
        folder: the folder `pictures` of the items' corpus.

    Raises:
        TableError: an item has nothing that the task shows.
    """
    pictures = shown_pictures(items, shown)
    return {
        item_id: Image(folder / name, bytes.fromhex(name.partition(".")[0]), _media_type(name))
        for item_id, name in zip(items["item_id"], pictures, strict=True)
        if name is not None
    }


def verify_images(images: dict[str, Image], corpus: str) -> None:
    """Checks every picture's bytes against its name: an answer is filed under the picture that was seen.

    Args:
        images: item id -> picture.
        corpus: its slug, for the message.

    Raises:
        ArtifactError: a picture is missing, or is not the one that was published; all are counted.
    """
    distinct = {image.path: image for image in images.values()}
    found = _Found(
        [path.name for path in distinct if not path.is_file()],
        [path.name for path, image in distinct.items() if path.is_file() and image_hash(path) != image.digest],
    )
    said = list(_said(found))
    if said:
        raise ArtifactError(
            f"of {counted(len(distinct), 'picture')} of corpus '{corpus}' {' and '.join(said)}; materialize "
            f"corpora/{corpus} again"
        )


def _said(found: _Found) -> Iterator[str]:
    kinds = ((found.missing, "missing"), (found.changed, "not what was published"))
    for names, what in kinds:
        if names:
            yield f"{len(names):,} {'is' if len(names) == 1 else 'are'} {what} (e.g. {names[0]})"


def _media_type(name: str) -> str:
    """By the ending, as endpoints are told it."""
    return mimetypes.guess_type(name)[0] or _FALLBACK_TYPE
