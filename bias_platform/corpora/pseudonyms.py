"""Annotator identifiers become pseudonyms: stable within a corpus, unlinkable between corpora."""

import hashlib
import os

import pandas as pd

KEY_VARIABLE = "BIAS_PLATFORM_PSEUDONYM_KEY"
"""A secret text. Without it, whoever can guess an identifier can check the guess; with it they cannot."""


def pseudonymise(corpus: str, names: pd.Series) -> pd.Series:
    """Replaces identifiers by `a` and 15 hex digits; missing ones stay missing (None).

    Args:
        corpus: the corpus's slug: the same person has different pseudonyms in two corpora.
        names: identifiers as text.
    """
    key = _key()
    known = {name: _pseudonym(corpus, name, key) for name in dict.fromkeys(names.dropna())}
    mapped = names.map(known).astype(object)
    return mapped.where(mapped.notna(), None)


def key_fingerprint() -> str:
    """Tells whether two readings used the same key, without telling the key."""
    return hashlib.blake2b(b"fingerprint", key=_key(), digest_size=8).hexdigest()


def _pseudonym(corpus: str, name: str, key: bytes) -> str:
    message = f"{corpus}\x00{name}".encode("utf-8", "surrogatepass")
    return "a" + hashlib.blake2b(message, key=key, digest_size=8).hexdigest()[:15]


def _key() -> bytes:
    secret = os.environ.get(KEY_VARIABLE, "")
    return hashlib.blake2b(secret.encode(), digest_size=32).digest() if secret else b""
