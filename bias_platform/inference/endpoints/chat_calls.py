"""Prompts as calls of a chat completions endpoint: what is sent, what it may cost, and what is read off the reply."""

from collections.abc import Mapping, Sequence
from typing import Any

from bias_platform.inference.endpoints.calls import Call, Caller, Need
from bias_platform.inference.endpoints.chat_requests import STRUCTURED, ChatRequests
from bias_platform.inference.endpoints.endpoint import Endpoint
from bias_platform.inference.endpoints.first_tokens import FirstTokens, find_first_tokens
from bias_platform.inference.endpoints.replies import ChatReply, Json, read_chat, usage_told
from bias_platform.inference.endpoints.request_outcomes import RunStopped
from bias_platform.inference.endpoints.served_by import is_vllm
from bias_platform.inference.endpoints.token_bound import TokenBound
from bias_platform.inference.engines.base import NO_USAGE, Decoding, FloatArray, Generation, Prompt, Usage

CHAT = "/chat/completions"
_LOGPROBS = Need("logprobs", "use engine.ask: generate, or another engine.top_logprobs")
_STRUCTURED = Need(STRUCTURED, "remove `structured` from the engine's settings, or serve the model with vLLM")


class ChatCalls:
    """Makes calls for one model at one endpoint; `prepare` asks the endpoint some things first.

    Args:
        endpoint: where.
        model: its name there.
        top_logprobs: likeliest tokens that are asked for when options are scored.
    """

    def __init__(self, endpoint: Endpoint, model: str, top_logprobs: int) -> None:
        self._endpoint, self._model, self._top_logprobs = endpoint, model, top_logprobs
        self._requests: ChatRequests | None = None
        self._first_tokens: dict[tuple[str, ...], FirstTokens] = {}
        self._bound = TokenBound()
        self.served_as: dict[str, None] = {}
        """names under which the endpoint says it has answered"""

    async def prepare(self, caller: Caller, options: Mapping[tuple[str, ...], Prompt]) -> bool:
        """Finds out, once, who answers and how it writes the options.

        Args:
            caller: makes the calls.
            options: each distinct set of options, and one of the prompts they belong to; empty: none are scored.

        Returns:
            whether calls can be made; else `caller.stopped` says why not.

        Raises:
            UserError: two options begin with the same token.
        """
        if self._requests is None:
            vllm = await is_vllm(caller)
            if caller.stopped is not None:
                return False
            self._requests = ChatRequests(self._endpoint, self._model, is_vllm=vllm)
        for each, prompt in options.items():
            if each not in self._first_tokens:
                found = await find_first_tokens(caller, self._requests, prompt, each)
                if found is None:
                    return False
                self._first_tokens[each] = found
        return True

    def scoring(self, prompt: Prompt, options: Sequence[str]) -> Call:
        """Asks for the log-probabilities of the options; the answer is an array in their order."""
        requests, first_tokens = self._prepared(), self._first_tokens[tuple(options)]
        most = Usage(self._bound.most(prompt), 1)

        def body() -> Mapping[str, Any]:
            return requests.scoring(prompt, self._top_logprobs, first_tokens.fields())

        def read(reply: Json) -> FloatArray:
            return first_tokens.logprobs(self._read(reply, most), self._endpoint.title)

        return Call(CHAT, body, read, most, need=_LOGPROBS)

    def writing(self, prompt: Prompt, decoding: Decoding) -> Call:
        """Asks for a text; the answer is a `Generation`, also when the endpoint's filter took the prompt."""
        requests = self._prepared()
        most = Usage(self._bound.most(prompt), decoding.maximum_tokens)

        def body() -> Mapping[str, Any]:
            return requests.writing(prompt, decoding)

        def read(reply: Json) -> Generation:
            chat = self._read(reply, most)
            self._refuse_unrestricted(chat, decoding)
            used = usage_told(reply) or NO_USAGE
            return Generation(chat.text, chat.finish, used.input_tokens, used.output_tokens)

        def filtered(detail: str) -> Generation:
            return Generation("", "filter", 0, 0)

        return Call(CHAT, body, read, most, on_filter=filtered, need=_STRUCTURED if decoding.allowed else None)

    def _prepared(self) -> ChatRequests:
        if self._requests is None:
            raise RuntimeError("calls are made before they are prepared")
        return self._requests

    def _read(self, reply: Json, most: Usage) -> ChatReply:
        chat = read_chat(reply)
        self._bound.learn(most.input_tokens, (usage_told(reply) or NO_USAGE).input_tokens)
        if reply.get("model"):
            self.served_as.setdefault(str(reply["model"]))
        return chat

    def _refuse_unrestricted(self, chat: ChatReply, decoding: Decoding) -> None:
        """An endpoint that ignores the restriction must not fill a ledger of restricted answers."""
        if decoding.allowed and chat.finish == "stop" and not chat.refused and chat.text not in decoding.allowed:
            raise RunStopped(
                f"{self._endpoint.title} does not restrict what is written to the allowed answers (it wrote "
                f"{self._endpoint.quoted(chat.text)[:80]!r}); {_STRUCTURED.remedy}"
            )
