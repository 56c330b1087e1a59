"""What a reply means decides whether a request is repeated, a cell fails, or the run ends."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from bias_platform.inference.endpoints.endpoint import Endpoint
from bias_platform.inference.endpoints.request_outcomes import FaultyReply, Verdict, verdict_on
from bias_platform_tests.inference.endpoints.conftest import KEY

ENDPOINT = Endpoint("lab", "https://lab.example.org/v1", SecretStr(KEY))
REQUEST = httpx2.Request("POST", "https://lab.example.org/v1/chat/completions")
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def _status(status: int, body: Any = None, endpoint: Endpoint = ENDPOINT, **headers: str) -> Verdict:
    response = httpx2.Response(status, json=body or {}, headers=headers, request=REQUEST)
    error = openai.APIStatusError("said", response=response, body=body)
    return verdict_on(error, endpoint, "lab-model", NOW)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (307, "stop"), (400, "fail"), (401, "stop"), (402, "stop"), (403, "stop"), (404, "stop"), (405, "fail"),
        (408, "again"), (409, "again"), (413, "fail"), (422, "fail"), (425, "again"), (429, "wait"), (500, "again"),
        (502, "again"), (503, "again"), (529, "again"),
    ],
)  # fmt: skip
def test_every_status_has_a_meaning(status: int, action: str) -> None:
    assert _status(status, {"message": "hm"}).action == action


def test_details_begin_with_what_can_be_counted() -> None:
    assert _status(400, {"message": "no\nsuch field"}) == Verdict("fail", "HTTP 400: no such field")
    assert _status(503, {"message": "busy"}, **{"retry-after": "4"}) == Verdict("again", "HTTP 503: busy", 4.0)
    assert _status(429, {"error": "slow down"}, **{"retry-after-ms": "80"}) == Verdict(
        "wait", "HTTP 429: slow down", 0.08
    )


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, {"message": f"bad {KEY}"}, r"does not accept the key in LAB_API_KEY \(HTTP 401: bad \[key\]\)"),
        (402, {"message": "pay"}, r"the account at endpoint 'lab' \(https://lab.example.org\) has no credit left"),
        (403, {"message": "no"}, "does not let this key use model 'lab-model'"),
        (404, {"message": "no"}, "has no model 'lab-model'.*mend `api_name` in the catalog, or LAB_BASE_URL"),
        (429, {"message": "quota", "code": "insufficient_quota"}, "has no credit left"),
    ],
)
def test_what_no_request_survives_is_a_sentence(status: int, body: Any, message: str) -> None:
    verdict = _status(status, body)
    assert verdict.action == "stop"
    assert re.search(message, verdict.detail), verdict.detail
    assert KEY not in verdict.detail


def test_a_key_that_is_asked_for_is_named() -> None:
    verdict = _status(401, {"message": "who?"}, ENDPOINT._replace(key=None))
    assert "asks for a key (HTTP 401: who?); put it into LAB_API_KEY" in verdict.detail


def test_a_redirection_names_the_host_and_nothing_else() -> None:
    verdict = _status(308, None, location=f"https://other.example.org/login?token={KEY}")
    assert "redirects to https://other.example.org (HTTP 308)" in verdict.detail
    assert KEY not in verdict.detail


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": "content_filter", "message": "policy"}),
        (400, {"code": "content_policy_violation", "message": "policy"}),
        (403, {"message": "policy", "metadata": {"flagged_input": "..."}}),
    ],
)
def test_a_content_filter_is_no_failure_of_the_run(status: int, body: Any) -> None:
    assert _status(status, body) == Verdict("filter", "content filter: policy")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "context_length_exceeded", "message": "too many tokens"},
        {"message": "This model's maximum context length is 512 tokens"},
    ],
)
def test_a_prompt_that_is_too_long_is_called_so(body: Any) -> None:
    verdict = _status(400, body)
    assert (verdict.action, verdict.detail) == ("fail", f"prompt too long: {body['message']}")


def _caused(error: openai.APIConnectionError, cause: Exception) -> openai.APIConnectionError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (
            _caused(openai.APIConnectionError(request=REQUEST), httpx2.ConnectError(f"to {KEY}")),
            Verdict("again", "connection lost: ConnectError", billed=False),
        ),
        (
            _caused(openai.APIConnectionError(request=REQUEST), httpx2.ReadError("reset")),
            Verdict("again", "connection lost: ReadError", billed=True),
        ),
        (
            _caused(openai.APITimeoutError(request=REQUEST), httpx2.ConnectTimeout("")),
            Verdict("again", "no answer in time: ConnectTimeout", billed=False),
        ),
        (
            _caused(openai.APITimeoutError(request=REQUEST), httpx2.ReadTimeout("")),
            Verdict("again", "no answer in time: ReadTimeout", billed=True),
        ),
        (TimeoutError(), Verdict("again", "no answer in time: TimeoutError", billed=True)),
        (FaultyReply(f"wrong content type: {KEY}"), Verdict("again", "wrong content type: [key]", billed=True)),
    ],
)
def test_what_is_lost_on_the_way_is_asked_again(error: Any, verdict: Verdict) -> None:
    assert verdict_on(error, ENDPOINT, "lab-model", NOW) == verdict
