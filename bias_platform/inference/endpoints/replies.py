"""Reads a chat completion, and says what is wrong with one that is none."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bias_platform.inference.endpoints.request_outcomes import FaultyReply
from bias_platform.inference.engines.base import Finish, Usage

Json = Mapping[str, Any]

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
}


class TokenLogprob(NamedTuple):
    """One of the likeliest tokens at a place."""

    token: str
    text: bytes
    """what the token writes"""
    logprob: float
    """natural logarithm"""


class TokenPlace(NamedTuple):
    """What stands, and what else could have stood, at one place of a text."""

    written: TokenLogprob
    likeliest: list[TokenLogprob]


class ChatReply(NamedTuple):
    """What a chat completion says."""

    text: str
    refused: bool
    """whether the text is a refusal that came in a field of its own"""
    finish: Finish
    places: list[TokenPlace] | None
    """one for each written token; None: the endpoint tells no log-probabilities"""


def read_json(content_type: str, content: bytes) -> Json:
    """The object of a reply.

    Raises:
        FaultyReply: something else, or only a part of one.
    """
    if "json" not in content_type.lower():
        raise FaultyReply(f"wrong content type: {content_type or 'none'}")
    try:
        body = json.loads(content)
    except ValueError as error:
        raise FaultyReply(f"reply is no JSON: {len(content)} bytes") from error
    if not isinstance(body, dict):
        raise FaultyReply(f"reply is no object: {type(body).__name__}")
    return body


def usage_told(body: Json) -> Usage | None:
    """The tokens a reply says it took; None: it does not say."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens") or 0, cached or 0]
    told = [count for count in counts if isinstance(count, int) and count >= 0]
    return Usage(*told) if len(told) == len(counts) else None


def read_chat(body: Json) -> ChatReply:
    """The first (and only) choice of a chat completion.

    A refusal that comes in a field of its own is the text; no text at all is the empty one.

    Raises:
        FaultyReply: there is no choice, or it has not the shape of one.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise FaultyReply(f"reply without choices: {_error_in(body)}")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    finish = _FINISH.get(str(choice.get("finish_reason"))) if isinstance(choice, dict) else None
    if not isinstance(message, dict) or finish is None:
        said = choice.get("finish_reason") if isinstance(choice, dict) else choice
        raise FaultyReply(f"choice that cannot be read: finish_reason {said!r}")
    refusal = message.get("refusal")
    text = message.get("content") or refusal or ""
    if not isinstance(text, str):
        raise FaultyReply(f"choice that cannot be read: its text is a {type(text).__name__}")
    try:
        return ChatReply(text, bool(refusal), finish, _places(choice.get("logprobs")))
    except (KeyError, TypeError, ValueError) as error:
        raise FaultyReply(f"log-probabilities that cannot be read: {error!r}") from error


def _error_in(body: Json) -> str:
    error = body.get("error")
    return str(error.get("message")) if isinstance(error, dict) else str(error or "no error is named")


def _places(logprobs: Json | None) -> list[TokenPlace] | None:
    content = logprobs.get("content") if logprobs is not None else None
    if content is None:
        return None
    return [TokenPlace(_token(place), [_token(each) for each in place.get("top_logprobs") or []]) for place in content]


def _token(entry: Json) -> TokenLogprob:
    text = bytes(entry["bytes"]) if entry.get("bytes") is not None else str(entry["token"]).encode()
    logprob = float(entry["logprob"])
    if np.isnan(logprob) or logprob > 1e-3:
        raise ValueError(f"{logprob} is no log-probability")
    return TokenLogprob(str(entry["token"]), text, logprob)
