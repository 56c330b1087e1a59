"""Do the demo's models learn what was planted? Accuracy and persona effects of the reference models and the adapter.

For every training seed: the reference models are built (held-out accuracy, no persona effect), the adapter `annotators`
is trained on reference-small (its persona effects against the planted ones), and again with annotators' attributes
permuted (no effect may be left). Everything runs through the package on the demo catalog.

    python benchmarks/planted_truth_models.py --seeds 5
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import transformers
from scipy import stats

from bias_platform.catalog import Catalog, EngineSettings, ItemSample, load_catalog, resolve_corpus
from bias_platform.corpora import CorpusTables, modal_label, planted_contrasts, read_corpus
from bias_platform.corpora.sample import SampleSettings, generate
from bias_platform.corpora.sample_planted import PLANTED
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.loading import LoadedSystem, load_system
from bias_platform.models.reference import build_reference_model
from bias_platform.models.source import ModelSource
from bias_platform.models.system import resolve_system
from bias_platform.models.tuning import train_adapter
from bias_platform.prompts import Renderer, draw_items, persona_blind_examples, personas_table, training_examples
from bias_platform.prompts.rendering import canonical_order
from bias_platform.storage.manifest import environment_record

LARGE = 0.9
"""Planted effects of at least this many logits must come out with their sign."""


class Setting(NamedTuple):
    """What all runs share."""

    catalog: Catalog
    corpus: CorpusTables
    personas: pd.DataFrame
    templates: dict[str, str]
    asked: pd.DataFrame
    """items on which persona effects are measured"""
    held_out: pd.DataFrame
    """all items of the test split"""


def read_setting(items: int) -> Setting:
    """The demo catalog and its corpus."""
    catalog = load_catalog("demo")
    study = catalog.studies["offensiveness"]
    corpus = read_corpus(study.corpus, resolve_corpus(catalog, study.corpus))
    personas = personas_table(catalog.persona_sets[study.persona_set])
    templates = catalog.template_sets[study.template_set].templates
    asked = draw_items(corpus.items, ItemSample(n=items, split="test"))
    return Setting(catalog, corpus, personas, templates, asked, corpus.items[corpus.items["split"] == "test"])


def build_base(setting: Setting, slug: str, seed: int, out: Path) -> dict[str, Any]:
    """Trains a reference model with another seed than the catalog's; returns its training facts."""
    recipe = setting.catalog.models[slug].recipe
    assert recipe is not None
    recipe = recipe.model_copy(update={"seed": seed})
    train = setting.corpus.items[setting.corpus.items["split"] == "train"]
    task = setting.catalog.tasks[recipe.task]
    examples = persona_blind_examples(
        train, setting.corpus.annotations, setting.personas, setting.templates, task, recipe.examples, seed
    )
    start, cpu = time.perf_counter(), time.process_time()
    log = build_reference_model(recipe, examples, out, lambda progress: None)
    return {
        "train_wall_s": round(time.perf_counter() - start, 1),
        "train_cpu_s": round(time.process_time() - cpu, 1),
        "tokens": int(log["tokens"].iloc[-1]),
        "last_loss": round(float(log["loss"].tail(10).mean()), 4),
    }


def train(setting: Setting, base: Path, seed: int, permute: bool, out: Path) -> dict[str, Any]:
    """Trains the adapter `annotators` on a base; returns its training facts."""
    entry = setting.catalog.adapters["annotators"]
    data = entry.training.model_copy(update={"seed": seed, "permute_attributes": permute})
    entry = entry.model_copy(update={"seed": seed, "training": data})
    task = setting.catalog.tasks[data.task]
    examples = training_examples(
        setting.corpus.items, setting.corpus.annotations, setting.personas, setting.templates, task, data
    )
    start, cpu = time.perf_counter(), time.process_time()
    log = train_adapter(_source(base), examples, entry, out, lambda progress: None)
    return {
        "examples": len(examples),
        "steps": len(log),
        "train_wall_s": round(time.perf_counter() - start, 1),
        "train_cpu_s": round(time.process_time() - cpu, 1),
        "last_loss": round(float(log["loss"].tail(10).mean()), 4),
    }


def load(base: Path, adapter: Path | None = None) -> LoadedSystem:
    """A base, with an adapter or without."""
    system = resolve_system("benchmark", _source(base), versions={"base": str(base)}, adapter=adapter)
    return load_system(system, dtype="float32", device="cpu")


def option_shares(setting: Setting, loaded: LoadedSystem, rows: pd.DataFrame) -> np.ndarray:
    """P(option), normalised over the options, shape (rows, options); rows hold persona_id, template_id, text."""
    study = setting.catalog.studies["offensiveness"]
    task = setting.catalog.tasks[study.task]
    renderer, order = Renderer(task, setting.personas, setting.templates), canonical_order(task)
    cells = zip(rows["persona_id"], rows["template_id"], rows["text"], strict=True)
    prompts = [Prompt(tuple(renderer.messages(p, t, text, order))) for p, t, text in cells]
    engine = engine_on(loaded, EngineSettings(batch_tokens=study.engine.batch_tokens))
    logprobs = np.full((len(rows), len(task.options)), np.nan)
    for batch in engine.score_choices(prompts, [task.option_values] * len(prompts), "sum"):
        logprobs[batch.indices] = batch.logprobs
    shares = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def accuracy(setting: Setting, loaded: LoadedSystem) -> dict[str, float]:
    """Share of held-out posts whose commonest human label gets the highest probability (control persona)."""
    task = setting.catalog.tasks["offensiveness"]
    labels = modal_label(setting.corpus.annotations, task.option_values).set_index("item_id")["label"]
    control = setting.personas.loc[setting.personas["role"] == "control", "persona_id"].iloc[0]
    rows = setting.held_out.assign(persona_id=control, template_id=next(iter(setting.templates)))
    answers = np.array(task.option_values)[option_shares(setting, loaded, rows).argmax(axis=1)]
    truth = labels.loc[rows["item_id"]].to_numpy()
    return {
        "accuracy": round(float((answers == truth).mean()), 4),
        "majority_class": round(float(pd.Series(truth).value_counts(normalize=True).iloc[0]), 4),
    }


def persona_differences(setting: Setting, loaded: LoadedSystem) -> pd.DataFrame:
    """Per named persona, minus the control: mean log-odds of Yes and mean P(Yes) over items and templates."""
    people = setting.personas[setting.personas["role"] != "baseline"]["persona_id"]
    grid = pd.MultiIndex.from_product(
        [people, setting.templates, setting.asked["item_id"]], names=["persona_id", "template_id", "item_id"]
    ).to_frame(index=False)
    rows = grid.merge(setting.asked[["item_id", "text"]], on="item_id")
    yes = option_shares(setting, loaded, rows)[:, 0].clip(1e-9, 1 - 1e-9)
    scored = rows.assign(log_odds=np.log(yes / (1 - yes)), yes=yes)
    means = scored.groupby("persona_id", sort=False)[["log_odds", "yes"]].mean()
    control = setting.personas.loc[setting.personas["role"] == "control", "persona_id"].iloc[0]
    return (means - means.loc[control]).drop(index=control)


def against_planted(setting: Setting, differences: pd.DataFrame) -> dict[str, Any]:
    """How well persona differences match the planted ones."""
    planted = planted_contrasts(setting.personas).set_index("persona_id")["effect"].loc[differences.index]
    large = planted.abs() >= LARGE
    signs = np.sign(differences["log_odds"]) == np.sign(planted)
    return {
        "rank_correlation": round(float(stats.spearmanr(differences["log_odds"], planted).statistic), 3),
        "rank_correlation_probability": round(float(stats.spearmanr(differences["yes"], planted).statistic), 3),
        "slope": round(float(np.polyfit(planted, differences["log_odds"], 1)[0]), 3),
        "right_signs": f"{int(signs[large].sum())}/{int(large.sum())}",
        "wrong_signs": {name: round(float(differences["log_odds"][name]), 2) for name in planted[large & ~signs].index},
        "largest_probability_difference": round(float(differences["yes"].abs().max()), 4),
        "by_persona": {
            name: [round(float(planted[name]), 2), round(float(row["log_odds"]), 3), round(float(row["yes"]), 4)]
            for name, row in differences.iterrows()
        },
    }


def bound() -> float:
    """Accuracy on the test posts of one who knows each post's true severity: what annotators' noise leaves."""
    generated = generate(SampleSettings())
    posts = generated.posts
    labels = generated.judgements.assign(item_id=generated.judgements["post"], annotators=1)
    modes = modal_label(labels, ("Yes", "Maybe", "No", "Incomprehensible")).set_index("item_id")["label"]
    test = posts.index[posts["split"] == "test"]
    truth, severity = modes.loc[test].to_numpy(), posts.loc[test, "severity"].to_numpy()
    readable = posts.loc[test, "readable"].to_numpy(bool)
    thresholds = np.linspace(-3, 3, 121)
    rules = [np.where(readable, np.where(severity > t, "Yes", "No"), "Incomprehensible") for t in thresholds]
    return round(max(float((rule == truth).mean()) for rule in rules), 4)


def one_seed(setting: Setting, seed: int, folder: Path) -> dict[str, Any]:
    """Everything for one training seed."""
    result: dict[str, Any] = {"seed": seed}
    for slug in ("reference-tiny", "reference-small"):
        facts = build_base(setting, slug, seed, folder / slug)
        loaded = load(folder / slug)
        differences = persona_differences(setting, loaded)
        largest = round(float(differences["yes"].abs().max()), 4)
        result[slug] = {**facts, **accuracy(setting, loaded), "largest_probability_difference": largest}
    for name, permute in (("annotators", False), ("annotators-permuted", True)):
        facts = train(setting, folder / "reference-small", seed, permute, folder / name)
        loaded = load(folder / "reference-small", folder / name)
        differences = persona_differences(setting, loaded)
        result[name] = {**facts, **accuracy(setting, loaded), **against_planted(setting, differences)}
    return result


def _source(folder: Path) -> ModelSource:
    return ModelSource(kind="folder", location=str(folder), dtype="float32")


def _summary(results: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for result in results:
        tiny, small = result["reference-tiny"], result["reference-small"]
        tuned, permuted = result["annotators"], result["annotators-permuted"]
        rows.append(
            {
                "seed": result["seed"],
                "tiny acc": tiny["accuracy"],
                "tiny s": tiny["train_wall_s"],
                "tiny |dP|": tiny["largest_probability_difference"],
                "small acc": small["accuracy"],
                "small s": small["train_wall_s"],
                "small |dP|": small["largest_probability_difference"],
                "tuned s": tuned["train_wall_s"],
                "rho": tuned["rank_correlation"],
                "slope": tuned["slope"],
                "signs": tuned["right_signs"],
                "permuted rho": permuted["rank_correlation"],
                "permuted |dP|": permuted["largest_probability_difference"],
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Runs all seeds, prints the table, writes the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--items", type=int, default=120, help="test posts on which persona effects are measured")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "planted_truth_models.json")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    setting = read_setting(arguments.items)
    results: list[dict[str, Any]] = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            results.append(one_seed(setting, seed, Path(folder)))
        print(_summary(results).tail(1).to_string(index=False), flush=True)
    report = {
        "held_out_bound": bound(),
        "items": arguments.items,
        "planted_item_sd": PLANTED.item_sd,
        "cores": os.cpu_count(),
        "environment": environment_record(),
        "seeds": results,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"\nheld-out accuracy of one who knows the true severity: {report['held_out_bound']}")
    print(_summary(results).to_string(index=False))


if __name__ == "__main__":
    main()
