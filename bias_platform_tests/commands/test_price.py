"""`bias-platform price`: the table, the record, and what is made first."""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bias_platform import command
from bias_platform.commands.price_view import price_record, price_view
from bias_platform.inference.engines.base import NO_USAGE, Usage
from bias_platform.inference.pricing import SystemPrice
from bias_platform.inference.token_counts import TokenCount


def price(system: str, **changes: Any) -> SystemPrice:
    plain = SystemPrice(
        system=system, cells=98_400, known=12_000, to_ask=86_400,
        tokens=TokenCount(12_900_000, 0, 2_100_000, "tokenizer"),
        written=0.0, written_at_most=False, seconds=276.0, bought=False, cost=None, currency=None, spent=NO_USAGE,
        spent_money=0.0, remarks=(),
    )  # fmt: skip
    return plain._replace(**changes)


BOUGHT = price(
    "large",
    known=0,
    to_ask=98_400,
    tokens=TokenCount(14e6, 0, None, "characters"),
    written=4_920_000.0,
    written_at_most=True,
    seconds=None,
    bought=True,
    cost=77.2,
    currency="USD",
    spent=Usage(5, 6, 0),
    remarks=("has a remark",),
)


def test_a_table_for_people() -> None:
    sampled = price("small@int8", tokens=TokenCount(12_900_000, 41_000, 2_100_000, "tokenizer"))
    assert price_view("who", [price("small"), sampled, BOUGHT], ["first this"]).splitlines() == [
        "study who",
        "",
        "system        cells  in ledger   to ask      tokens read  if shared  tokens written            time"
        "               cost",
        "small        98,400     12,000   86,400              13M       2.1M               0      4 min 36 s"
        "                  -",
        "small@int8   98,400     12,000   86,400        13M ± 41k       2.1M               0      4 min 36 s"
        "                  -",
        "large        98,400          0   98,400        about 14M          ?    at most 4.9M  never measured"
        "  at most 77.20 USD",
        "all         295,200     24,000  271,200  about 40M ± 41k          ?    at most 4.9M  never measured"
        "  at most 77.20 USD",
        "",
        "  - first this",
        "  - large: tokens guessed, one for every four characters: its tokenizer is not here",
        "  - large: has a remark",
    ]


def test_what_is_not_known_is_no_number() -> None:
    unknown = price("s", cells=None, known=None, to_ask=None, tokens=None, written=None, seconds=None)
    unpriced = price("t", bought=True)
    lines = price_view("who", [unknown, unpriced], []).splitlines()
    assert lines[3].split() == ["s", "?", "?", "?", "?", "?", "?", "never", "measured", "-"]
    assert lines[4].split()[-1] == "?"
    assert lines[5].split() == ["all", "?", "?", "?", "?", "?", "?", "never", "measured", "?"]
    both = [price("s", remarks=("x",)), price("t", remarks=("x",))]
    assert price_view("who", both, []).splitlines()[-1] == "  - all systems: x"
    assert price_view("who", both[:1], []).splitlines()[-1] == "  - s: x"


def test_a_record_for_machines() -> None:
    record = json.loads(json.dumps(price_record("who", [price("small"), BOUGHT], ["w"])))
    assert record["systems"][0]["tokens"] == {
        "full": 12_900_000, "margin": 0, "distinct": 2_100_000, "basis": "tokenizer",
    }  # fmt: skip
    assert record["systems"][1]["cost"] == 77.2
    assert record["systems"][1]["remarks"] == ["has a remark"]
    assert record["total"] == {
        "cells": 196_800,
        "known": 12_000,
        "to_ask": 184_800,
        "tokens": {"full": 26_900_000, "margin": 0, "distinct": None, "basis": "characters"},
        "written": 4_920_000,
        "seconds": None,
        "cost": {"USD": 77.2},
    }
    assert record["warnings"] == ["w"]


def run(lake: Any, *words: str) -> Result:
    environment = {"BIAS_PLATFORM_LAKE": str(lake), "BIAS_PLATFORM_CATALOG": "demo"}
    return CliRunner().invoke(command.app, ["price", *words], env=environment)


@pytest.mark.parametrize("words", [(), ("offensiveness", "--catalog", "demo")])
def test_the_demo_is_priced_before_anything_is_there(tmp_path: Any, words: tuple[str, ...]) -> None:
    result = run(tmp_path, *words)
    assert result.exit_code == 0, result.output
    assert "a run would first make, because it is missing or out of date" in result.stdout
    assert "prompts/offensiveness_questions" in result.stdout
    assert "all systems: its questions are not materialized yet" in result.stdout
    assert "predictions/" not in result.stdout
    assert not list(tmp_path.iterdir()), "nothing is made"


def test_the_record_is_json_and_a_wrong_study_a_sentence(tmp_path: Any) -> None:
    record = json.loads(run(tmp_path, "--json").stdout)
    assert record["total"]["cells"] == sum(system["cells"] for system in record["systems"]) > 0
    result = run(tmp_path, "other")
    assert result.exit_code == 2
    assert "no study 'other' in catalog 'demo'; allowed: offensiveness" in result.stderr


SERVED = """
name: mine
extends: demo
models:
  served: {kind: api, api_name: large, endpoint: lab, price: {input: 1.0, output: 2.0}}
studies:
  served:
    {title: A, task: offensiveness, corpus: sample-posts, persona_set: sociodemographic-27,
     template_set: persona-instructions-3, items: {n: 5}, systems: [served],
     engine: {name: openai, ask: generate}, budget: {money: 3, tokens: 5000},
     noise_floor: {repeats: [{name: again}]}}
"""


def test_what_the_table_leaves_out_is_said(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget, that the noise floor costs more, and an endpoint that nobody has told the address of."""
    monkeypatch.delenv("LAB_BASE_URL", raising=False)
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "mine.yaml").write_text(SERVED)
    said = run(tmp_path / "lake", "--catalog", str(tmp_path / "catalog")).stdout
    assert "the study's budget, of all its runs together: 5,000 tokens and 3.00; it is never passed" in said
    assert "not counted: the repeats of the study's noise floor" in said
    assert "a run would stop: endpoint 'lab' has no address: set the environment variable LAB_BASE_URL" in said
    monkeypatch.setenv("LAB_BASE_URL", "http://127.0.0.1:9/v1")
    assert "a run would stop" not in run(tmp_path / "lake", "--catalog", str(tmp_path / "catalog")).stdout
