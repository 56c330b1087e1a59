"""Where a corpus lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import CorpusEntry, load_catalog, resolve_corpus, resolve_path
from bias_platform.errors import CorpusError

ORIGIN = Path("/catalogs/mine/corpora.yaml")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("posts.csv", "/catalogs/mine/posts.csv"),
        ("../../data/posts", "/data/posts"),
        ("/elsewhere/posts.csv", "/elsewhere/posts.csv"),
        ("${TRIAL_HOME}/posts.csv", "/home of posts/posts.csv"),
        ("below/${TRIAL_YEAR}-${TRIAL_YEAR}.csv", "/catalogs/mine/below/2020-2020.csv"),
        ("~trial/$x{y}.csv", "/catalogs/mine/~trial/$x{y}.csv"),
    ],
)
def test_relative_to_the_file_with_variables(monkeypatch: pytest.MonkeyPatch, path: str, expected: str) -> None:
    monkeypatch.setenv("TRIAL_HOME", "/home of posts")
    monkeypatch.setenv("TRIAL_YEAR", "2020")
    assert resolve_path(CorpusEntry(path=path), ORIGIN) == Path(expected)


def test_missing_variables_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAL_A", raising=False)
    monkeypatch.setenv("TRIAL_B", "")
    with pytest.raises(
        CorpusError, match=r"'\$\{TRIAL_A\}/\$\{TRIAL_B\}' \(corpora.yaml\) needs .* TRIAL_A and TRIAL_B"
    ):
        resolve_path(CorpusEntry(path="${TRIAL_A}/${TRIAL_B}"), ORIGIN)


def test_entry_without_a_path() -> None:
    with pytest.raises(CorpusError, match="has no `path`"):
        resolve_path(CorpusEntry(reader="sample"), ORIGIN)


def test_missing_variable_matters_only_when_the_corpus_is_read(
    monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path], sound: dict[str, Any]
) -> None:
    monkeypatch.delenv("TRIAL_POSTS", raising=False)
    sound["corpora"]["posts"]["path"] = "${TRIAL_POSTS}/posts.csv"
    folder = write({"a.yaml": sound})
    catalog = load_catalog(folder)
    assert catalog.corpora["posts"].path == "${TRIAL_POSTS}/posts.csv"
    with pytest.raises(CorpusError, match="TRIAL_POSTS"):
        resolve_corpus(catalog, "posts")
    monkeypatch.setenv("TRIAL_POSTS", "raw")
    assert resolve_corpus(catalog, "posts").path == str(folder / "raw" / "posts.csv")


def test_generated_corpus_and_unknown_corpus(write: Callable[..., Path], sound: dict[str, Any]) -> None:
    catalog = load_catalog(write({"a.yaml": sound}))
    assert resolve_corpus(catalog, "sample") == catalog.corpora["sample"]
    with pytest.raises(CorpusError, match="no corpus 'none'"):
        resolve_corpus(catalog, "none")


def test_downloads_lie_beside_the_lake(
    monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path], sound: dict[str, Any]
) -> None:
    monkeypatch.setenv("BIAS_PLATFORM_LAKE", "/data/lake")
    monkeypatch.delenv("TRIAL_POSTS", raising=False)
    posts = sound["corpora"]["posts"]
    posts["path"] = "${TRIAL_POSTS}/posts.csv"
    posts["download"] = [{"url": "https://example.org/of/all.csv?raw=1"}]
    sound["corpora"]["folder"] = {"reader": "sbic", "download": [{"url": "https://example.org/SBIC.v2.trn.csv"}]}
    catalog = load_catalog(write({"a.yaml": sound}))
    assert resolve_corpus(catalog, "posts").path == "/data/downloads/posts/all.csv"
    assert resolve_corpus(catalog, "folder").path == "/data/downloads/folder"
    monkeypatch.setenv("TRIAL_POSTS", "/mine")
    assert resolve_corpus(catalog, "posts").path == "/mine/posts.csv"


def test_pictures_and_what_is_said_of_getting_them(
    monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path], sound: dict[str, Any]
) -> None:
    monkeypatch.delenv("TRIAL_MEMES", raising=False)
    sound["corpora"]["memes"] = {
        "reader": "hatred",
        "path": "memes",
        "pictures": "${TRIAL_MEMES}",
        "access": "They come from elsewhere.",
    }
    folder = write({"a.yaml": sound})
    with pytest.raises(
        CorpusError, match=r"corpus 'memes': the folder of pictures .* TRIAL_MEMES: .*They come from else"
    ):
        resolve_corpus(load_catalog(folder), "memes")
    monkeypatch.setenv("TRIAL_MEMES", "pictures")
    resolved = resolve_corpus(load_catalog(folder), "memes")
    assert (resolved.path, resolved.pictures) == (str(folder / "memes"), str(folder / "pictures"))
