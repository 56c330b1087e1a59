"""Pseudonyms: stable, unlinkable, keyed."""

import pandas as pd
import pytest

from bias_platform.corpora.pseudonyms import KEY_VARIABLE, key_fingerprint, pseudonymise

NAMES = pd.Series(["w1", "w2", None, "w1"], dtype=object)


def test_one_person_has_one_pseudonym_within_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    ours = pseudonymise("ours", NAMES)
    assert ours[0] == ours[3] != ours[1]
    assert ours[2] is None
    assert not ours.dropna().isin(NAMES).any()
    assert ours[0] != pseudonymise("theirs", NAMES)[0]
    assert ours[0] == pseudonymise("ours", NAMES[::-1])[0]


def test_a_key_changes_every_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    open_names, open_print = pseudonymise("c", NAMES), key_fingerprint()
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert pseudonymise("c", NAMES)[0] != open_names[0]
    assert key_fingerprint() != open_print
    assert "secret" not in key_fingerprint()


def test_no_names_at_all() -> None:
    assert pseudonymise("c", pd.Series([None, None], dtype=object)).tolist() == [None, None]
