"""Answers recorded elsewhere are imported by the command line, and the study that meets them asks nothing."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from bias_platform import command
from bias_platform.storage import read_table
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEM = "tiny"
PHRASES = {"man": "a_man", "woman": "a_woman", "anybody": "a_person"}
TEMPLATES = ("be", "act")
CELLS = 12 * 7
REFUSAL = "I'm sorry, but I can't help with that."


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """The finished study, whose system now writes instead of being scored."""
    workplace.edit(
        "systems: [tiny, tiny+people, tiny+people@nf4]",
        f"systems: [{SYSTEM}]\n    engine: {{ask: generate, decoding: {{maximum_tokens: 8}}}}",
    )
    return workplace


def _posts(place: Workplace) -> list[str]:
    return read_table(place.house().lake.questions(STUDY) / "items.parquet", STUDY)["text"].tolist()


def _written(row: int, column: int) -> tuple[str, str]:
    """What was answered, and why writing ended: a dot after the word in most cases."""
    if row == 0 and column == 0:
        return REFUSAL, "stop"
    if row == 1 and column == 1:
        return "Incomprensible", "stop"
    if row == 2 and column == 2:
        return "The post as such is not", "length"
    return ("Yes.", "No.", "Maybe")[(row + column) % 3], "stop"


def _wide_file(place: Workplace, posts: list[str]) -> Path:
    """One row a post; every persona in every wording, and the baseline."""
    begins = [f"{phrase}_{template}" for phrase in PHRASES.values() for template in TEMPLATES] + ["baseline"]
    header = [f"{name}_response_{kind}" for name in begins for kind in ("json", "text")]
    path = place.folder / "recorded.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["post", "offensiveYN_mode", *header, "a_man_in_the_moon_be_response_text"])
        for row, post in enumerate(posts):
            cells = []
            for column in range(len(begins)):
                text, finish = _written(row, column)
                choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
                usage = {"prompt_tokens": 40, "completion_tokens": 3}
                cells += [json.dumps({"model": "hosts/tiny", "choices": [choice], "usage": usage}), text]
            rows.writerow([post, "Yes", *cells, "Yes"])
    return path


def _import(place: Workplace, file: Path, *words: str) -> Result:
    options = ["--study", STUDY, "--system", SYSTEM, *words]
    return CliRunner().invoke(command.app, ["ledger", "import", str(file), *options], env=place.environment)


def test_a_study_whose_answers_are_all_imported_asks_nothing(place: Workplace) -> None:
    posts = _posts(place)
    file = _wide_file(place, [*posts, "A post that nobody drew.", posts[0]])
    result = _import(place, file)
    assert result.exit_code == 0, result.output
    assert (
        result.stdout
        == f"""\
{file} into tiny / offence
columns of answers matched           7
  not in the study                   1
rows matched                        12
  post not in the study              1  row 13
  post came before                   1  row 14
cells imported                      84
  answered                          81  96.43 %
  invalid                            1  1.19 %
  refused                            1  1.19 %
  truncated                          1  1.19 %
cells already in the ledger          0
answers the study does not ask for   0
unreadable response_json             0
written by hosts/tiny               84
columns not in the study:
  - a_man_in_the_moon_be_response_text
"""
    )
    again = _import(place, file)
    assert "cells already in the ledger         84  left as they are\n" in again.stdout
    assert "cells imported                       0\n" in again.stdout

    instance = place.instance()
    log = place.run_plan(instance, until=STUDY)
    instance.dispose()
    assert not any("loading" in line for line in log)
    folder = place.house().lake.predictions(STUDY) / f"model={SYSTEM}"
    table = pd.concat(read_table(path, "p") for path in sorted(folder.glob("persona=*/part.parquet")))
    assert len(table) == CELLS
    assert table["outcome"].value_counts().to_dict() == {"answered": 81, "refused": 1, "invalid": 1, "truncated": 1}
    assert set(table.loc[table["outcome"] == "answered", "answer"]) == {"Yes", "No", "Maybe"}
    items = read_table(place.house().lake.questions(STUDY) / "items.parquet", STUDY).set_index("item_id")["text"]
    columns = [(persona, template) for persona in PHRASES for template in TEMPLATES] + [("no-persona", None)]
    for row in table.itertuples():
        template = None if pd.isna(row.template_id) else row.template_id
        text, finish = _written(posts.index(items[row.item_id]), columns.index((row.persona_id, template)))
        assert (row.raw_text, row.finish) == (text, finish)


def test_what_cannot_be_imported_is_said(place: Workplace) -> None:
    file = _wide_file(place, _posts(place))

    def sentence(*words: str) -> str:
        result = _import(place, file, *words)
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit)
        return result.stderr.strip()

    assert sentence("--study", "offense") == "no study 'offense' in catalog 'small'; allowed: offence"
    assert sentence("--system", "tiny+people") == "study 'offence' does not ask system 'tiny+people'; allowed: tiny"
    assert "has no column 'tweet' with the posts; its columns beside the answers: post, offensiveYN_mode" in sentence(
        "--text-column", "tweet"
    )
    place.edit('act: "Act as {persona}."', 'act: "Act like {persona}."')
    assert "'small/prompts/offence_questions' is out of date" in sentence()
    place.edit("ask: generate", "ask: score")
    assert sentence().startswith("study 'offence' compares scores of options (engine.ask: score)")
