"""The model hub: commits, files and sizes, with every failure said in one sentence.

Not here: building models from what was fetched (`loading`). The token comes from `HF_TOKEN` and from nowhere else.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from bias_platform.errors import ModelLoadError

_TRANSPORT_ERRORS: tuple[type[BaseException], ...] = HfHubHTTPError.__bases__
"""What the client's HTTP library and the disk raise; which library that is differs between versions of the client."""
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
WANTED_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
"""Weights as safetensors, configuration, tokenizer: no code and no pickles."""


def commit_of(hub_id: str, revision: str | None) -> str:
    """The commit (40 hex digits) that a revision, or without one the main branch, names.

    Raises:
        ModelLoadError: see `hub_errors`.
    """
    if revision and _COMMIT.match(revision):
        return revision
    if constants.is_offline_mode():
        return _cached_commit(hub_id, revision or "main")
    with hub_errors(hub_id, revision):
        return str(huggingface_hub.HfApi().model_info(hub_id, revision=revision, token=_token()).sha)


def fetch(hub_id: str, revision: str | None) -> Path:
    """A local folder with the model's files, downloaded unless they are in the cache.

    Raises:
        ModelLoadError: see `hub_errors`.
    """
    with hub_errors(hub_id, revision):
        return Path(
            huggingface_hub.snapshot_download(
                hub_id, revision=revision, token=_token(), allow_patterns=list(WANTED_FILES)
            )
        )


def published_weights(hub_id: str, revision: str | None) -> int | None:
    """How many weights the hub says the model has; None when it does not say or is not to be asked."""
    if constants.is_offline_mode():
        return None
    with hub_errors(hub_id, revision):
        info = huggingface_hub.HfApi().model_info(hub_id, revision=revision, token=_token())
    return int(info.safetensors.total) if info.safetensors else None


@contextmanager
def hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    """Turns what the hub's client raises into a `ModelLoadError`: gated, missing, offline, unreachable."""
    at = f" at revision '{revision}'" if revision else ""
    try:
        yield
    except GatedRepoError as error:
        raise ModelLoadError(_gated(hub_id)) from error
    except RepositoryNotFoundError as error:
        raise ModelLoadError(
            f"there is no model '{hub_id}' on the hub (or it is private and HF_TOKEN does not open it); check 'hub_id'"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelLoadError(
            f"model '{hub_id}' has no revision '{revision}'; write a branch, a tag or a commit into 'revision'"
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise ModelLoadError(_not_cached(hub_id, at)) from error
    except HFValidationError as error:
        raise ModelLoadError(f"'{hub_id}' is not a hub id; write `organisation/name` into 'hub_id'") from error
    except _TRANSPORT_ERRORS as error:
        raise ModelLoadError(
            f"model '{hub_id}'{at} could not be fetched ({type(error).__name__}: {error}); check the connection and "
            "the disk and run it again, or set HF_HUB_OFFLINE=1 to use only what was downloaded before"
        ) from error


def _gated(hub_id: str) -> str:
    if _token() is False:
        return (
            f"model '{hub_id}' is gated and no token is set; accept its terms on the hub and put your access token "
            "into the environment variable HF_TOKEN"
        )
    return f"model '{hub_id}' is gated and the token in HF_TOKEN has no access; accept the model's terms on the hub"


def _not_cached(hub_id: str, at: str) -> str:
    offline = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "the hub is out of reach"
    return (
        f"model '{hub_id}'{at} is not in the local cache and {offline}; download it first on a machine with a "
        "connection, or unset HF_HUB_OFFLINE"
    )


def _cached_commit(hub_id: str, revision: str) -> str:
    home = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "refs" / revision
    if not home.is_file():
        raise ModelLoadError(_not_cached(hub_id, f" at revision '{revision}'"))
    return home.read_text("utf-8").strip()


def _token() -> str | bool:
    """False, not None: None would let the client look for a token on disk."""
    return os.environ.get("HF_TOKEN") or False
