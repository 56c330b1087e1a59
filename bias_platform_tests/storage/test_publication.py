"""Publication is whole or not at all, and a manifest tells what is wrong."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.errors import ArtifactError
from bias_platform.storage import publish, read_manifest, read_table, verify_artifact, write_table
from bias_platform.storage.manifest import MANIFEST

ARGUMENTS = {"code_version": "1", "inputs": {"up": "a"}, "parameters": {"n": 3}}


def _publish(target: Path, text: str, **changes: object) -> str:
    with publish(target, "thing", **{**ARGUMENTS, **changes}) as staging:
        (staging.folder / "data.txt").write_text(text)
        staging.facts["note"] = text
    return staging.published.data_version


def test_what_is_published_can_be_read_and_verified(tmp_path: Path) -> None:
    version = _publish(tmp_path / "a", "hello")
    manifest = verify_artifact(tmp_path / "a", "thing")
    assert manifest.data_version == version
    assert manifest.files["data.txt"].size == 5
    assert manifest.environment["python"]


def test_the_version_is_of_what_is_published_not_of_where_it_came_from(tmp_path: Path) -> None:
    first = _publish(tmp_path / "a", "hello")
    same = [
        _publish(tmp_path / "b", "hello"),
        _publish(tmp_path / "c", "hello", inputs={"up": "b"}),
        _publish(tmp_path / "c", "hello", parameters={"n": 4}),
        _publish(tmp_path / "c", "hello", code_version="2"),
    ]
    assert set(same) == {first}
    assert _publish(tmp_path / "c", "other") != first


def test_an_error_leaves_the_old_artefact_and_no_leftovers(tmp_path: Path) -> None:
    _publish(tmp_path / "a", "old")
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "a", "thing", **ARGUMENTS) as staging:  # noqa: PT012
        (staging.folder / "data.txt").write_text("new")
        _ = 1 / 0
    assert (tmp_path / "a" / "data.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_publishes_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(tmp_path / "a", "old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArtifactError, match=r"No space left on device.*Nothing was changed"):
        _publish(tmp_path / "a", "new")
    monkeypatch.undo()
    assert verify_artifact(tmp_path / "a", "thing").facts["note"] == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """A command that runs a program with a file system of 400 kB mounted over a folder, as no other process sees it."""
    if not shutil.which("unshare"):
        pytest.skip("a real full disk needs `unshare`")
    mount = f"mount -t tmpfs -o size=400k tmpfs {tmp_path}"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*command, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a file system of its own")
    return [*command, f'{mount} && exec "$0" -c "$1"', sys.executable]


def test_a_disk_that_is_really_full_loses_nothing(small_disk: list[str], tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import numpy as np, pandas as pd
        from pathlib import Path
        from bias_platform.errors import UserError
        from bias_platform.storage import publish, verify_artifact, write_table
        target = Path({str(tmp_path)!r}) / "a"
        def put(rows):
            with publish(target, "thing", code_version="1", inputs={{}}, parameters={{}}) as staging:
                numbers = pd.DataFrame({{"x": np.random.default_rng(0).random(rows)}})
                staging.rows["t.parquet"] = write_table(numbers, staging.folder / "t.parquet")
        put(100)
        try:
            put(200_000)
        except UserError as error:
            print(error)
        assert verify_artifact(target, "thing").rows == 100
        print([path.name for path in target.parent.iterdir()])
        """
    )
    said = subprocess.run([*small_disk, program], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    sentence, left = said.stdout.splitlines()
    assert "'thing' could not be published" in sentence
    assert "No space left on device" in sentence
    assert "make room" in sentence
    assert left == "['a']"


def test_killed_in_the_middle_shows_nothing_half_written(tmp_path: Path) -> None:
    target = tmp_path / "a"
    _publish(target, "old")
    program = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from bias_platform.storage import publish
        with publish(Path({str(target)!r}), "thing", code_version="1", inputs={{}}, parameters={{}}) as staging:
            (staging.folder / "data.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    status = subprocess.run([sys.executable, "-c", program], check=False).returncode
    assert status == -signal.SIGKILL
    assert verify_artifact(target, "thing").facts["note"] == "old"
    assert len(list(tmp_path.iterdir())) == 2  # the dead process's staging folder, invisible to readers
    _publish(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_target_retired_by_a_process_that_died_is_brought_back(tmp_path: Path) -> None:
    _publish(tmp_path / "a", "old")
    (tmp_path / "a").rename(tmp_path / ".a.retired-999999999-abcdef01")
    with pytest.raises(KeyError), publish(tmp_path / "a", "thing", **ARGUMENTS):
        raise KeyError
    assert verify_artifact(tmp_path / "a", "thing").facts["note"] == "old"


def test_damage_is_named_with_the_remedy(tmp_path: Path) -> None:
    with publish(tmp_path / "a", "thing", **ARGUMENTS) as staging:
        for name in ("one", "two", "three"):
            (staging.folder / name).write_text("12345")
    (tmp_path / "a" / "one").unlink()
    (tmp_path / "a" / "two").write_text("1")
    (tmp_path / "a" / "three").write_text("54321")
    with pytest.raises(ArtifactError) as caught:
        verify_artifact(tmp_path / "a", "demo/thing")
    message = str(caught.value)
    assert all(word in message for word in ("one is missing", "two has 1 bytes", "three does not have", "again"))


def test_without_a_manifest_nothing_is_there(tmp_path: Path) -> None:
    _publish(tmp_path / "a", "x")
    (tmp_path / "a" / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match="materialize it first"):
        read_manifest(tmp_path / "a", "demo/thing")


def test_equal_tables_give_equal_bytes_and_damage_is_a_sentence(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert write_table(table, tmp_path / "1.parquet") == 2
    write_table(table, tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "1.parquet", "t"), table)
    (tmp_path / "1.parquet").write_bytes((tmp_path / "2.parquet").read_bytes()[:50])
    with pytest.raises(ArtifactError, match="'t' is damaged"):
        read_table(tmp_path / "1.parquet", "t")
