"""What the hub's client raises becomes one sentence that says what to do."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from bias_platform.errors import ModelLoadError
from bias_platform.models import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESPONSE: Any = SimpleNamespace(headers={}, request=None)


@pytest.fixture(autouse=True)
def _online_without_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def _raising(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.GatedRepoError("x", response=_RESPONSE), "'some/model' is gated and no token is set.*HF_TOKEN"),
        (errors.RepositoryNotFoundError("x", response=_RESPONSE), "there is no model 'some/model' on the hub"),
        (errors.RevisionNotFoundError("x", response=_RESPONSE), "'some/model' has no revision 'v9'"),
        (errors.LocalEntryNotFoundError("x"), "'some/model' at revision 'v9' is not in the local cache"),
        (errors.OfflineModeIsEnabled("x"), "'some/model' at revision 'v9' is not in the local cache"),
        (errors.HFValidationError("x"), "'some/model' is not a hub id"),
        (errors.HfHubHTTPError("502 bad gateway", response=_RESPONSE), "could not be fetched.*502 bad gateway"),
        (ConnectionError("no route"), "could not be fetched.*no route.*check the connection"),
        (OSError(28, "No space left on device"), "could not be fetched.*No space left on device"),
    ],
)
def test_every_failure_is_a_sentence(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(error, monkeypatch)
    with pytest.raises(ModelLoadError, match=message):
        hub.fetch("some/model", "v9")
    with pytest.raises(ModelLoadError, match=message):
        hub.commit_of("some/model", "v9")


def test_a_gated_model_with_a_token_that_does_not_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret-value")
    _raising(errors.GatedRepoError("x", response=_RESPONSE), monkeypatch)
    with pytest.raises(ModelLoadError, match="the token in HF_TOKEN has no access") as caught:
        hub.fetch("some/model", None)
    assert "secret-value" not in str(caught.value)


def test_a_programming_error_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(AttributeError("a bug"), monkeypatch)
    with pytest.raises(AttributeError):
        hub.fetch("some/model", None)


def test_a_revision_becomes_a_commit_and_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def info(_: object, hub_id: str, revision: str | None, token: object) -> SimpleNamespace:
        seen.append((hub_id, revision, token))
        return SimpleNamespace(sha=COMMIT, safetensors=SimpleNamespace(total=12))

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    assert hub.commit_of("some/model", "v2") == COMMIT
    monkeypatch.setenv("HF_TOKEN", "t")
    assert hub.published_weights("some/model", None) == 12
    assert seen == [("some/model", "v2", False), ("some/model", None, "t")]


def test_offline_takes_the_cached_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match="is not in the local cache and HF_HUB_OFFLINE is set"):
        hub.commit_of("some/model", None)
    reference = tmp_path / "models--some--model" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text(COMMIT)
    assert hub.commit_of("some/model", None) == COMMIT
    assert hub.published_weights("some/model", None) is None


def test_offline_for_real_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"'some/model' at revision '0123456789.*' is not in the local cache"):
        hub.fetch("some/model", COMMIT)
