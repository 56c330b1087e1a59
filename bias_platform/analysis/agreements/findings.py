"""What the tables say, in sentences; a number in square brackets is the row it comes from, for `trace`."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.analysis.agreements.pair_tests import ALPHA
from bias_platform.analysis.phrases import NOT_ABSENT, decimal, decimal_interval, share
from bias_platform.errors import counted
from bias_platform.schemas.results_of_agreement import ALIKE, UNKNOWN

Tables = Mapping[str, pd.DataFrame]
Facts = Mapping[str, object]


def address(table: str, row: object) -> str:
    """How a row is named: its table, and its place from 1."""
    return f"{table}:{int(str(row)) + 1}"


def headline_of(tables: Tables, facts: Facts) -> str:
    """One sentence: how many pairs of personas differ after correction, and the largest of the differences."""
    pairs = tables["pair_tests"]
    tested = pairs[pairs["p"].notna()]
    if tested.empty:
        return "No two personas could be compared, so nothing is said of differences between them."
    differ = tested[tested["p_holm"] < facts["significance"]]
    against = f"the texts of “{facts['reference']}”" if facts["written"] else f"the answers of “{facts['reference']}”"
    comparisons = counted(len(tested), "comparison")
    what = f"In {len(differ):,} of {comparisons} two personas differ in how near they are to {against}"
    corrected = "after correction for all of them (Holm)"
    if differ.empty:
        nearest = "" if (tested["state"] == ALIKE).all() else f" The nearest to it: {_pair(_least(tested, 'p'))}."
        return f"In none of {comparisons} two personas differ {corrected}. {NOT_ABSENT}{nearest}"
    return f"{what} {corrected}. The clearest: {_pair(_least(differ, 'p'))}."


def summary_of(tables: Tables, facts: Facts) -> tuple[str, ...]:
    """A few sentences in plain language."""
    said = [*_reference(tables, facts), *_shares(tables, facts), *_people(tables), *_tuning(tables, facts)]
    said += [*_recall(tables), *_noise(tables)]
    return (
        *said,
        "Simulated personas are not people: what differs is how a model answers when it is told to be somebody. The "
        f"claims cover {counted(_int(facts['items']), 'item')}, these wordings and these systems.",
    )


def messages_of(tables: Tables, facts: Facts) -> tuple[str, ...]:
    """What a reader must know before any number."""
    coverage = tables["coverage"]
    said = []
    low = coverage[coverage["coverage"] < 0.95]
    if len(low):
        worst = _least(low, "coverage")
        said.append(
            f"In {len(low)} of {counted(len(coverage), 'partition')} fewer than 95 % of the cells have a valid answer "
            f"(least: {worst['label']} of {worst['system']}, {share(worst['coverage'])} "
            f"[{address('coverage', worst.name)}]). {_bad_answers(facts)}"
        )
    if _int(facts["orders"]) > 1:
        said.append(
            f"The options were asked in {facts['orders']} orders; this report reads the answers to the canonical one."
        )
    if facts["bad_answers"] == "as-published":
        said.append(
            "Bad answers count as in the published study: left out of alphas, one more category in paired tests. The "
            "two statistics then rest on different items; it is here for comparison only."
        )
    targeted = facts["targeted"]
    assert isinstance(targeted, dict)
    empty = [title for slug, title in targeted.items() if slug not in set(tables["recalls"]["subset"])]
    if empty:
        said.append(
            f"No recall is told of {', '.join(f'“{title}”' for title in empty)}: no item of the study is about such a "
            "group and was called so by all annotators."
        )
    untested = tables["pair_tests"][tables["pair_tests"]["state"] == UNKNOWN]
    if len(untested):
        said.append(f"{counted(len(untested), 'comparison')} cannot be tested: {untested['reason'].iloc[0]}.")
    return tuple(said)


def _bad_answers(facts: Facts) -> str:
    return {
        "drop": "Comparisons leave out items without a valid answer on either side, item by item.",
        "category": "What is no valid answer counts as one more answer; errors of the engine count in nothing.",
    }.get(str(facts["bad_answers"]), "")


def _least(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.iloc[int(rows[column].to_numpy(float).argmin())]


def _most(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.iloc[int(rows[column].to_numpy(float).argmax())]


def _pair(row: pd.Series) -> str:
    where = f"{row['system']}, wording {row['template_id']}"
    if row["measure"] == ALPHA:
        sizes = f"alpha {decimal(row['first'])} and {decimal(row['second'])}"
    else:
        sizes = f"mean {row['measure']} {decimal(row['first'])} and {decimal(row['second'])}"
    return (
        f"{row['first_label']} and {row['second_label']} ({sizes}; they part on {share(row['disagreement'])} of the "
        f"items; {where}) [{address('pair_tests', row.name)}]"
    )


def _reference(tables: Tables, facts: Facts) -> list[str]:
    if facts["written"]:
        by_measure = tables["similarities"].groupby("measure", sort=False)
        found = [_range(rows, "similarity", "similarities", f"Similarity ({m}) to", facts) for m, rows in by_measure]
        return [sentence for sentence in found if sentence]
    said = _range(tables["alphas"], "alpha", "alphas", "Agreement beyond chance (alpha) with", facts)
    return [f"{said[:-1]}: 1 means the very same answers."] if said else []


def _range(rows: pd.DataFrame, value: str, table: str, what: str, facts: Facts) -> str:
    rows = rows[rows[value].notna()]
    if rows.empty:
        return ""
    low, high = _least(rows, value), _most(rows, value)
    return f"{what} “{facts['reference']}” runs from {_value(low, value, table)} to {_value(high, value, table)}."


def _value(row: pd.Series, column: str, table: str) -> str:
    bounds = decimal_interval(row["lower"], row["upper"])
    return f"{decimal(row[column])} (interval {bounds}; {row['label']}, {row['system']}) [{address(table, row.name)}]"


def _shares(tables: Tables, facts: Facts) -> list[str]:
    rows = tables["shares"]
    rows = rows[rows["share"].notna()]
    if rows.empty:
        return []
    if not rows["share"].any():
        return [f"Uncorrected, too, no pair of personas differs, in any of {counted(len(rows), 'share')} of pairs."]
    beyond = int((rows["share"] > rows["null_95"]).sum())
    top = _most(rows, "share")
    pairs = tables["pair_tests"]
    alike = int((pairs["state"] == ALIKE).sum())
    same = (
        f" {counted(alike, 'comparison')} are of personas that answered all items alike: not different."
        if alike
        else ""
    )
    where = f"{str(top['dimension']).replace('_', ' ')} in {top['system']}, wording {top['template_id']}"
    return [
        f"The share of pairs of personas that differ, uncorrected, is largest for {where}: {share(top['share'])} of "
        f"{counted(int(top['tested']), 'pair')} [{address('shares', top.name)}]; were the personas interchangeable it "
        f"would be {share(top['null_mean'])} on average. {beyond} of {counted(len(rows), 'such share')} lie above what "
        f"that exceeds at most once in twenty.{same}"
    ]


def _people(tables: Tables) -> list[str]:
    """Systems are compared on the same groups, policies and wordings: one that has only its own is another matter."""
    rows = tables["human_alphas"]
    rows = rows[rows["alpha"].notna() & ~rows["tuned_on_group"]]
    keys = ["policy", "group", "persona_id", "template_id"]
    table = rows.pivot_table(index=keys, columns="system", values="alpha", sort=False).dropna()
    if table.empty:
        return []
    told = ", ".join(f"{system} {decimal(value)}" for system, value in table.mean().items())
    return [
        f"Agreement of personas with people of their own group, mean alpha over the {counted(len(table), 'case')} "
        f"(groups by wordings) in which every system has one: {told}. The labels are those of the policies named "
        "below: where these ask for unanimity, only items on which people agree count."
    ]


def _tuning(tables: Tables, facts: Facts) -> list[str]:
    rows = tables["tuning_tests"]
    rows = rows[rows["p"].notna()]
    if rows.empty:
        return []
    differ = rows[rows["p_holm"] < facts["significance"]]
    nearer = int((differ["difference"] < 0).sum())
    return [
        f"Tuned on a group alone instead of on everybody: in {len(differ)} of {counted(len(rows), 'comparison')} the "
        f"agreement with the group differs (Holm); in {nearer} of them the system tuned on the group is nearer to it."
    ]


def _recall(tables: Tables) -> list[str]:
    said = []
    for title, rows in tables["recalls"].groupby("title", sort=False):
        low, high = _least(rows, "recall"), _most(rows, "recall")
        if low["recall"] == high["recall"]:
            all_alike = f"everybody recognises {share(low['recall'])} [{address('recalls', low.name)}] of them"
            said.append(f"{title}: {all_alike}.")
            continue
        said.append(
            f"{title}: from {share(low['recall'])} ({low['label']}, {low['system']}) "
            f"[{address('recalls', low.name)}] to {share(high['recall'])} ({high['label']}, {high['system']}) "
            f"[{address('recalls', high.name)}] of {counted(int(high['items']), 'item')} are recognised."
        )
    return said


def _noise(tables: Tables) -> list[str]:
    rows = tables["noise_alphas"]
    rows = rows[rows["alpha"].notna()]
    if rows.empty:
        return []
    low = _least(rows, "alpha")
    return [
        f"Asked the same again, a system agrees with itself with an alpha of at least {decimal(low['alpha'])} "
        f"({low['label']}, {low['system']}, {low['repeat']}) [{address('noise_alphas', low.name)}]: serving alone "
        "moves that much, so alphas about as high need not be a persona's doing."
    ]


def _int(value: object) -> int:
    return int(str(value))
