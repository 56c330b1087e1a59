"""The tokenizer of a system, where its files are on this machine: nothing is fetched, and no weights are touched."""

import hashlib
from pathlib import Path
from typing import Any

from bias_platform.models.source import ModelSource


def local_tokenizer(source: ModelSource) -> Any | None:
    """The tokenizer, with a chat template; None if its files are not here.

    Raises:
        ModelLoadError: the files are damaged, or there is no chat template.
    """
    from bias_platform.models.chat import require_chat_template
    from bias_platform.models.loading import load_tokenizer

    folder = _folder(source)
    if folder is None:
        return None
    tokenizer = load_tokenizer(folder, source.title)
    require_chat_template(tokenizer, source.title)
    return tokenizer


def tokenizer_signature(tokenizer: Any) -> str:
    """Equal for tokenizers that turn every chat into the same tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = backend.to_str() if backend is not None else f"{id(tokenizer)}"
    parts = (rules, str(tokenizer.chat_template), str(tokenizer.special_tokens_map))
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _folder(source: ModelSource) -> Path | None:
    if source.kind == "folder":
        folder = Path(source.location)
        return folder if folder.is_dir() else None
    if source.kind != "hub":
        return None
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        cached = huggingface_hub.snapshot_download(source.location, revision=source.revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return Path(cached)
