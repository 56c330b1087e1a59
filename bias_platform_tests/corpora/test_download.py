"""Downloads: checked, whole or not at all, never over what is there."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request

import pytest

from bias_platform.catalog.corpus_settings import DownloadFile
from bias_platform.corpora import archives, download
from bias_platform.corpora.download import Fetched, fetch_file
from bias_platform.errors import CorpusError
from bias_platform.progress import Progress
from bias_platform_tests.corpora.download_server import Served, serving

PLAIN = b"post,label\nhello,Yes\n" * 10_000
HOME = "https://example.org"


def tgz(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                archive.addfile(content)
    return buffer.getvalue()


def zipped(members: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@pytest.fixture
def served() -> Iterator[Served]:
    archive = tgz({"./trn.csv": b"train", "tst.csv": b"test", "agg.csv": b"not wanted"})
    with serving({"/posts.csv": PLAIN, "/corpus.tgz": archive}) as server:
        yield server


def fetch(served: Served, folder: Path, file: DownloadFile, name: str | None = None) -> list[Fetched]:
    return fetch_file(file, folder, lambda _: None, served.open, name)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


POSTS = DownloadFile(url=f"{HOME}/posts.csv", sha256=hashlib.sha256(PLAIN).hexdigest())
CORPUS = DownloadFile(url=f"{HOME}/corpus.tgz", members=("trn.csv", "tst.csv"))


def test_a_file_arrives_whole_and_is_not_fetched_twice(served: Served, tmp_path: Path) -> None:
    said: list[Progress] = []
    folder = tmp_path / "a" / "b"
    assert fetch_file(POSTS, folder, said.append, served.open) == [Fetched(folder / "posts.csv", True)]
    assert (folder / "posts.csv").read_bytes() == PLAIN
    assert left(folder) == {"posts.csv", "posts.csv.sha256"}
    assert said[-1] == Progress(210, 210, "kB")
    assert all(progress.done < progress.total for progress in said[:-1])
    assert fetch(served, folder, POSTS) == [Fetched(folder / "posts.csv", False)]
    assert served.asked == ["/posts.csv"]


def test_a_file_of_the_declared_content_needs_no_download(served: Served, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(PLAIN)
    assert fetch(served, tmp_path, POSTS, name="mine.csv") == [Fetched(tmp_path / "mine.csv", False)]
    assert served.asked == []


def test_declared_members_come_out_of_an_archive_and_nothing_else(served: Served, tmp_path: Path) -> None:
    served.declares_length = False
    assert [fetched.path.read_bytes() for fetched in fetch(served, tmp_path, CORPUS)] == [b"train", b"test"]
    assert left(tmp_path) == {"trn.csv", "tst.csv", "corpus.tgz.sha256"}
    assert [fetched.new for fetched in fetch(served, tmp_path, CORPUS)] == [False, False]
    assert len(served.asked) == 1
    (tmp_path / "tst.csv").unlink()
    assert [fetched.new for fetched in fetch(served, tmp_path, CORPUS)] == [False, True]
    assert (tmp_path / "tst.csv").read_bytes() == b"test"


def test_a_zip_and_a_folder_within(served: Served, tmp_path: Path) -> None:
    served.files["/corpus.zip"] = zipped({"v2/trn.csv": b"train", "__MACOSX/v2/._trn.csv": b"x"})
    file = DownloadFile(url=f"{HOME}/corpus.zip", members=("trn.csv",))
    assert fetch(served, tmp_path, file)[0].path.read_bytes() == b"train"


def test_other_bytes_than_declared_are_not_kept(served: Served, tmp_path: Path) -> None:
    wrong = POSTS.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(
        CorpusError, match=rf"posts\.csv is not what the catalog declares: its SHA-256 is {POSTS.sha256}, "
    ):
        fetch(served, tmp_path, wrong)
    assert left(tmp_path) == set()


def test_what_came_first_must_come_again(served: Served, tmp_path: Path) -> None:
    fetch(served, tmp_path, CORPUS)
    note = (tmp_path / "corpus.tgz.sha256").read_text()
    assert note.splitlines()[0] == f"{hashlib.sha256(served.files['/corpus.tgz']).hexdigest()}  corpus.tgz"
    for name in CORPUS.members:
        (tmp_path / name).unlink()
    served.files["/corpus.tgz"] = tgz({"trn.csv": b"other", "tst.csv": b"test"})
    with pytest.raises(
        CorpusError, match=r"is not what was fetched before: .*corpus\.tgz\.sha256 and the files it names"
    ):
        fetch(served, tmp_path, CORPUS)
    assert left(tmp_path) == {"corpus.tgz.sha256"}
    (tmp_path / "corpus.tgz.sha256").write_text("something else\n")
    with pytest.raises(CorpusError, match=r"corpus\.tgz\.sha256 is damaged; delete it"):
        fetch(served, tmp_path, CORPUS)


def test_what_is_there_is_never_overwritten(served: Served, tmp_path: Path) -> None:
    (tmp_path / "tst.csv").write_bytes(b"my own")
    (tmp_path / "trn.csv").write_bytes(b"train")
    with pytest.raises(CorpusError, match=r"other content is there already: .*/tst\.csv; nothing was changed"):
        fetch(served, tmp_path, CORPUS)
    assert (tmp_path / "tst.csv").read_bytes() == b"my own"
    assert left(tmp_path) == {"tst.csv", "trn.csv"}


def test_a_connection_that_breaks_leaves_nothing(served: Served, tmp_path: Path) -> None:
    served.cut = 70_000
    with pytest.raises(CorpusError, match=r"posts\.csv ended after 70,000 of 210,000 bytes; try again"):
        fetch(served, tmp_path, POSTS)
    assert left(tmp_path) == set()
    served.cut = None
    assert fetch(served, tmp_path, POSTS)[0].new


def test_no_answer_is_one_sentence(served: Served, tmp_path: Path) -> None:
    gone = DownloadFile(url=f"{HOME}/gone.csv")
    with pytest.raises(
        CorpusError, match=r"https://example\.org/gone\.csv cannot be fetched \(Not Found\); check the netw"
    ):
        fetch(served, tmp_path, gone)
    served.port = 9  # nobody listens there
    with pytest.raises(CorpusError, match=r"cannot be fetched .*refused"):
        fetch(served, tmp_path, POSTS)


def test_a_folder_that_cannot_be_written(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CorpusError, match=r"/file cannot be written: .*; nothing was fetched"):
        fetch(served, tmp_path / "file", POSTS)


def test_too_much_is_refused(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    with pytest.raises(CorpusError, match="is larger than"):
        fetch(served, tmp_path, POSTS)
    served.declares_length = False
    with pytest.raises(CorpusError, match="is larger than"):
        fetch(served, tmp_path, POSTS)
    served.files["/bomb.tgz"] = tgz({"trn.csv": b"\0" * 99_999, "tst.csv": b"\0" * 2})
    served.files["/bomb.zip"] = zipped({"trn.csv": b"\0" * 99_999, "tst.csv": b"\0" * 2})
    for name in ("bomb.tgz", "bomb.zip"):
        with pytest.raises(
            CorpusError, match=r"'tst\.csv' comes out of the archive larger than allowed; nothing was kept"
        ):
            fetch(served, tmp_path, DownloadFile(url=f"{HOME}/{name}", members=("trn.csv", "tst.csv")))
    assert left(tmp_path) == set()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_links_and_ways_out_are_refused(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "here"
    soft = zipfile.ZipInfo("trn.csv")
    soft.external_attr = 0o120777 << 16
    fifo = tarfile.TarInfo("trn.csv")
    fifo.type = tarfile.FIFOTYPE
    served.files.update(
        {
            "/link.tgz": tgz({"other.csv": b"x", "trn.csv": link("trn.csv", "other.csv")}),
            "/out.tgz": tgz({"trn.csv": link("trn.csv", str(secret))}),
            "/fifo.tgz": tgz({"trn.csv": fifo}),
            "/up.tgz": tgz({"../trn.csv": b"x"}),
            "/soft.zip": zipped({soft: b"../secret"}),
            "/folder.zip": zipped({"trn.csv/": b""}),
            "/lacking.tgz": tgz({"a.csv": b"x"}),
            "/broken.tgz": served.files["/corpus.tgz"][:80],
            "/text.zip": b"no archive",
        }
    )
    reasons = {
        "link.tgz": r"'trn\.csv' is no plain file",
        "out.tgz": r"'trn\.csv' cannot be taken out of it",
        "fifo.tgz": r"'trn\.csv' cannot be taken out of it",
        "up.tgz": r"'trn\.csv' cannot be taken out of it",
        "soft.zip": r"'trn\.csv' is no plain file",
        "folder.zip": r"the archive has no 'trn\.csv'",
        "lacking.tgz": r"the archive has no 'trn\.csv', or several; it holds a\.csv",
        "broken.tgz": "the archive is damaged",
        "text.zip": "the archive is damaged",
    }
    for name, reason in reasons.items():
        with pytest.raises(CorpusError, match=reason):
            fetch(served, folder, DownloadFile(url=f"{HOME}/{name}", members=("trn.csv",)))
        assert left(folder) == set(), name


def test_what_a_killed_process_left_is_swept(served: Served, tmp_path: Path) -> None:
    (tmp_path / ".fetch-999999999-abcd").mkdir()
    mine = tmp_path / f".fetch-{os.getppid()}-abcd"
    mine.mkdir()
    fetch(served, tmp_path, POSTS)
    assert left(tmp_path) == {"posts.csv", "posts.csv.sha256", mine.name}


def test_redirects_stay_with_https() -> None:
    follow = download._OnlyHttps().redirect_request
    request = Request(f"{HOME}/a")
    with pytest.raises(CorpusError, match=r"redirected to http://example\.org/b, which is not https"):
        follow(request, io.BytesIO(), 302, "Found", {}, "http://example.org/b")  # type: ignore[arg-type]
    onwards = follow(request, io.BytesIO(), 302, "Found", {}, f"{HOME}/b")  # type: ignore[arg-type]
    assert onwards is not None
    assert onwards.full_url == f"{HOME}/b"


def test_a_member_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tgz({"x/a.csv": b"1", "y/a.csv": b"2"}))
    with pytest.raises(CorpusError, match=r"no 'a\.csv', or several; it holds x/a\.csv, y/a\.csv"):
        archives.extract_members(tmp_path / "a.tgz", ["a.csv"], tmp_path, 100)
