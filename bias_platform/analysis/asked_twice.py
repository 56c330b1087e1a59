"""Questions that were put to the same system twice: the study's answer and the answer to the same question again."""

from dataclasses import dataclass

import pandas as pd

from bias_platform.analysis.answers import read_answers
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.readings import JUDGED
from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import TableError, bullet_list, counted

_READ = ["outcome", "answer", "option_logprobs"]
_QUESTION = ["system", "question_id"]


@dataclass(frozen=True)
class AskedTwice:
    """What was asked again."""

    frame: pd.DataFrame
    """One row a repeat x system x question: repeat, system, question_id, persona_id, item_id, then of the study
    (`first_`) and of the repeat (`again_`): outcome, answer (missing where none), judged, yes (0/1; 0 where not judged)
    and margin."""
    first: pd.DataFrame
    """The study's own answers to these questions by every system, asked again or not: the columns without `again_`."""

    def of(self, system: str, repeat: str) -> pd.DataFrame:
        """The rows of one system and repeat."""
        return self.frame[(self.frame["system"] == system) & (self.frame["repeat"] == repeat)]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """(system, repeat) that there are answers of."""
        return list(self.frame[["system", "repeat"]].drop_duplicates().itertuples(index=False, name=None))


def join_repeats(inputs: StudyInputs) -> AskedTwice | None:
    """Puts each repeated answer beside the study's own; None where nothing was asked again.

    Raises:
        TableError: the repeats do not fit the study's predictions; every problem is named at once.
    """
    repeats = inputs.repeats
    if repeats is None or repeats.empty:
        return None
    questions = inputs.predictions["question_id"].isin(repeats["question_id"].unique())
    first = _read(inputs.predictions.loc[questions, [*_QUESTION, "persona_id", "item_id", *_READ]], inputs.task)
    again = _read(repeats[[*_QUESTION, "repeat", *_READ]], inputs.task)
    _refuse_misfits(inputs, first, again)
    first, again = (
        table.rename(columns={name: f"{side}_{name}" for name in _SIDED})
        for side, table in (("first", first), ("again", again))
    )
    return AskedTwice(again.merge(first, on=_QUESTION, how="left", validate="many_to_one"), first)


_SIDED = ("outcome", "answer", "judged", "yes", "margin")


def _read(table: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    read = read_answers(table.reset_index(drop=True), task)
    read["judged"] = (read["state"] == JUDGED).to_numpy()
    return read.drop(columns=["state", "lenient_yes", "scored"])


def _refuse_misfits(inputs: StudyInputs, first: pd.DataFrame, again: pd.DataFrame) -> None:
    floor = inputs.study.noise_floor
    declared = [repeat.name for repeat in floor.repeats] if floor else []
    unknown = sorted(set(again["repeat"].unique()) - set(declared))
    problems = [f"'{name}' is no repeat of the study's noise_floor" for name in unknown]
    known = pd.MultiIndex.from_frame(first[_QUESTION])
    lost = int((~pd.MultiIndex.from_frame(again[_QUESTION]).isin(known)).sum())
    if lost:
        problems.append(f"{counted(lost, 'question')} asked again but not in the study: materialize both again")
    doubled = int(again.duplicated([*_QUESTION, "repeat"]).sum())
    if doubled:
        problems.append(f"{counted(doubled, 'question')} twice in one repeat")
    if problems:
        raise TableError(f"the noise floor of '{inputs.study.title}' cannot be analysed:\n{bullet_list(problems)}")
