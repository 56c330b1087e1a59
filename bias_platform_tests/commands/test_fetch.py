"""`bias-platform fetch`: what it downloads, and what it says of the rest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bias_platform.command import app
from bias_platform.corpora import download
from bias_platform_tests.corpora.download_server import Served, serving

POSTS = b"post,verdict\nhello,fine\n"
CATALOG = f"""
name: trial
corpora:
  table:
    columns: {{text: post}}
    licence: CC0-1.0
    source: a server
    sensitivity: hateful
    download: [{{url: "https://example.org/posts.csv", sha256: {hashlib.sha256(POSTS).hexdigest()}}}]
  named:
    path: mine/own.csv
    columns: {{text: post}}
    sensitivity: mild
    download: [{{url: "https://example.org/posts.csv"}}]
  folder:
    reader: sbic
    path: ${{TRIAL_SBIC}}
    download: [{{url: "https://example.org/SBIC.v2.trn.csv"}}]
  asked:
    reader: exist
    path: asked
    access: Ask the organisers.
  memes:
    reader: hatred
    pictures: ${{TRIAL_MEMES}}
    access: The memes come from elsewhere.
    download: [{{url: "https://example.org/fhm_train_reasonings.jsonl"}}]
  silent:
    path: silent.csv
    columns: {{text: post}}
    source: a drawer
  made:
    reader: sample
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("BIAS_PLATFORM_LAKE", str(tmp_path / "data" / "lake"))
    for variable in ("TRIAL_SBIC", "TRIAL_MEMES"):
        monkeypatch.delenv(variable, raising=False)
    names = ("posts.csv", "SBIC.v2.trn.csv", "fhm_train_reasonings.jsonl")
    with serving({f"/{name}": POSTS for name in names}) as server:
        original = download.fetch_file
        monkeypatch.setattr(
            download,
            "fetch_file",
            lambda file, folder, report, name=None: original(file, folder, report, server.open, name),
        )
        yield server


def run(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--catalog", str(tmp_path / "trial")])


def test_a_table_lands_beside_the_lake_and_is_read_from_there(served: Served, tmp_path: Path) -> None:
    before = run(tmp_path, "catalog", "check").stdout
    target = tmp_path / "data" / "downloads" / "table" / "posts.csv"
    assert f"not read: corpus 'table' has no file at {target}; run `bias-platform fetch table`" in before
    result = run(tmp_path, "fetch", "table")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        str(target),
        "licence: CC0-1.0; source: a server",
        "the texts are hateful: keep them out of git and of what you publish",
    ]
    assert target.read_bytes() == POSTS
    assert "corpus 'table': 1 post\n" in run(tmp_path, "catalog", "check").stdout
    assert f"{target} (was there already, unchanged)" in run(tmp_path, "fetch", "table").stdout


def test_a_declared_path_is_kept(served: Served, tmp_path: Path) -> None:
    result = run(tmp_path, "fetch", "named")
    assert result.stdout.splitlines() == [str(tmp_path / "trial" / "mine" / "own.csv"), "licence: not stated"]
    assert (tmp_path / "trial" / "mine" / "own.csv").read_bytes() == POSTS


def test_a_variable_decides_where_it_is_set(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        str(tmp_path / "data" / "downloads" / "folder" / "SBIC.v2.trn.csv") in run(tmp_path, "fetch", "folder").stdout
    )
    monkeypatch.setenv("TRIAL_SBIC", str(tmp_path / "own"))
    assert str(tmp_path / "own" / "SBIC.v2.trn.csv") in run(tmp_path, "fetch", "folder").stdout
    monkeypatch.setenv("TRIAL_SBIC", str(tmp_path / "own" / "SBIC.v2.trn.csv"))
    assert "is a file, a folder is needed" in run(tmp_path, "fetch", "folder").stderr


def test_pictures_are_told_of_but_not_needed_to_fetch(served: Served, tmp_path: Path) -> None:
    result = run(tmp_path, "fetch", "memes")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "The memes come from elsewhere."
    assert (tmp_path / "data" / "downloads" / "memes" / "fhm_train_reasonings.jsonl").exists()


def test_what_cannot_be_downloaded_says_how_one_gets_it(served: Served, tmp_path: Path) -> None:
    asked = run(tmp_path, "fetch", "asked")
    assert asked.exit_code == 0
    assert asked.stdout.splitlines()[0] == "corpus 'asked' cannot be downloaded. Ask the organisers."
    sentences = {
        "silent": "corpus 'silent' declares neither `download` nor `access`: put its files at silent.csv; it comes",
        "made": "corpus 'made' is generated: there is nothing to fetch",
        "tabel": "there is no corpus 'tabel' in the catalog 'trial'; allowed: table, named, folder",
    }
    for slug, sentence in sentences.items():
        result = run(tmp_path, "fetch", slug)
        assert result.exit_code == 2
        assert sentence in result.stderr
    assert served.asked == []


def test_a_failed_download_is_a_sentence(served: Served, tmp_path: Path) -> None:
    served.files["/posts.csv"] = b"something else"
    result = run(tmp_path, "fetch", "table")
    assert result.exit_code == 2
    assert "is not what the catalog declares" in result.stderr
    assert not (tmp_path / "data" / "downloads" / "table").exists()
