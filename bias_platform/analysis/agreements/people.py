"""Systems against people of the persona's own group, and systems tuned on one group against those tuned on all.

A group's label is what a label policy of the corpus makes of its people's judgements. Policies that keep only items on
which the group is unanimous select on what people said: agreement there is not agreement on all items.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import NOT_ASKED, CodeArray, Column
from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.analysis.agreements.counting import NO_VALID_ANSWER, alpha_rows
from bias_platform.statistics import adjust_p_values, macro_f1, paired_alpha_tests


class Group(NamedTuple):
    """People who share a persona's attribute, and what they said."""

    policy: str
    attribute: str
    value: str
    persona: str
    said: CodeArray
    """(items,) codes of the group's label; NOT_ASKED where it has none"""
    annotators: float
    """mean number of them an item"""

    @property
    def named(self) -> dict[str, str]:
        """What a row of a table says of the group."""
        return {"policy": self.policy, "attribute": self.attribute, "group": self.value, "persona_id": self.persona}


def groups_of(comparing: Comparing) -> list[Group]:
    """Every (policy, persona) for which the persona's group has labels."""
    return list(_groups(comparing))


def _groups(comparing: Comparing) -> Iterator[Group]:
    named = comparing.personas[comparing.personas["role"] == "named"]
    wanted = comparing.inputs.settings.human_personas
    named = named[named["persona_id"].isin(wanted)] if wanted else named
    for policy in comparing.inputs.settings.human_labels:
        attribute = comparing.inputs.attributes[policy]
        for persona, text in zip(named["persona_id"], named["attributes"], strict=True):
            attributes = json.loads(text)
            if attribute is None or set(attributes) != {attribute}:
                continue  # a persona with more attributes than this one stands for fewer people than the group
            rows = _labels(comparing, policy, attributes[attribute])
            if len(rows):
                said = _coded(comparing, rows)
                yield Group(policy, attribute, attributes[attribute], persona, said, float(rows["annotators"].mean()))


def human_alphas(comparing: Comparing, groups: list[Group]) -> pd.DataFrame:
    """Table `HumanAlphas`."""
    rows = [
        _alpha(comparing, group, system, template)
        for group in groups
        for system, said in comparing.matrix.systems.items()
        for template in comparing.matrix.templates
        if (group.persona, template) in said.columns
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def tuning_tests(comparing: Comparing, groups: list[Group]) -> pd.DataFrame:
    """Table `TuningTests`: systems of groups against the systems that the study compares them with."""
    study = comparing.inputs.study
    rows = [
        _tuning(comparing, group, each.system, each.composite, template)
        for group in groups
        for each in study.group_systems
        if each.persona == group.persona and each.composite is not None and each.labels in (None, group.policy)
        for template in comparing.matrix.templates
    ]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    tested = table["p"].notna().to_numpy()
    for method in ("holm", "fdr_bh"):
        corrected = np.full(len(table), np.nan)
        corrected[tested] = adjust_p_values(table["p"].to_numpy(float)[tested], method)
        table[f"p_{method}"] = corrected
    return table


def label_scores(comparing: Comparing) -> pd.DataFrame:
    """Table `LabelScores`: every column against the label of all annotators."""
    policy = comparing.inputs.settings.overall_labels
    if policy is None:
        return pd.DataFrame()
    truth = _coded(comparing, _labels(comparing, policy, None))
    rows = [
        _scores(comparing, policy, truth, system, column)
        for system in comparing.whole_systems
        for column in comparing.matrix.systems[system].columns
    ]
    return pd.DataFrame([row for row in rows if row is not None])


def _alpha(comparing: Comparing, group: Group, system: str, template: str) -> pd.DataFrame:
    column: Column = (group.persona, template)
    labelled = int((group.said != NOT_ASKED).sum())
    found = alpha_rows(group.said, comparing.codes(system, [column]), [labelled], comparing.counting)
    return found.assign(
        **group.named,
        label=comparing.personas["label"][group.persona],
        system=system,
        tuned_on_group=system not in comparing.inputs.study.systems,
        template_id=template,
        annotators=group.annotators,
        query=comparing.queries.answers_of_systems(group.policy, group.value, persona=(system, column)),
    )


def _tuning(comparing: Comparing, group: Group, specific: str, composite: str, template: str) -> dict[str, object]:
    column: Column = (group.persona, template)
    both = np.column_stack([comparing.codes(system, [column])[:, 0] for system in (specific, composite)])
    # the published test counts all its rows: those with a label that both systems were asked about
    there = (group.said != NOT_ASKED) & (both != NOT_ASKED).all(axis=1)
    said, both = group.said[there], both[there]
    test = paired_alpha_tests(said.astype(np.int64), both.astype(np.int64), [(0, 1)], **comparing.counting.of_test)
    columns = {"specific": (specific, column), "composite": (composite, column)}
    return {
        **group.named,
        "label": comparing.personas["label"][group.persona],
        "specific": specific,
        "composite": composite,
        "template_id": template,
        "items": int(test.items[0]),
        "alpha_specific": float(test.first[0]),
        "alpha_composite": float(test.second[0]),
        "difference": float(test.difference[0]),
        "standard_error": float(test.standard_error[0]),
        "statistic": float(test.t[0]),
        "p": float(test.p[0]),
        "reason": "" if test.identical[0] else test.reason[0],
        "query": comparing.queries.answers_of_systems(group.policy, group.value, **columns),
    }


def _scores(
    comparing: Comparing, policy: str, truth: CodeArray, system: str, column: Column
) -> dict[str, object] | None:
    said = comparing.codes(system, [column])[:, 0]
    labelled = (truth >= 0) & (truth < comparing.matrix.bad)
    both = labelled & (said >= 0) & (said < comparing.counting.categories)
    if not both.any():
        return None
    names = np.array([*comparing.matrix.answers, NO_VALID_ANSWER], dtype=object)
    persona = comparing.personas.loc[column[0]]
    return {
        "policy": policy,
        "system": system,
        "persona_id": column[0],
        "label": persona["label"],
        "dimension": persona["dimension"],
        "template_id": column[1],
        "items": int(both.sum()),
        "coverage": float(both.sum() / labelled.sum()),
        "accuracy": float((truth[both] == said[both]).mean()),
        "macro_f1": macro_f1(names[truth[both]], names[said[both]], list(names[np.unique(truth[both])])).value,
        "query": comparing.queries.overall(policy, system, column),
    }


def _labels(comparing: Comparing, policy: str, group: str | None) -> pd.DataFrame:
    labels = comparing.inputs.labels
    of_group = labels["group"].isna() if group is None else labels["group"] == group
    asked = labels["item_id"].isin(comparing.matrix.items)
    return labels[(labels["policy"] == policy) & of_group & asked]


def _coded(comparing: Comparing, rows: pd.DataFrame) -> CodeArray:
    """(items,) codes of labels; a label that is no category counts like an answer that is none."""
    place = {answer: code for code, answer in enumerate(comparing.matrix.answers)}
    said = np.full(len(comparing.matrix.items), NOT_ASKED, dtype=np.int16)
    at = comparing.matrix.items.get_indexer(pd.Index(rows["item_id"]))
    said[at] = rows["label"].map(place).fillna(comparing.matrix.bad).to_numpy(np.int16)
    return said
