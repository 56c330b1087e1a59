"""An option's score is the log-probability of the token it begins with, or there is none."""

import json
from typing import Any

import numpy as np
import pytest

from bias_platform.errors import UserError
from bias_platform.inference.endpoints.first_tokens import FirstTokens
from bias_platform.inference.endpoints.replies import ChatReply, TokenLogprob, TokenPlace
from bias_platform.inference.endpoints.request_outcomes import CellFailed, RunStopped
from bias_platform.inference.engines.base import Failure
from bias_platform_tests.inference.endpoints.conftest import engine_at, numbered
from bias_platform_tests.inference.endpoints.scripted_server import (
    Fault,
    ScriptedServer,
    asked_text,
    completion,
    random_faults,
)

OPTIONS = ("Yes", "No", "Incomprehensible")
TOKENS = FirstTokens(OPTIONS, None, (b"Yes", b"No", b"In"))


def _reply(*likeliest: tuple[str, float], finish: Any = "length") -> ChatReply:
    entries = [TokenLogprob(token, token.encode(), logprob) for token, logprob in likeliest]
    return ChatReply("", False, finish, [TokenPlace(entries[0], entries)] if entries else [])


def test_each_option_gets_its_own_token() -> None:
    reply = _reply(("I", -0.1), ("Yes", -3.0), (" Yes", -1.0), ("In", -5.0), ("Y", -2.0), ("No", -4.0), ("Inc", -2.5))
    np.testing.assert_array_equal(TOKENS.logprobs(reply, "lab"), [-3.0, -4.0, -5.0])


def test_an_option_beyond_the_likeliest_has_no_score() -> None:
    with pytest.raises(CellFailed) as failed:
        TOKENS.logprobs(_reply(("Yes", -0.1), ("I", -2.0), ("Inc", -9999.0)), "lab")
    detail = "option beyond the top log-probabilities: No, Incomprehensible"
    assert failed.value.failure == Failure(detail, transient=False)


def test_a_log_probability_that_stands_for_none_is_none() -> None:
    with pytest.raises(CellFailed, match="beyond the top log-probabilities: In"):
        TOKENS.logprobs(_reply(("Yes", -0.1), ("No", -2.0), ("In", -9999.0)), "lab")


def test_of_tokens_that_read_alike_the_likelier_counts() -> None:
    reply = _reply(("Yes", -3.0), ("Yes", -0.5), ("No", -4.0), ("In", -5.0))
    assert TOKENS.logprobs(reply, "lab")[0] == -0.5


def test_ids_are_found_by_name() -> None:
    by_id = FirstTokens(("Yes", "No"), (31, 7), (b"Yes", b"No"))
    reply = _reply(("token_id:7", -0.25), ("token_id:31", -2.0), ("token_id:317", -9.0))
    np.testing.assert_array_equal(by_id.logprobs(reply, "lab"), [-2.0, -0.25])
    assert by_id.fields() == {"logprob_token_ids": [31, 7], "return_tokens_as_token_ids": True}


def test_an_endpoint_that_tells_none_ends_the_run() -> None:
    with pytest.raises(RunStopped, match=r"lab tells no log-probabilities for this model.*use engine.ask: generate"):
        TOKENS.logprobs(ChatReply("Yes", False, "length", None), "lab")


def test_nothing_written_and_an_answer_taken_away_have_no_score() -> None:
    with pytest.raises(CellFailed, match="the model wrote nothing"):
        TOKENS.logprobs(_reply(finish="stop"), "lab")
    with pytest.raises(CellFailed, match="content filter"):
        TOKENS.logprobs(ChatReply("", False, "filter", None), "lab")


SPLIT = {"Yes": ["Yes"], "No": ["No"], "Incomprehensible": ["Incom", "prehensible"]}
"""How the served model writes the options."""
LIKELIEST = {"Yes": -1.0, "No": -2.0, "Incom": -3.0, "I": -0.5, "In": -2.5}


def _tokens(*entries: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": logprob, "bytes": list(token.encode())} for token, logprob in entries]


class Model:
    """Tells log-probabilities, and repeats words when it is asked to."""

    def __init__(self, repeats: dict[str, list[str]], likeliest: dict[str, float] = LIKELIEST) -> None:
        self.repeats, self.likeliest = repeats, likeliest

    def __call__(self, body: Any) -> Any:
        text = asked_text(body)
        if text.startswith("Write exactly this"):
            pieces = self.repeats.get(text.rpartition(": ")[2], ["Sorry"])
            reply = completion("".join(pieces))
            reply["choices"][0]["logprobs"] = {"content": _tokens(*((piece, -0.1) for piece in pieces))}
            return reply
        entries = _tokens(*self.likeliest.items())
        reply = completion("Yes", "length")
        reply["choices"][0]["logprobs"] = {"content": [entries[0] | {"top_logprobs": entries[: body["top_logprobs"]]}]}
        return reply


def _score(url: str, options: Any = OPTIONS, **settings: Any) -> tuple[dict[int, list[float]], dict[int, Failure], Any]:
    engine = engine_at(url, ask="score", scoring="first-token", **settings)
    prompts, scores, failures = numbered(5), {}, {}
    for batch in engine.score_choices(prompts, [options] * 5, "first-token"):
        scores |= dict(zip(batch.indices, batch.logprobs.tolist(), strict=True))
        failures |= dict(batch.failures)
    return scores, failures, engine


def test_the_model_shows_how_it_writes_the_options() -> None:
    with ScriptedServer(answer=Model(SPLIT)) as server:
        scores, failures, engine = _score(server.url)
        assert (scores, failures) == ({number: [-1.0, -2.0, -3.0] for number in range(5)}, {})
        assert len(server.chats) == 3 + 5
        list(engine.score_choices(numbered(2), [OPTIONS] * 2, "first-token"))
        assert len(server.chats) == 3 + 5 + 2  # what is known of the options is kept


def test_what_it_does_not_repeat_counts_only_as_a_whole_token() -> None:
    with ScriptedServer(answer=Model({})) as server:
        scores, failures, _ = _score(server.url)
        assert scores == {}
        assert {failure.detail for failure in failures.values()} == {
            "option beyond the top log-probabilities: Incomprehensible"
        }
        assert _score(server.url, ("Yes", "No"))[0] == {number: [-1.0, -2.0] for number in range(5)}


def test_fewer_likeliest_tokens_may_be_too_few() -> None:
    with ScriptedServer(answer=Model(SPLIT)) as server:
        _, failures, _ = _score(server.url, top_logprobs=2)
        assert {failure.detail for failure in failures.values()} == {
            "option beyond the top log-probabilities: Incomprehensible"
        }


def test_options_that_begin_alike_are_refused_before_anything_is_scored() -> None:
    alike = {"Yes": ["Y", "es"], "Yesterday": ["Y", "esterday"]}
    with ScriptedServer(answer=Model(alike)) as server:
        with pytest.raises(UserError, match="'Yes' and 'Yesterday' begin with the same token for this model"):
            _score(server.url, ("Yes", "Yesterday"))
        assert len(server.chats) == 2


def test_other_rules_are_refused_without_a_request() -> None:
    engine = engine_at("http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match=r"engine\.scoring 'sum' needs the log-probabilities of given tokens"):
        list(engine.score_choices(numbered(1), [OPTIONS], "sum"))
    assert engine.stats.requests == 0


def test_an_endpoint_without_log_probabilities_is_told_once() -> None:
    with ScriptedServer() as server:
        with pytest.raises(UserError, match="tells no log-probabilities"):
            _score(server.url)
        assert len(server.chats) == 3 + 1


def test_questions_of_different_options_go_together() -> None:
    with ScriptedServer(answer=Model(SPLIT)) as server:
        engine = engine_at(server.url, ask="score", scoring="first-token")
        kinds = [OPTIONS, ("Yes", "No"), OPTIONS, ("No", "Yes")]
        found: dict[int, Any] = {}
        for batch in engine.score_choices(numbered(4), kinds, "first-token"):
            found |= dict(zip(batch.indices, map(json.dumps, batch.logprobs.tolist()), strict=True))
        assert found == {0: "[-1.0, -2.0, -3.0]", 1: "[-1.0, -2.0]", 2: "[-1.0, -2.0, -3.0]", 3: "[-2.0, -1.0]"}


VLLM = {"object": "list", "data": [{"id": "lab-model", "owned_by": "vllm"}]}


def _tokenize(path: str, body: Any) -> Any:
    """A byte is a token; what is to be continued begins after 99, an answer of the model after 98."""
    assert path == "/tokenize"
    *before, last = [list(message["content"].encode()) for message in body["messages"]]
    told = [token for message in before for token in [*message, 0]]
    if body.get("continue_final_message"):
        return {"tokens": [*told, 99, *last]}
    return {"tokens": [*told, *last, 0, 99]}


def test_a_vllm_server_is_asked_for_the_tokens_and_tells_just_these() -> None:
    def answer(body: Any) -> Any:
        ids = body["logprob_token_ids"]
        entries = _tokens(*((f"token_id:{token}", -token / 100) for token in [*ids, 5]))
        reply = completion("x", "length")
        reply["choices"][0]["logprobs"] = {"content": [entries[-1] | {"top_logprobs": entries[:-1]}]}
        return reply

    with ScriptedServer(answer=answer, models=VLLM, page=_tokenize) as server:
        scores, failures, engine = _score(server.url)
        assert failures == {}
        assert scores[0] == [-ord("Y") / 100, -ord("N") / 100, -ord("I") / 100]
        assert len(server.chats) == 5
        assert len(server.others) == 1 + 1 + len(OPTIONS)  # the models, the prompt, the prompt with each option
        assert engine.stats.requests == 10


@pytest.mark.parametrize("page", [lambda path, body: None, lambda path, body: {"tokens": [len(body["messages"])]}])
def test_a_vllm_server_that_does_not_tokenize_is_asked_like_others(page: Any) -> None:
    with ScriptedServer(answer=Model(SPLIT), models=VLLM, page=page) as server:
        assert _score(server.url)[0] == {number: [-1.0, -2.0, -3.0] for number in range(5)}


@pytest.mark.parametrize(("models", "asked"), [(None, 6), (VLLM, 0)])
def test_what_cannot_be_found_out_for_now_is_not_guessed(models: Any, asked: int) -> None:
    def broken(path: str, body: Any) -> Any:
        return {"message": "no tokens"}

    with ScriptedServer(lambda number, body: Fault("500"), Model(SPLIT), models, broken) as server:
        with pytest.raises(UserError, match="does not answer: "):
            _score(server.url)
        assert len(server.chats) == asked


def test_three_of_ten_scoring_requests_go_wrong_and_all_options_are_scored() -> None:
    with ScriptedServer(random_faults(0.3, 4, ["500", "429", "truncated", "no choices"]), Model(SPLIT)) as server:
        scores, failures, _ = _score(server.url)
        assert (scores, failures) == ({number: [-1.0, -2.0, -3.0] for number in range(5)}, {})
        assert server.faulty.total() > 0
