"""Pictures of a corpus: each is opened once on reading, and from then on named by what it holds."""

import hashlib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from bias_platform.errors import CorpusError, counted
from bias_platform.storage.hashing import file_hash

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp"}
"""Formats that are read -> extension of the published file, whatever the source called it."""

_EXAMPLES = 5


def content_names(corpus: str, files: Iterable[Path]) -> dict[Path, str]:
    """Names pictures by their content, after each was decoded in full.

    Args:
        corpus: its slug, for the error.
        files: where the pictures lie; a file may be named more than once.

    Returns:
        file -> 32 hex digits (BLAKE2b-16 of its bytes) and the extension of its format.

    Raises:
        CorpusError: pictures that are missing, damaged, of another format or larger than Pillow's limit against
            decompression bombs; all of them at once, the first few by name.
    """
    return _of_each(corpus, files, _content_name)


def content_hashes(corpus: str, files: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of pictures, which are not decoded.

    Raises:
        CorpusError: pictures that are missing; as of `content_names`.
    """
    return _of_each(corpus, files, _content_hash)


def _of_each(corpus: str, files: Iterable[Path], told_by: Callable[[Path], str]) -> dict[Path, str]:
    told: dict[Path, str] = {}
    problems: list[str] = []
    for file in dict.fromkeys(files):
        try:
            told[file] = told_by(file)
        except CorpusError as error:
            problems.append(f"{file.name} {error}")
    if problems:
        shown = "; ".join(problems[:_EXAMPLES])
        more = f"; and {len(problems) - _EXAMPLES} more" if len(problems) > _EXAMPLES else ""
        total = counted(len(told) + len(problems), "picture")
        raise CorpusError(f"corpus '{corpus}': {len(problems)} of {total} cannot be used: {shown}{more}")
    return told


def _content_hash(file: Path) -> str:
    if not file.is_file():
        raise CorpusError("is not there")
    return file_hash(file)


def _content_name(file: Path) -> str:
    if not file.is_file():
        raise CorpusError("is not there")
    content_format = _decoded_format(file)
    digest = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    return f"{digest}.{EXTENSIONS[content_format]}"


def _decoded_format(file: Path) -> str:
    with warnings.catch_warnings():
        # Pillow only warns up to twice its limit; a corpus of memes has no use for such pictures
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=tuple(EXTENSIONS)) as picture:
                picture.load()  # `verify` does not see a JPEG that ends too early
                return str(picture.format)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            limit = Image.MAX_IMAGE_PIXELS or 0
            raise CorpusError(f"has more than {limit:,} pixels, Pillow's limit against decompression bombs") from None
        except (OSError, SyntaxError, ValueError) as error:
            allowed = ", ".join(EXTENSIONS)
            raise CorpusError(f"is no whole picture of the formats {allowed} ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Pillow's words without the path, which may name a person's folder."""
    return "not recognised" if isinstance(error, UnidentifiedImageError) else str(error)
