"""Requests to vllm, a window of them at a time, answered as they finish. Knows nothing of choices and outcomes."""

import re
import time
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Failure

_Each = TypeVar("_Each")

_WINDOWS = 2
"""Requests that are known to vllm, in multiples of what it computes at once: it never waits for us, and thousands of
waiting ones cost no memory."""
_PASSED_ON = 256
_PASSED_ON_SECONDS = 0.5
"""Results are passed on when there are that many, or after that time."""
_MEMORY = re.compile("out of memory|can't allocate memory", re.IGNORECASE)
"""How GPUs and CPUs say it."""


class Request(NamedTuple):
    """One prompt and what is wanted of it."""

    key: tuple[int, int]
    """whatever the sender knows it by"""
    tokens: list[int]
    parameters: Any
    """`vllm.SamplingParams`"""
    adapter: Any = None
    """`LoRARequest`; None: the base alone"""
    images: tuple[Any, ...] = ()
    """PIL images for the placeholders among the tokens"""


class Finished(NamedTuple):
    """A request and what came of it."""

    request: Request
    output: Any
    """`vllm.RequestOutput`; None: vllm did not take the request"""
    refusal: str = ""
    """why it did not"""

    @property
    def sent_tokens(self) -> int:
        """Tokens of the prompt that were read and not taken from the cache."""
        return len(self.output.prompt_token_ids) - (self.output.num_cached_tokens or 0) if self.output else 0

    @property
    def written_tokens(self) -> int:
        """Tokens that were written."""
        return len(self.output.outputs[0].token_ids) if self.output else 0

    @property
    def failure(self) -> Failure | None:
        """Why the request has no result; None: it has."""
        if self.output is None:
            kind = "prompt too long" if "model length" in self.refusal else "prompt refused by vllm"
            return Failure(f"{kind}: {self.refusal}", transient=False)
        reason = self.output.outputs[0].finish_reason
        return None if reason in ("stop", "length") else Failure(f"vllm gave up: {reason}", transient=True)


def run_requests(llm: Any, requests: Iterable[Request]) -> Iterator[list[Finished]]:
    """Yields after every pass what has finished, possibly nothing, in no order.

    Requests are taken from `requests` only as they are needed. Whoever stops listening has the rest taken back.
    Requests with an adapter and requests without never share a pass: vllm's kernels for CPUs would have the latter read
    by the last adapter.

    Raises:
        UserError: memory ran out. Anything else vllm raises is not caught: its state is then unknown, and what was
            yielded before stands.
    """
    for _, alike in groupby(requests, key=lambda request: request.adapter is None):
        yield from _run_together(llm, alike)


def _run_together(llm: Any, requests: Iterator[Request]) -> Iterator[list[Finished]]:
    window = _WINDOWS * int(llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)
    waiting: dict[str, Request] = {}
    try:
        while True:
            sent = _send(llm, list(islice(requests, window - len(waiting))))
            waiting |= sent.names
            if not waiting and not sent.refused:
                return
            done = [output for output in _step(llm) if output.finished] if waiting else []
            yield [*sent.refused, *(Finished(waiting.pop(output.request_id), output) for output in done)]
    finally:
        if waiting:
            llm.llm_engine.abort_request(list(waiting))


class _Sent(NamedTuple):
    names: dict[str, Request]
    """by the names their outputs will have"""
    refused: list[Finished]


def _send(llm: Any, requests: list[Request]) -> _Sent:
    """Hands requests to vllm. How long pictures are it alone can tell, so it is asked about each of these apart."""
    sent = _Sent(_enqueue(llm, [request for request in requests if not request.images]), [])
    for request in requests:
        if request.images:
            try:
                sent.names.update(_enqueue(llm, [request]))
            except _refusals() as error:
                sent.refused.append(Finished(request, None, str(error).strip().splitlines()[0]))
    return sent


def _refusals() -> tuple[type[Exception], ...]:
    from vllm.exceptions import VLLMClientError  # type: ignore[import-not-found]

    return ValueError, VLLMClientError


def _enqueue(llm: Any, requests: list[Request]) -> dict[str, Request]:
    if not requests:
        return {}
    names = llm.enqueue(
        [_prompt(request) for request in requests],
        [request.parameters for request in requests],
        lora_request=[request.adapter for request in requests],
        use_tqdm=False,
    )
    # vllm tells a request's name with a random end that its output goes without
    return {str(name).partition("-")[0]: request for name, request in zip(names, requests, strict=True)}


def _prompt(request: Request) -> dict[str, Any]:
    prompt: dict[str, Any] = {"prompt_token_ids": request.tokens}
    return prompt | {"multi_modal_data": {"image": list(request.images)}} if request.images else prompt


def _step(llm: Any) -> list[Any]:
    try:
        return list(llm.llm_engine.step())
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _MEMORY.search(str(error)):
            raise
        raise UserError(
            "memory ran out while vllm was computing; what was answered is kept. Lower engine.batch_tokens, or "
            "engine.gpu_memory_share, which leaves less for everything but weights and cache the higher it is, and "
            "run it again"
        ) from error


def in_portions(results: Iterator[list[_Each]]) -> Iterator[list[_Each]]:
    """The same results in lists that are worth writing down, and none of them kept back for long."""
    held: list[_Each] = []
    since = time.monotonic()
    for some in results:
        held += some
        if held and (len(held) >= _PASSED_ON or time.monotonic() - since >= _PASSED_ON_SECONDS):
            yield held
            held, since = [], time.monotonic()
    if held:
        yield held
