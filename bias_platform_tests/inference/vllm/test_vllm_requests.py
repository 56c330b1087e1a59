"""The window of requests, with a vllm that only counts."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bias_platform.errors import UserError
from bias_platform.inference.engines.vllm_requests import Request, in_portions, run_requests


class CountingVllm:
    """Finishes up to `at_once` of the requests it holds in every pass, the youngest first."""

    def __init__(self, at_once: int = 4) -> None:
        self.at_once = at_once
        self.held: list[tuple[str, Any]] = []
        self.most_held = 0
        self.passes: list[set[Any]] = []
        self.aborted: list[str] = []
        self.fails_with: Exception | None = None
        self.numbers = 0
        scheduler = SimpleNamespace(max_num_seqs=at_once)
        self.llm_engine = SimpleNamespace(
            step=self.step, abort_request=self.aborted.extend, vllm_config=SimpleNamespace(scheduler_config=scheduler)
        )

    def enqueue(self, prompts: list[Any], parameters: list[Any], lora_request: list[Any], use_tqdm: bool) -> list[str]:
        """Takes requests; tells names with a random end."""
        assert len(prompts) == len(parameters) == len(lora_request)
        names = [str(self.numbers + place) for place in range(len(prompts))]
        self.numbers += len(prompts)
        self.held += zip(names, lora_request, strict=True)
        self.most_held = max(self.most_held, len(self.held))
        return [f"{name}-f00{name}" for name in names]

    def step(self) -> list[Any]:
        """One pass."""
        if self.fails_with:
            raise self.fails_with
        done, self.held = self.held[-self.at_once :], self.held[: -self.at_once]
        self.passes.append({adapter for _, adapter in done})
        written = SimpleNamespace(finish_reason="stop", token_ids=[1])
        return [
            SimpleNamespace(
                request_id=name, finished=True, prompt_token_ids=[1, 2, 3], num_cached_tokens=2, outputs=[written]
            )
            for name, _ in done
        ]


def requests(count: int, adapter: Any = None) -> Iterator[Request]:
    """Requests that know which they are."""
    return (Request((number, 0), [1, 2, 3], None, adapter) for number in range(count))


def test_every_request_is_finished_once_and_few_are_known_at_a_time() -> None:
    llm = CountingVllm()
    finished = [each for some in run_requests(llm, requests(103)) for each in some]
    assert sorted(each.request.key[0] for each in finished) == list(range(103))
    assert llm.most_held == 8
    assert sum(each.sent_tokens for each in finished) == 103
    assert llm.aborted == []


def test_requests_with_and_without_adapter_never_share_a_pass() -> None:
    llm = CountingVllm()
    mixed = [*requests(6), *requests(6, adapter="farmer"), *requests(3, adapter="teacher"), *requests(2)]
    finished = [each for some in run_requests(llm, mixed) for each in some]
    assert len(finished) == 17
    assert all(None not in adapters or len(adapters) == 1 for adapters in llm.passes)
    assert {"farmer", "teacher"} in llm.passes  # those with adapters do share


def test_whoever_stops_listening_has_the_rest_taken_back() -> None:
    llm = CountingVllm()
    stream = run_requests(llm, requests(103))
    next(stream)
    stream.close()
    assert sorted(llm.aborted) == sorted(name for name, _ in llm.held)
    assert len(llm.aborted) == 4


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA out of memory. Tried to allocate"), RuntimeError("can't allocate memory"), MemoryError()],
)
def test_want_of_memory_is_a_sentence(error: Exception) -> None:
    llm = CountingVllm()
    llm.fails_with = error
    with pytest.raises(UserError, match=r"memory ran out .* Lower engine\.batch_tokens"):
        list(run_requests(llm, requests(3)))


def test_anything_else_ends_the_worker_as_it_is() -> None:
    llm = CountingVllm()
    llm.fails_with = RuntimeError("shapes do not fit")
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(run_requests(llm, requests(3)))


def test_a_request_vllm_gives_up_is_a_transient_failure_and_a_refused_one_is_not() -> None:
    (finished,) = next(run_requests(CountingVllm(), requests(1)))
    assert finished.failure is None
    finished.output.outputs[0].finish_reason = "abort"
    assert finished.failure == ("vllm gave up: abort", True)
    refused = finished._replace(output=None, refusal="longer than the maximum model length of 64")
    assert refused.failure == ("prompt too long: longer than the maximum model length of 64", False)
    assert (refused.sent_tokens, refused.written_tokens) == (0, 0)


def test_portions_hold_everything_in_order() -> None:
    some = [list(range(start, start + 100)) for start in range(0, 1000, 100)]
    portions = list(in_portions(iter([[], *some, []])))
    assert [each for portion in portions for each in portion] == list(range(1000))
    assert all(portions)
    assert max(map(len, portions)) <= 355  # passed on as soon as there are 256
