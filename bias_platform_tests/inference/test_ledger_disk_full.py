"""A full disk is said in a sentence, loses nothing, and the next run with room goes on."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform.inference.ledger_damage import suspicion_of
from bias_platform.inference.ledger_recovery import open_or_recover
from bias_platform_tests.inference.made_outcomes import answered, cell

CELLS, BATCH = 20_000, 200

_APPENDS = """
import resource, sys
from pathlib import Path
from bias_platform.errors import ArtifactError
from bias_platform.inference.ledger import Ledger
from bias_platform_tests.inference.made_outcomes import answered

def append_until_full(path, start):
    taken = start
    try:
        with Ledger.open(path, wait=False) as ledger:
            for number in range(start, 20_000, 200):
                ledger.append(map(answered, range(number, number + 200)))
                taken = number + 200
    except ArtifactError as error:
        print(taken, error, flush=True)
    return taken
"""

_LIMITED = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
append_until_full(Path(sys.argv[1]), 0)
"""

# in a mount namespace of its own: a file system of 1 MB, later of 16 MB; the ledger is carried out at both times
_SMALL_FILE_SYSTEM = """
import shutil, subprocess
disk, outside = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
taken = append_until_full(disk / "ledger.sqlite", 0)
shutil.copytree(disk, outside / "full")
subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
assert append_until_full(disk / "ledger.sqlite", taken) == 20_000
shutil.copytree(disk, outside / "roomy")
"""

_RECOVERS = """
from bias_platform.inference.ledger_recovery import open_or_recover
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
try:
    open_or_recover(Path(sys.argv[1]), [])
except ArtifactError as error:
    print(error)
"""


def _python(program: str, *arguments: Path, prefix: tuple[str, ...] = ()) -> str:
    command = [*prefix, sys.executable, "-c", _APPENDS + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _assert_kept(path: Path, cells: int) -> None:
    check = verify_ledger(path)
    assert (check.cells, check.problems) == (cells, ())
    with LedgerReader(path) as reader:
        assert reader.count_known([cell(number) for number in range(cells)]) == cells


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    taken, _, sentence = _python(_LIMITED, path).partition(" ")
    assert 0 < int(taken) < CELLS
    assert sentence.startswith(
        f"the ledger {path} cannot be written (disk I/O error); make room or check the permissions"
    )
    _assert_kept(path, int(taken))
    with open_or_recover(path, [], say=pytest.fail) as ledger:
        for start in range(int(taken), CELLS, BATCH):
            assert ledger.append(map(answered, range(start, start + BATCH))) == BATCH
    _assert_kept(path, CELLS)


def test_a_file_system_that_is_full(tmp_path: Path) -> None:
    prefix = ("unshare", "--user", "--map-root-user", "--mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [*prefix, "mount", "-t", "tmpfs", "none", str(disk)]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own (unshare --user --mount)")
    taken, _, sentence = _python(_SMALL_FILE_SYSTEM, disk, tmp_path, prefix=prefix).partition(" ")
    assert 0 < int(taken) < CELLS
    assert "cannot be written (database or disk is full); make room" in sentence
    _assert_kept(tmp_path / "full" / "ledger.sqlite", int(taken))
    _assert_kept(tmp_path / "roomy" / "ledger.sqlite", CELLS)


def test_a_recovery_without_room_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        for start in range(0, 4_000, BATCH):
            ledger.append(map(answered, range(start, start + BATCH)))
    content, generator = bytearray(path.read_bytes()), random.Random(0)
    content[40 * 4096 : 41 * 4096] = generator.randbytes(4096)
    path.write_bytes(content)
    sentence = _python(_RECOVERS, path)
    assert "is damaged (its pages: " in sentence
    assert "could not be rebuilt (disk I/O error); nothing was deleted: make room" in sentence
    assert suspicion_of(path) is not None
    assert bytes(content) in [file.read_bytes() for file in tmp_path.glob("*.damaged-*")]
    said: list[str] = []
    with open_or_recover(path, [], say=said.append) as ledger:
        assert 3_800 < ledger.counts().by_outcome["answered"] < 4_000
    assert len(said) == 1
