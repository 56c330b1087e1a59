"""What became of a request that brought no usable reply, and what is to be done about it.

Again: it may succeed later (408, 409, 425, 5xx, lost connections, silence, replies that make no sense).
Wait: the endpoint is asked too often (429); says nothing about the request, so it costs no attempt.
Fail: this request will never succeed (400, 413, 422 ...); others may.
Filter: the endpoint's content filter took it.
Stop: no request will succeed until somebody mends something (401, 402, 403, 404, redirections).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import openai

from bias_platform.inference.endpoints.endpoint import Endpoint, address_of
from bias_platform.inference.endpoints.retry_after import retry_after
from bias_platform.inference.engines.base import Failure

Action = Literal["again", "wait", "fail", "filter", "stop"]

_AGAIN = (408, 409, 425)
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")
_NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
_TOO_LONG = ("context_length_exceeded", "maximum context length", "longer than the maximum model length")


class FaultyReply(Exception):
    """A reply with status 200 that is no answer.

    Args:
        detail: a short constant reason, a colon, particulars.
    """


class CellFailed(Exception):
    """A sound reply (or a prompt) from which this cell can get no answer, now and later."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class RunStopped(Exception):
    """A sound reply that shows that no cell can be asked in this way; the text is the sentence for the user."""


class Verdict(NamedTuple):
    """What to do about a request that went wrong."""

    action: Action
    detail: str
    """a short constant reason, a colon, particulars; for `stop` the sentence for the user"""
    wait: float | None = None
    """seconds the endpoint asks to wait; None: it does not say"""
    billed: bool = False
    """whether it may have cost something although the reply does not tell"""


RequestError = openai.APIError | TimeoutError | FaultyReply
REQUEST_ERRORS = (openai.APIError, TimeoutError, FaultyReply)
"""What a request ends with when it brings no usable reply. Everything else is a mistake in this program."""


def verdict_on(error: RequestError, endpoint: Endpoint, model: str, now: datetime) -> Verdict:
    """Judges what a request ended with.

    Args:
        error: it.
        endpoint: that was asked.
        model: the name it was asked for.
        now: present time with zone.
    """
    if isinstance(error, openai.APIStatusError):
        return _on_status(error, endpoint, model, now)
    if isinstance(error, FaultyReply):
        return Verdict("again", endpoint.quoted(str(error)), billed=True)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return Verdict("again", f"no answer in time: {_cause(error)}", billed=_cause(error) not in _NOT_SENT)
    return Verdict("again", f"connection lost: {_cause(error)}", billed=_cause(error) not in _NOT_SENT)


def _cause(error: Exception) -> str:
    """The name of the client library's error: its text may hold the URL."""
    return type(error.__cause__ or error).__name__


def _on_status(error: openai.APIStatusError, endpoint: Endpoint, model: str, now: datetime) -> Verdict:
    status, body = error.status_code, _body(error)
    said = endpoint.quoted(str(body.get("message") or error.response.text or error.response.reason_phrase))
    detail = f"HTTP {status}: {said}"
    if _is_filtered(body):
        return Verdict("filter", f"content filter: {said}")
    if status < 400 or status in (401, 402, 403, 404) or str(body.get("code")) in _NO_CREDIT:
        return Verdict("stop", _why_nothing_works(error, detail, endpoint, model))
    if status == 429:
        return Verdict("wait", detail, wait=retry_after(error.response.headers, now))
    if status >= 500 or status in _AGAIN:
        return Verdict("again", detail, wait=retry_after(error.response.headers, now))
    if any(sign in f"{body.get('code')} {said}" for sign in _TOO_LONG):
        return Verdict("fail", f"prompt too long: {said}")
    return Verdict("fail", detail)


def _body(error: openai.APIStatusError) -> Mapping[str, Any]:
    """The error object; the client unwraps {"error": {...}}, and some endpoints do not wrap it."""
    body = error.body
    if not isinstance(body, dict):
        return {"message": body} if isinstance(body, str) else {}
    inner = body.get("error")
    return inner if isinstance(inner, dict) else {"message": inner} if isinstance(inner, str) else body


def _is_filtered(body: Mapping[str, Any]) -> bool:
    metadata = body.get("metadata")
    flagged = isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)
    return flagged or str(body.get("code")) in ("content_filter", "content_policy_violation")


def _why_nothing_works(error: openai.APIStatusError, detail: str, endpoint: Endpoint, model: str) -> str:
    status = error.status_code
    if status < 400:
        target = error.response.headers.get("location", "")
        elsewhere = f" to {address_of(target)}" if "://" in target else ""
        return (
            f"{endpoint.title} redirects{elsewhere} (HTTP {status}), and a key is not sent after a redirection; write "
            f"the final address into {endpoint.url_variable}"
        )
    if status == 401:
        if endpoint.key is None:
            return f"{endpoint.title} asks for a key ({detail}); put it into {endpoint.key_variable}"
        return f"{endpoint.title} does not accept the key in {endpoint.key_variable} ({detail}); put a valid one there"
    if status == 403:
        return f"{endpoint.title} does not let this key use model '{model}' ({detail}); get access or change the model"
    if status == 404:
        return (
            f"{endpoint.title} has no model '{model}', or no chat completions at this address ({detail}); mend "
            f"`api_name` in the catalog, or {endpoint.url_variable}, which usually ends in /v1"
        )
    return f"the account at {endpoint.title} has no credit left ({detail}); add some and run it again"
