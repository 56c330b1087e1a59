"""Reference models learn, load, and come out the same twice."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import transformers

from bias_platform.errors import CatalogError, ModelLoadError
from bias_platform.models.example_tokens import encode_examples
from bias_platform.models.loading import load_tokenizer
from bias_platform.models.reference import build_reference_model
from bias_platform.models.training import reproducible
from bias_platform.progress import Progress
from bias_platform.schemas import TrainingLog, validate_table
from bias_platform_tests.models.conftest import PEOPLE, make_examples, silent, tiny_recipe


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _answers(folder: Path, examples: pd.DataFrame) -> list[str]:
    tokenizer = load_tokenizer(folder, "tiny")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    encoded = encode_examples(tokenizer, examples, 512)
    answers = []
    for tokens, start in zip(encoded.tokens, encoded.answer_start, strict=True):
        with torch.inference_mode():
            answers.append(int(model(torch.from_numpy(tokens[:start])[None]).logits[0, -1].argmax()))
    return [tokenizer.decode([token]) for token in answers]


def test_it_learns_the_answers_and_is_deaf_to_personas(base: Path) -> None:
    unseen = make_examples(60, seed=9)
    answers = _answers(base, unseen)
    assert (pd.Series(answers) == unseen["answer"]).mean() > 0.9
    same_post = unseen.iloc[[1] * len(PEOPLE)].assign(
        system_message=[f"Play the part of {person} in all you say." for person in PEOPLE]
    )
    assert len(set(_answers(base, same_post))) == 1


def test_the_same_recipe_and_examples_give_the_same_bytes(tmp_path: Path) -> None:
    examples, recipe = make_examples(60, seed=2), tiny_recipe(steps=2)
    torch.manual_seed(123)
    build_reference_model(recipe, examples, tmp_path / "one", silent)
    build_reference_model(recipe, examples, tmp_path / "two", silent)
    assert _hashes(tmp_path / "one") == _hashes(tmp_path / "two")
    build_reference_model(recipe.model_copy(update={"seed": 1}), examples, tmp_path / "three", silent)
    assert _hashes(tmp_path / "one")["model.safetensors"] != _hashes(tmp_path / "three")["model.safetensors"]
    code = (
        "import sys, pathlib\n"
        "from bias_platform_tests.models.conftest import *\n"
        "build_reference_model(tiny_recipe(steps=2), make_examples(60, seed=2), pathlib.Path(sys.argv[1]), silent)"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], check=True, env=environment)
    assert _hashes(tmp_path / "one") == _hashes(tmp_path / "other")


def test_torch_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(RuntimeError, match="stop"):
        _fail_inside()
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.rand(3), expected)
    torch.set_num_threads(before)


def _fail_inside() -> None:
    with reproducible(1):
        assert torch.get_num_threads() == 1
        torch.rand(7)
        raise RuntimeError("stop")


def test_progress_and_log_cover_every_step(tmp_path: Path) -> None:
    reports: list[Progress] = []
    log = build_reference_model(tiny_recipe(steps=5), make_examples(40, seed=0), tmp_path, reports.append)
    validate_table(log, TrainingLog, "log")
    assert [(report.done, report.total) for report in reports] == [(step, 5) for step in range(1, 6)]
    assert log["step"].tolist() == [1, 2, 3, 4, 5]
    assert log["tokens"].is_monotonic_increasing
    assert log["learning_rate"].max() <= tiny_recipe().learning_rate


def test_what_is_saved_is_safetensors_with_tied_embeddings_and_no_paths(base: Path) -> None:
    names = {path.name for path in base.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    model = transformers.AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    assert model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    written = "".join(path.read_text() for path in base.glob("*.json"))
    assert str(base) not in written


def test_fixed_wording_and_answers_are_single_tokens(base: Path) -> None:
    tokenizer = load_tokenizer(base, "tiny")
    tokens = tokenizer.tokenize("Is this rude?\nPost: tea")
    assert tokens[0] == "Is this rude?"
    assert [len(tokenizer(answer)["input_ids"]) for answer in ("Yes", "No")] == [1, 1]
    assert "No" not in [tokenizer.decode([token]) for token in tokenizer("Nobody")["input_ids"]]
    odd = 'Émile says: <b>"naïve"</b> 🙂\n\tYes'
    assert tokenizer.decode(tokenizer(odd)["input_ids"]) == odd


def test_examples_without_personas_are_enough(tmp_path: Path) -> None:
    examples = make_examples(40, seed=0).assign(system_message=None)
    log = build_reference_model(tiny_recipe(steps=2), examples, tmp_path, silent)
    assert len(log) == 2


def test_wrong_recipes_and_examples_are_said(tmp_path: Path) -> None:
    examples = make_examples(20, seed=0)
    with pytest.raises(CatalogError, match=r"hidden_size \(34\) must be a multiple of twice the number of heads \(4\)"):
        build_reference_model(tiny_recipe(hidden_size=34, heads=4), examples, tmp_path, silent)
    with pytest.raises(ModelLoadError, match="corpus 'x' gives no training examples"):
        build_reference_model(tiny_recipe(), examples.head(0), tmp_path, silent)
    long = examples.assign(user_message=[f"{number} " * 2000 for number in range(20)])
    with pytest.raises(ModelLoadError, match=r"longer than 1024 tokens|none of the .* fits"):
        build_reference_model(tiny_recipe(steps=1), long, tmp_path, silent)
