"""By which token each option begins at an endpoint, and its log-probability in a reply.

An option is scored by the token that the model's own tokenizer begins it with, as the local engines do. Which one that
is must be known: `I` begins "Incomprehensible" too, but what the model says with it is mostly "I am sorry". A vLLM
server is asked for the tokens of the chat with the option as its answer, and tells the log-probability of any token
that is named. Other endpoints are asked to repeat the option; of what a model does not repeat it is only known that a
token which is the whole option is the right one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bias_platform.errors import UserError
from bias_platform.inference.endpoints.calls import Call, Caller
from bias_platform.inference.endpoints.chat_requests import ChatRequests
from bias_platform.inference.endpoints.replies import ChatReply, Json, TokenLogprob, read_chat
from bias_platform.inference.endpoints.request_outcomes import CellFailed, FaultyReply, RunStopped
from bias_platform.inference.engines.base import Failure, FloatArray, Prompt, Usage
from bias_platform.models.chat import TEMPLATE_VARIABLES

_IMPOSSIBLE = -9999.0
"""What endpoints write for a token whose log-probability they do not tell."""


class FirstTokens(NamedTuple):
    """The tokens that tell a question's options apart."""

    options: tuple[str, ...]
    ids: tuple[int, ...] | None
    """of a vLLM server's tokenizer; None: found by their texts"""
    texts: tuple[bytes, ...]
    """what each token writes; all of the option where nothing is known"""

    def fields(self) -> Mapping[str, Any]:
        """What a request must say for its reply to hold these tokens."""
        if self.ids is None:
            return {}
        return {"logprob_token_ids": list(self.ids), "return_tokens_as_token_ids": True}

    def logprobs(self, reply: ChatReply, endpoint: str) -> FloatArray:
        """The log-probability of each option's first token.

        Args:
            reply: to a scoring request.
            endpoint: for messages.

        Raises:
            CellFailed: an option's token is not among the likeliest ones that were told.
            RunStopped: the endpoint tells no log-probabilities.
        """
        if reply.finish == "filter":
            raise CellFailed(Failure("content filter: the answer was taken away", transient=False))
        if reply.places is None:
            raise RunStopped(
                f"{endpoint} tells no log-probabilities for this model, so options cannot be scored there; use "
                "engine.ask: generate"
            )
        if not reply.places:
            raise CellFailed(Failure("no log-probabilities: the model wrote nothing", transient=False))
        place = reply.places[0]
        found = [self._found(number, [*place.likeliest, place.written]) for number in range(len(self.options))]
        beyond = [option for option, logprob in zip(self.options, found, strict=True) if logprob is None]
        if beyond:
            detail = f"option beyond the top log-probabilities: {', '.join(beyond)}"
            raise CellFailed(Failure(detail, transient=False))
        return np.array(found, dtype=np.float64)

    def _found(self, number: int, entries: Sequence[TokenLogprob]) -> float | None:
        """Of several tokens that read alike the likeliest: that is the one the tokenizer makes."""
        name = None if self.ids is None else f"token_id:{self.ids[number]}"
        same = [
            entry.logprob
            for entry in entries
            if (entry.token == name if name else entry.text == self.texts[number]) and entry.logprob > _IMPOSSIBLE
        ]
        return max(same, default=None)


async def find_first_tokens(
    caller: Caller, requests: ChatRequests, prompt: Prompt, options: Sequence[str]
) -> FirstTokens | None:
    """Asks the endpoint how it writes the options.

    Args:
        caller: makes the calls.
        requests: makes the bodies.
        prompt: one of those that will be scored; only its texts are sent, and only to a vLLM server.
        options: as the model would write them.

    Returns:
        None: the run is stopping.

    Raises:
        UserError: two options begin with the same token.
    """
    ids = await _tokenized(caller, requests, prompt, options) if requests.is_vllm else None
    texts = tuple(option.encode() for option in options)
    if ids is None:
        found = [await _repeated(caller, requests, option) for option in options]
        texts = tuple(known or text for known, text in zip(found, texts, strict=True))
    if caller.stopped is not None:
        return None
    _refuse_same(options, ids or texts)
    return FirstTokens(tuple(options), ids, texts)


async def _tokenized(
    caller: Caller, requests: ChatRequests, prompt: Prompt, options: Sequence[str]
) -> tuple[int, ...] | None:
    """None: the server does not tokenize, or writes something else before an answer than where one is to begin."""
    messages = [dict(message) for message in prompt.messages]
    before = await _chat_tokens(caller, requests, messages, add_generation_prompt=True)
    firsts = []
    for option in options if before else ():
        answer = {"role": "assistant", "content": option}
        whole = await _chat_tokens(
            caller, requests, [*messages, answer], add_generation_prompt=False, continue_final_message=True
        )
        if before is None or whole is None or whole[: len(before)] != before or len(whole) == len(before):
            return None
        firsts.append(whole[len(before)])
    return tuple(firsts) or None


async def _chat_tokens(
    caller: Caller, requests: ChatRequests, messages: Sequence[Mapping[str, str]], **fields: bool
) -> list[int] | None:
    body = {"model": requests.model, "messages": messages, "chat_template_kwargs": TEMPLATE_VARIABLES, **fields}
    tokens: list[int] | None = await caller.ask_first(Call("//tokenize", lambda: body, _token_ids))
    return tokens


def _token_ids(body: Json) -> list[int]:
    tokens = body.get("tokens")
    if not isinstance(tokens, list):
        raise FaultyReply("reply without tokens")
    return [int(token) for token in tokens]


async def _repeated(caller: Caller, requests: ChatRequests, option: str) -> bytes | None:
    """The first token of the option as the model writes it; None: it writes something else, or does not tell."""
    most = Usage(len(option.encode()) + 256, 16)
    body = requests.repeating(option)
    reply: ChatReply | None = await caller.ask_first(Call("/chat/completions", lambda: body, read_chat, most))
    if reply is None or not reply.places:
        return None
    written = [place.written.text for place in reply.places]
    return written[0] if written[0] and b"".join(written).startswith(option.encode()) else None


def _refuse_same(options: Sequence[str], tokens: Sequence[int] | Sequence[bytes]) -> None:
    for right in range(len(options)):
        for left in range(right):
            if tokens[left] == tokens[right]:
                raise UserError(
                    f"options {options[left]!r} and {options[right]!r} begin with the same token for this model, so "
                    "engine.scoring 'first-token' cannot tell them apart; use engine.ask: generate, or reword one"
                )
