"""The command line: what it prints, how it ends, and that a mistake is a sentence, not a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bias_platform import command
from bias_platform.storage import read_manifest
from bias_platform_tests.wiring.conftest import REPOSITORY, STUDY, Workplace, make_workplace


def _run(place: Workplace, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(command.app, list(words), env={**place.environment, **environment})


def _sentence(result: Result) -> str:
    """What a command that ended with a mistake said."""
    assert result.exit_code == 2, (result.stdout, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.stderr.strip()


def test_check_counts_what_is_declared(finished_workplace: Workplace) -> None:
    result = _run(finished_workplace, "catalog", "check")
    assert result.exit_code == 0
    assert result.stdout.startswith("catalog 'small' is right: 1 corpus, 1 persona set, ")
    assert result.stdout.endswith(", 1 study\ncorpus 'posts': 95 posts\n")
    assert result.stderr == ""


def test_check_reads_the_files_of_the_corpora(workplace: Workplace) -> None:
    more = "  own: {path: own.csv, columns: {text: body}}\n  later: {path: later.csv, columns: {text: body}}\n"
    workplace.edit("corpora:\n", f"corpora:\n{more}")
    (workplace.catalog_file.parent / "own.csv").write_text("bodie\nfine\n", "utf-8")
    result = _run(workplace, "catalog", "check")
    assert result.exit_code == 2
    assert f"not read: corpus 'later' has no file at {workplace.catalog_file.parent / 'later.csv'}" in result.stdout
    assert "the catalog is right, its data are not:" in result.stderr
    assert "column 'body' is missing" in result.stderr
    assert _run(workplace, "catalog", "check", "--no-data").exit_code == 0


def test_power_tried_out_is_printed_and_not_published(workplace: Workplace) -> None:
    result = _run(workplace, "power", "--items", "200", "--replicates", "40", "--base-rate", "0.4")
    assert result.exit_code == 0, result.output
    table = [[cell.strip() for cell in line.split("|")] for line in result.stdout.splitlines() if line[:1] == "|"]
    assert table[0][4:6] == ["12 items, this study", "200 items"]
    assert table[2][4:6] == ["252", "4,200"]
    graded = [row for row in table if row[1] == "graded items"]
    assert [row[3] for row in graded] == ["these wordings", "beyond wording"]
    assert 8 < float(graded[0][5].split(" ")[0]) < 18
    assert result.stdout.endswith("Only printed: the study declares other settings.\n")
    assert not workplace.house().lake.report(STUDY, "power").exists()


def test_power_as_declared_is_published_once(tmp_path: Path) -> None:
    """Nothing else has been made: no corpus, no model."""
    place = make_workplace(tmp_path / "place")
    result = _run(place, "power")
    assert result.exit_code == 0, result.output
    folder = place.house().lake.report(STUDY, "power")
    assert (folder / "summary.md").read_text("utf-8") in result.stdout
    assert "It asks 252 cells: 12 items x 7 questions x 3 systems;" in result.stdout
    assert f"Page:     {folder / 'report.html'}" in result.stdout
    assert {path.name for path in place.house().lake.home.iterdir()} == {"reports"}
    again = _run(place, "power", STUDY)
    assert "[1/1] small/reports/offence_power: current" in again.stdout
    assert again.stdout.endswith(result.stdout[result.stdout.index("\nIn 80 %") :])
    (folder / "summary.md").unlink()
    assert "summary.md is missing. Materialize it again" in _sentence(_run(place, "power"))
    assert _run(place, "power", "--force").stdout.endswith(result.stdout[result.stdout.index("\nIn 80 %") :])


def test_power_of_all_items_asks_how_many_they_are(workplace: Workplace, tmp_path: Path) -> None:
    workplace.edit("items: {n: 12, split: test}", "items: {split: test}")
    elsewhere = str(tmp_path / "elsewhere")
    sentence = _sentence(_run(workplace, "power", "--replicates", "20", BIAS_PLATFORM_LAKE=elsewhere))
    assert sentence.startswith("'small/corpora/posts' is not there (")
    result = _run(workplace, "power", "--replicates", "20")
    assert "(30 items, 2 personas," in result.stdout
    result = _run(workplace, "power", "--items", "50", "--items", "20", BIAS_PLATFORM_LAKE=elsewhere)
    assert "(50 items, 2 personas," in result.stdout


def test_describe_tells_systems_and_prices(finished_workplace: Workplace) -> None:
    result = _run(finished_workplace, "catalog", "describe")
    assert result.exit_code == 0
    assert "tiny+people@nf4         asked by offence" in result.stdout
    assert "questions in all        252" in result.stdout


def test_fields_needs_no_catalog(finished_workplace: Workplace) -> None:
    result = _run(finished_workplace, "catalog", "fields", BIAS_PLATFORM_CATALOG="/not/there")
    assert result.exit_code == 0
    assert "`maximum_failed_share`" in result.stdout


@pytest.mark.parametrize("name", ["demo", "paper", "examples/own-corpus", "examples/real-posts"])
def test_every_catalog_of_the_repository_is_right(
    finished_workplace: Workplace, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert _run(finished_workplace, "catalog", "check", "--catalog", name).exit_code == 0
    assert _run(finished_workplace, "catalog", "describe", "--catalog", name).exit_code == 0


def test_a_finished_study_is_told_step_by_step_and_reported(workplace: Workplace) -> None:
    folder = workplace.house().lake.report(STUDY, "regression")
    headline = read_manifest(folder, "report").facts["headline"]
    result = _run(workplace, "materialize")
    assert result.exit_code == 0, result.output
    steps = [line for line in result.stdout.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in steps] == [f"[{n}/13" for n in range(1, 14)]
    assert all(line.endswith(": current") for line in steps)
    assert headline in result.stdout
    assert result.stdout.rstrip().endswith(f"Report:   {folder / 'report.html'}")


def test_force_makes_again_and_asks_nothing_twice(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as far as the first step here; what a forced run does is the wiring's matter."""
    seen = {}

    def note(definitions: object, house: object, steps: list[object], *_: object, force: bool) -> int:
        seen.update(steps=len(steps), force=force)
        return 0

    monkeypatch.setattr("bias_platform.orchestration.execution.execute_plan", note)
    assert _run(workplace, "materialize", STUDY, "--force").exit_code == 0
    assert seen == {"steps": 13, "force": True}
    assert _run(workplace, "materialize", STUDY).exit_code == 0
    assert seen == {"steps": 13, "force": False}


def test_report_opens_the_page_only_when_asked(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    page = workplace.house().lake.report(STUDY, "regression") / "report.html"
    result = _run(workplace, "report", STUDY)
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith(f"Report:   {page}")
    assert opened == []
    assert _run(workplace, "report", "--open").exit_code == 0
    assert opened == [page.as_uri()]


def test_a_report_that_was_changed_by_hand_is_not_shown(workplace: Workplace) -> None:
    page = workplace.house().lake.report(STUDY, "regression") / "report.html"
    page.write_text(page.read_text("utf-8") + "<!-- -->", "utf-8")
    sentence = _sentence(_run(workplace, "report"))
    assert "report.html has" in sentence
    assert "Materialize it again" in sentence


@pytest.mark.parametrize("words", [("materialize", "offense"), ("report", "offense"), ("power", "offense")])
def test_a_wrong_study_is_answered_with_the_right_ones(finished_workplace: Workplace, words: tuple[str, ...]) -> None:
    sentence = _sentence(_run(finished_workplace, *words))
    assert sentence == "no study 'offense' in catalog 'small'; allowed: offence"


def test_a_catalog_of_several_studies_asks_which(finished_workplace: Workplace) -> None:
    folder = str(REPOSITORY / "examples" / "real-posts")
    sentence = _sentence(_run(finished_workplace, "report", "-c", folder))
    assert sentence == "no study named in catalog 'real-posts'; allowed: sbic-gender, davidson-gender"


def test_a_study_never_run_has_no_report(finished_workplace: Workplace, tmp_path: Path) -> None:
    sentence = _sentence(_run(finished_workplace, "report", BIAS_PLATFORM_LAKE=str(tmp_path)))
    assert "reports/offence_regression' is not there" in sentence
    assert "materialize it first" in sentence


def test_a_missing_catalog_names_the_shipped_ones(finished_workplace: Workplace) -> None:
    sentence = _sentence(_run(finished_workplace, "catalog", "check", "-c", "/not/there"))
    assert (
        sentence == "there is no catalog '/not/there': neither a shipped one (demo, demo-persona, paper) nor a folder"
    )


def test_a_broken_catalog_is_one_message_with_all_mistakes(workplace: Workplace) -> None:
    """As a user meets it: the installed command, in a process of its own."""
    workplace.edit("rank: 2", "rank: many")
    workplace.edit("corpus: posts\n    items", "corpus: tweets\n    items")
    for words in (["catalog", "check"], ["materialize"], ["forget", "--item-id", "0123456789abcdef"]):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "bias-platform"), *words],
            env=workplace.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        lines = done.stderr.strip().splitlines()
        assert lines[0] == f"the catalog in {workplace.catalog_file.parent} has 2 mistakes:"
        assert len(lines) == 3
        assert "adapters.people.rank: must be a whole number, not 'many'" in lines[1]
        assert "studies.offence.corpus" in lines[2]


def test_records_without_a_folder_are_asked_for(finished_workplace: Workplace, tmp_path: Path) -> None:
    for word in ("materialize", "prepare"):
        sentence = _sentence(_run(finished_workplace, word, DAGSTER_HOME=str(tmp_path / "no")))
        assert sentence.startswith(f"there is no folder {tmp_path / 'no'} for Dagster's records; set DAGSTER_HOME")


def test_a_lake_that_cannot_be_written_fails_with_its_reason(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = _run(workplace, "materialize", BIAS_PLATFORM_LAKE=str(tmp_path / "file"))
    assert "small/corpora/posts failed" in _sentence(result)
    assert "Not a directory" in _sentence(result)


def test_forget_wants_to_know_what(workplace: Workplace, tmp_path: Path) -> None:
    assert _sentence(_run(workplace, "forget")) == "nothing to forget: give --item-id or --text-file"
    missing = _sentence(_run(workplace, "forget", "--text-file", str(tmp_path / "no.txt")))
    assert "no.txt cannot be read as UTF-8 text" in missing
    (tmp_path / "latin.txt").write_bytes("Mädchen".encode("latin-1"))
    assert "cannot be read as UTF-8 text" in _sentence(
        _run(workplace, "forget", "--text-file", str(tmp_path / "latin.txt"))
    )
    (tmp_path / "other.txt").write_text("Nobody has ever written this.")
    assert "no published corpus" in _sentence(_run(workplace, "forget", "--text-file", str(tmp_path / "other.txt")))
    assert (workplace.house().lake.report(STUDY, "regression") / "report.html").exists()
    assert not (workplace.house().lake.home / "withdrawn.json").exists()


def test_prepare_sets_the_pool_and_says_nothing_when_nothing_was_lost(workplace: Workplace) -> None:
    result = _run(workplace, "prepare")
    assert (result.exit_code, result.output) == (0, "")
    instance = workplace.instance()
    assert instance.event_log_storage.get_concurrency_info("gpu").slot_count == 1
    instance.dispose()


def test_price_of_what_is_answered_already(finished_workplace: Workplace) -> None:
    said = _run(finished_workplace, "price")
    assert said.exit_code == 0, said.output
    for system in ("tiny", "tiny+people", "tiny+people@nf4"):
        row = next(line for line in said.stdout.splitlines() if line.split()[:1] == [system])
        assert row.split()[1:4] == ["84", "84", "0"], row
    assert "would first make" not in said.stdout


@pytest.mark.parametrize("number", ["control_contrasts:1", "persona_pairs:2", "persona_probabilities:1.probability"])
def test_a_number_of_the_regression_is_made_again(finished_workplace: Workplace, number: str) -> None:
    result = _run(finished_workplace, "trace", STUDY, number, "--items", "1")
    assert result.exit_code == 0, result.stderr
    assert "the same as published" in result.stdout
    assert "Items on which the answers differ" in result.stdout


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("spreads:1", "is no number of a report; write <table>:<row>"),
        ("alphas:1", "'alphas' stands in no report"),
        ("control_contrasts:9999", "give a row from 1 to"),
        ("control_contrasts:1.gap", "has no column 'gap'"),
    ],
)
def test_a_number_that_no_report_holds(finished_workplace: Workplace, number: str, expected: str) -> None:
    assert expected in _sentence(_run(finished_workplace, "trace", STUDY, number))
