"""Does the persona demo find again what was planted, and nothing where personas are dealt out at random?

Reads the lake of `make demo-persona`: posts (persona effects of the tuned system against the planted ones), tweets
(women minus men, by kind of tweet; systems and people), memes (wordings of women and of conservatives). Then answers on
posts and tweets are dealt to the personas of a dimension at random within item, wording and system, many times, and
the report's tests are made of that: how often is anything found?

    python benchmarks/planted_personas.py data/lake/demo-persona --permutations 200
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bias_platform.analysis.agreements.answer_matrix import AnswerMatrix, SystemAnswers, read_answers
from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.analysis.agreements.counting import categories_of, counting_of
from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.analysis.agreements.pair_tests import pair_tests
from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.systems import study_cells
from bias_platform.corpora import planted_contrasts
from bias_platform.corpora.sample_memes import generate_memes
from bias_platform.corpora.sample_memes_planted import PLANTED_WORDINGS, planted_sentence
from bias_platform.corpora.sample_tweets_planted import PLANTED_TWEETS
from bias_platform.corpora.sample_tweets_sentences import SPANISH
from bias_platform.storage import Lake, read_table
from bias_platform.storage.manifest import environment_record

LARGE = 0.9
"""Planted effects of at least this many logits must come out with their sign."""


def study_inputs(catalog: Catalog, lake: Lake, study: str) -> AgreementInputs:
    """A study's published answers, as its agreement report reads them."""
    entry = catalog.studies[study]
    questions, corpus = lake.questions(study), lake.corpus(entry.corpus)
    parts = {
        (system, persona): lake.prediction_partition(study, system, persona) / "part.parquet"
        for system, persona in study_cells(catalog, entry)
    }
    return AgreementInputs(
        study=entry,
        task=catalog.tasks[entry.task],
        personas=read_table(questions / "personas.parquet", study),
        items=read_table(questions / "items.parquet", study),
        annotations=read_table(corpus / "annotations.parquet", study),
        labels=read_table(corpus / "labels.parquet", study),
        attributes={slug: policy.within for slug, policy in catalog.corpora[entry.corpus].label_policies.items()},
        templates=tuple(catalog.template_sets[entry.template_set].templates),
        partitions=parts,
        corpus_folder=corpus,
        questions_folder=questions,
        report_folder=lake.report(study, "agreement"),
        home=lake.home,
    )


def yes_rates(catalog: Catalog, lake: Lake, study: str, system: str) -> pd.DataFrame:
    """(item, persona) share of Yes over wordings."""
    inputs = study_inputs(catalog, lake, study)
    parts = [
        read_table(path, study, ["item_id", "persona_id", "answer"])
        for (name, _), path in inputs.partitions.items()
        if name == system
    ]
    said = pd.concat(parts)
    said["yes"] = said["answer"].isin(catalog.tasks[catalog.studies[study].task].positive)
    return said.groupby(["item_id", "persona_id"])["yes"].mean().unstack()


def posts(catalog: Catalog, lake: Lake) -> dict[str, Any]:
    """Persona minus generic person, in logits of the mean rates, against the planted contrasts."""
    personas = read_table(lake.questions("posts") / "personas.parquet", "posts")
    planted = planted_contrasts(personas).set_index("persona_id")["effect"]
    found = {}
    for system in catalog.studies["posts"].systems:
        rates = yes_rates(catalog, lake, "posts", system).mean()
        effect = (rates - rates["generic-person"]).reindex(planted.index).drop("generic-person")
        truth = planted.drop("generic-person")
        large = truth.abs() >= LARGE
        found[system] = {
            "rank_correlation": float(stats.spearmanr(truth, effect).statistic),
            "large_effects": int(large.sum()),
            "of_these_with_the_right_sign": int((np.sign(truth[large]) == np.sign(effect[large])).sum()),
            "largest_difference_points": float(100 * effect.abs().max()),
        }
    return found


def tweets(catalog: Catalog, lake: Lake) -> dict[str, Any]:
    """Women minus men in points: what annotators said, and the persona of each system, by kind of tweet."""
    inputs = study_inputs(catalog, lake, "tweets")
    kinds = inputs.items.set_index("item_id")["text"].map(kind_of)
    people = inputs.annotations[inputs.annotations["item_id"].isin(inputs.items["item_id"])]
    said = people.assign(yes=people["label"] == "Yes", kind=people["item_id"].map(kinds))
    rates = said.groupby(["kind", "annotator_gender"])["yes"].mean().unstack()
    found: dict[str, Any] = {"people": (100 * (rates["woman"] - rates["man"])).round(1).to_dict()}
    for system in catalog.studies["tweets"].systems:
        table = yes_rates(catalog, lake, "tweets", system)
        gap = (table["woman"] - table["man"]).groupby(kinds).mean()
        found[system] = (100 * gap).round(1).to_dict()
    found["planted_logits"] = dict(PLANTED_TWEETS.gender_gaps)
    return found


def kind_of(text: str) -> str:
    """What a sample tweet is about: whose sentence it holds."""
    return next(kind for kind, sentences in SPANISH.items() if any(sentence in text for sentence, _ in sentences))


def memes(catalog: Catalog, lake: Lake) -> dict[str, Any]:
    """How often each persona uses a planted wording where it applies, and the plain one is expected of the others."""
    inputs = study_inputs(catalog, lake, "memes")
    prefix = catalog.studies["memes"].agreement.similarity.strip_prefix  # type: ignore[union-attr]
    shown = {str(meme.record["id"]): meme.subjects[0] for meme in generate_memes() if meme.subjects}
    subjects = inputs.items.set_index("item_id")["source_id"].map(shown)
    found: dict[str, Any] = {}
    for system in catalog.studies["memes"].systems:
        parts = [
            read_table(path, "memes", ["item_id", "persona_id", "answer"])
            for (name, _), path in inputs.partitions.items()
            if name == system
        ]
        said = pd.concat(parts)
        said = said.assign(
            subject=said["item_id"].map(subjects), text=said["answer"].fillna("").str.removeprefix(prefix)
        )
        plain = [
            text == planted_sentence(subject, {}) for text, subject in zip(said["text"], said["subject"], strict=True)
        ]
        told: dict[str, Any] = {
            "plain_sentence": said.assign(plain=plain).groupby("persona_id")["plain"].mean().to_dict()
        }
        for wording in PLANTED_WORDINGS:
            here = said[[{one.shape, one.colour} & set(wording.where) != set() for one in said["subject"]]]
            uses = here["text"].str.contains(wording.words, regex=False)
            told[f"{wording.attribute} {wording.value}: {wording.words}"] = (
                uses.groupby(here["persona_id"]).mean().to_dict()
            )
        found[system] = told
    return found


def dealt(matrix: AnswerMatrix, comparing: Comparing, rng: np.random.Generator) -> AnswerMatrix:
    """The same answers, dealt to the personas of each dimension at random within item, wording and system."""
    systems = {}
    for system, said in matrix.systems.items():
        codes = list(said.codes)
        for template in matrix.templates:
            for _, names in comparing.dimensions(system, template) if system in comparing.whole_systems else ():
                places = [said.columns[name, template] for name in names]
                mixed = rng.permuted(np.stack([codes[place] for place in places], axis=1), axis=1)
                for place, column in zip(places, mixed.T, strict=True):
                    codes[place] = column
        systems[system] = SystemAnswers(said.columns, codes, said.texts)
    return AnswerMatrix(
        matrix.items, matrix.answers, systems, matrix.coverage, matrix.templates, matrix.option_order, matrix.orders
    )


def at_random(catalog: Catalog, lake: Lake, study: str, permutations: int) -> dict[str, Any]:
    """How often Holm finds any pair, and the mean share of pairs below .05, when personas are dealt out at random."""
    inputs = study_inputs(catalog, lake, study)
    matrix = read_answers(inputs, categories_of(inputs.task, "nominal"))
    comparing = Comparing(inputs, matrix, counting_of(inputs, matrix))
    rng = np.random.default_rng(0)
    holm, shares = 0, []
    for _ in range(permutations):
        table = pair_tests(Comparing(inputs, dealt(matrix, comparing, rng), comparing.counting))
        holm += bool((table["p_holm"] < 0.05).any())
        shares.append(float((table["p"] < 0.05).mean()))
    interval = stats.binomtest(holm, permutations).proportion_ci(method="wilson")
    return {
        "permutations": permutations,
        "pairs": len(table),
        "studies_with_a_find": holm / permutations,
        "interval": [float(interval.low), float(interval.high)],
        "share_of_pairs_below_.05": float(np.mean(shares)),
    }


def main() -> None:
    """Writes benchmarks/results/planted_personas.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path, help="the folder demo-persona of a lake")
    parser.add_argument("--permutations", type=int, default=200)
    arguments = parser.parse_args()
    catalog, lake = load_catalog("demo-persona"), Lake(arguments.lake.parent, arguments.lake.name)
    result = {
        "posts": posts(catalog, lake),
        "tweets": tweets(catalog, lake),
        "memes": memes(catalog, lake),
        "personas_dealt_at_random": {
            study: at_random(catalog, lake, study, arguments.permutations) for study in ("posts", "tweets")
        },
        "environment": environment_record(),
    }
    out = Path(__file__).parent / "results" / "planted_personas.json"
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
