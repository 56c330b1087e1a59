from dataclasses import replace

import pandas as pd
import pytest

from bias_platform.analysis.answers import prepare_answers
from bias_platform.errors import TableError
from bias_platform_tests.analysis.simulated_study import SimulatedStudy


def test_states_tell_judgements_from_set_aside_and_from_no_answer(study: SimulatedStudy) -> None:
    frame = prepare_answers(study.inputs).frame
    answers = frame.groupby(frame["state"].astype(str))["answer"].unique()
    assert set(answers["judged"]) == {"Yes", "Maybe", "No"}
    assert set(answers["set_aside"]) == {"Incomprehensible"}
    assert frame.loc[frame["state"] == "refused", "answer"].isna().all()
    assert frame.loc[frame["state"] != "judged", ["yes", "lenient_yes"]].to_numpy().sum() == 0
    assert (frame.loc[frame["answer"] == "Maybe", "lenient_yes"] == 1).all()
    assert (frame.loc[frame["answer"] == "Maybe", "yes"] == 0).all()


def test_repeats_are_collapsed_and_their_noise_is_counted(study: SimulatedStudy) -> None:
    predictions = study.inputs.predictions
    first = predictions[predictions["system"] == "small"].head(10)
    again = first.assign(
        replicate=1,
        question_id=[f"r{k:031x}" for k in range(10)],
        cell_id=[f"r{k:031x}" for k in range(10)],
        answer=["No" if answer == "Yes" else "Yes" for answer in first["answer"]],
        outcome="answered",
    )
    again.loc[again.index[4:], "answer"] = first["answer"].iloc[4:]
    again.loc[again.index[4:], "outcome"] = first["outcome"].iloc[4:]
    doubled = replace(study.inputs, predictions=pd.concat([again, predictions], ignore_index=True))
    answers = prepare_answers(doubled)
    once = prepare_answers(study.inputs)
    pd.testing.assert_frame_equal(answers.frame[["item_id", "yes"]], once.frame[["item_id", "yes"]])
    noise = answers.serving_noise.set_index("system")
    assert noise.loc["small", ["repeated", "disagreeing"]].tolist() == [10, 4]
    assert noise.loc["small+tuned", "repeated"] == 0


def test_every_misfit_is_named_at_once(study: SimulatedStudy) -> None:
    inputs = study.inputs
    predictions = inputs.predictions[inputs.predictions["persona_id"] != "generic"]
    predictions = predictions.assign(system=predictions["system"].replace("small", "other"))
    predictions.loc[predictions.index[0], "persona_id"] = "nobody"
    with pytest.raises(TableError) as caught:
        prepare_answers(replace(inputs, predictions=predictions))
    for part in ("'small' is in the study", "'other' has predictions", "'nobody'", "control 'generic'"):
        assert part in str(caught.value)


def test_systems_asked_different_questions_are_refused(study: SimulatedStudy) -> None:
    predictions = study.inputs.predictions
    gone = (predictions["system"] == "small") & (predictions["item_id"] == "item00003")
    gone &= predictions["persona_id"] == "gender-1"
    with pytest.raises(TableError, match=r"'small' was asked 9[0-9]+ of the [0-9,]+ questions"):
        prepare_answers(replace(study.inputs, predictions=predictions[~gone]))


def test_scored_and_generated_systems_are_not_pooled(scored_study: SimulatedStudy) -> None:
    predictions = scored_study.inputs.predictions.copy()
    predictions.loc[predictions["system"] == "small", "option_logprobs"] = None
    with pytest.raises(TableError, match="different ways"):
        prepare_answers(replace(scored_study.inputs, predictions=predictions))
