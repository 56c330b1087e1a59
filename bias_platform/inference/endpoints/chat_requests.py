"""Bodies of chat completion requests, in the dialect of the endpoint.

OpenAI's endpoints and vLLM call the longest answer `max_completion_tokens`, others know only the older `max_tokens`. A
vLLM server is told as well what a local engine would do by itself: the same variables of the chat template, and none of
the sampling defaults that a model's repository may bring along.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bias_platform.inference.endpoints.endpoint import Endpoint
from bias_platform.inference.endpoints.image_urls import ImageUrls
from bias_platform.inference.endpoints.request_outcomes import CellFailed
from bias_platform.inference.engines.base import Decoding, Failure, Image, Prompt
from bias_platform.models.chat import TEMPLATE_VARIABLES

Body = dict[str, Any]

STRUCTURED = "structured_outputs"
"""The field that restricts what may be written."""
_NEUTRAL = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}


class ChatRequests:
    """Makes bodies for one model at one endpoint.

    Args:
        endpoint: where.
        model: its name there.
        is_vllm: whether a vLLM server answers.
    """

    def __init__(self, endpoint: Endpoint, model: str, *, is_vllm: bool) -> None:
        host = urlsplit(endpoint.base_url).hostname or ""
        is_openai = host == "api.openai.com" or host.endswith(".api.openai.com")
        self._longest = "max_completion_tokens" if is_openai or is_vllm else "max_tokens"
        self.model, self.is_vllm = model, is_vllm
        self._extra: Body = {"chat_template_kwargs": TEMPLATE_VARIABLES, **_NEUTRAL} if is_vllm else {}
        self.image_urls = ImageUrls()

    def writing(self, prompt: Prompt, decoding: Decoding) -> Body:
        """Asks for a text.

        Raises:
            CellFailed: a picture cannot be read, or a text has no form in UTF-8.
        """
        body = self._body(prompt, decoding.maximum_tokens, decoding.temperature)
        if decoding.temperature > 0:
            body["top_p"] = decoding.top_p
            if prompt.seed is not None:
                body["seed"] = prompt.seed
        if decoding.allowed:
            body[STRUCTURED] = {"choice": list(decoding.allowed)}
        return body

    def scoring(self, prompt: Prompt, top_logprobs: int, fields: Mapping[str, Any]) -> Body:
        """Asks for the likeliest first tokens of an answer.

        Args:
            prompt: what is asked.
            top_logprobs: how many.
            fields: more of the request, see `FirstTokens.fields`.

        Raises:
            CellFailed: a picture cannot be read, or a text has no form in UTF-8.
        """
        return self._body(prompt, 1, 0.0) | {"logprobs": True, "top_logprobs": top_logprobs} | dict(fields)

    def repeating(self, text: str) -> Body:
        """Asks to repeat a word, to see of which tokens the model makes it."""
        message = {"role": "user", "content": f"Write exactly this, and nothing before or after it: {text}"}
        return self._body(Prompt((message,)), 16, 0.0) | {"logprobs": True}

    def _body(self, prompt: Prompt, longest: int, temperature: float) -> Body:
        return {
            "model": self.model,
            "messages": self._messages(prompt),
            self._longest: longest,
            "temperature": temperature,
            **self._extra,
        }

    def _messages(self, prompt: Prompt) -> list[Mapping[str, Any]]:
        for message in prompt.messages:
            _refuse_broken(message["content"])
        if not prompt.images:
            return list(prompt.messages)
        *before, last = prompt.messages
        return [*before, {"role": last["role"], "content": self._parts(last["content"], prompt.images)}]

    def _parts(self, text: str, images: Sequence[Image]) -> list[Body]:
        pictures = [{"type": "image_url", "image_url": {"url": self.image_urls.url(image)}} for image in images]
        return [{"type": "text", "text": text}, *pictures]


def _refuse_broken(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        detail = f"text cannot be sent: half a character (U+{ord(text[error.start]):04X}) at place {error.start}"
        raise CellFailed(Failure(detail, transient=False)) from error
