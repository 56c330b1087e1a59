"""A chat completion is read whole, or it is said what is wrong with it."""

import json
from typing import Any

import pytest

from bias_platform.inference.endpoints.replies import TokenLogprob, read_chat, read_json, usage_told
from bias_platform.inference.endpoints.request_outcomes import FaultyReply
from bias_platform.inference.engines.base import Usage
from bias_platform_tests.inference.endpoints.scripted_server import completion


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("text/html", b"{}", "wrong content type: text/html"),
        ("", b"{}", "wrong content type: none"),
        ("application/json", b'{"choices": [', "reply is no JSON: 13 bytes"),
        ("application/json", b"\xff\xfe", "reply is no JSON"),
        ("application/json", b"[1]", "reply is no object: list"),
    ],
)
def test_what_is_no_object_is_refused(kind: str, content: bytes, message: str) -> None:
    with pytest.raises(FaultyReply, match=message):
        read_json(kind, content)


def test_json_of_any_dialect_is_read() -> None:
    assert read_json("Application/Problem+JSON; charset=utf-8", b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(5, 2, 0)),
        ({"prompt_tokens": 5, "completion_tokens": None, "prompt_tokens_details": None}, Usage(5, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}, Usage(5, 2, 3)),
        ({"completion_tokens": 2}, None),
        ({"prompt_tokens": "5"}, None),
        ({"prompt_tokens": -1}, None),
        ("none", None),
        (None, None),
    ],
)
def test_usage_is_what_is_told_or_nothing(usage: Any, told: Usage | None) -> None:
    assert usage_told({"usage": usage}) == told


@pytest.mark.parametrize(
    ("said", "finish"),
    [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("max_tokens", "length"), ("content_filter", "filter")],
)
def test_every_end_has_a_name(said: str, finish: str) -> None:
    assert read_chat(completion("Yes", said)).finish == finish


def test_a_refusal_is_the_text() -> None:
    reply = read_chat(completion(None, refusal="I cannot help with that."))
    assert (reply.text, reply.refused, reply.finish) == ("I cannot help with that.", True, "stop")


def test_no_text_is_the_empty_text() -> None:
    reply = read_chat(completion(None, "content_filter"))
    assert (reply.text, reply.refused, reply.finish, reply.places) == ("", False, "filter", None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "reply without choices: no error is named"),
        ({"choices": []}, "reply without choices"),
        ({"error": {"message": "overloaded"}}, "reply without choices: overloaded"),
        ({"error": "overloaded"}, "reply without choices: overloaded"),
        ({"choices": [None]}, "choice that cannot be read"),
        ({"choices": [{"finish_reason": "stop"}]}, "choice that cannot be read"),
        (completion("Yes", "tool_calls"), "choice that cannot be read: finish_reason 'tool_calls'"),
        (completion("Yes") | {"choices": [{"message": {"content": "Y"}, "finish_reason": None}]}, "finish_reason None"),
        ({"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]}, "its text is a list"),
    ],
)
def test_what_is_no_choice_is_refused(body: Any, message: str) -> None:
    with pytest.raises(FaultyReply, match=message):
        read_chat(body)


def _with_logprobs(logprobs: Any) -> Any:
    body = completion("Yes")
    body["choices"][0]["logprobs"] = logprobs
    return json.loads(json.dumps(body))


def test_likeliest_tokens_are_read_with_their_bytes() -> None:
    top = [{"token": "Y", "logprob": -1.5, "bytes": [89]}, {"token": "é", "logprob": -2, "bytes": None}]
    reply = read_chat(_with_logprobs({"content": [top[0] | {"top_logprobs": top}]}))
    assert reply.places is not None
    assert reply.places[0].written == TokenLogprob("Y", b"Y", -1.5)
    assert reply.places[0].likeliest[1] == TokenLogprob("é", "é".encode(), -2.0)


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["Y"], "token_logprobs": [-1]}])
def test_log_probabilities_of_another_form_are_not_told(logprobs: Any) -> None:
    assert read_chat(_with_logprobs(logprobs)).places is None


@pytest.mark.parametrize(
    "entry",
    [
        {"token": "Y"},
        {"token": "Y", "logprob": None},
        {"token": "Y", "logprob": 0.5},
        {"token": "Y", "logprob": float("nan")},
        {"logprob": -1.0},
        {"token": "Y", "logprob": -1.0, "bytes": [300]},
    ],
)
def test_a_log_probability_that_is_none_is_refused(entry: Any) -> None:
    with pytest.raises(FaultyReply, match="log-probabilities that cannot be read"):
        read_chat(_with_logprobs({"content": [entry]}))
