"""Whatever an endpoint does to requests, every cell ends answered or failed with its reason, and few are repeated."""

import asyncio
import re
import threading
from collections import Counter
from typing import Any

import pytest

from bias_platform.errors import UserError
from bias_platform.inference.endpoints.calls import Patience
from bias_platform.inference.engines.base import Decoding, Failure, Generation
from bias_platform_tests.inference.endpoints.conftest import (
    QUICK,
    FakeClock,
    engine_at,
    numbered,
    written,
    written_until_stopped,
)
from bias_platform_tests.inference.endpoints.scripted_server import (
    INPUT_TOKENS,
    KINDS,
    OUTPUT_TOKENS,
    Fault,
    ScriptedServer,
    asked_text,
    completion,
    first_ones,
    random_faults,
    written_to,
)

CELLS = 400


def test_three_of_ten_requests_go_wrong_and_all_cells_end() -> None:
    with ScriptedServer(random_faults(0.3, seed=1)) as server:
        engine = engine_at(server.url, timeout_seconds=0.8, patience=QUICK._replace(hold=0.05))
        texts, failures, usage = written(engine, numbered(CELLS))
        assert sorted([*texts, *failures]) == list(range(CELLS))
        assert all(failure.transient and "after 6 requests" in failure.detail for failure in failures.values())
        assert len(failures) <= 2
        asked = {asked_text(seen.body): written_to(seen.body) for seen in server.chats}
        assert all(texts[number].text == asked[f"Is post {number} rude?"] for number in texts)
        assert set(server.faulty) == set(KINDS)
        assert 0.25 < server.faulty.total() / len(server.chats) < 0.35
        assert engine.stats.requests <= 1.5 * CELLS, f"{engine.stats.requests} requests for {CELLS} cells"
        assert engine.stats.repeated_requests == engine.stats.requests - CELLS - len(server.others)
        told = len(texts) + server.faulty["no choices"]  # what was lost tells nothing
        assert usage == (told * INPUT_TOKENS, told * OUTPUT_TOKENS, told * 10)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("500", "HTTP 500: status 500 (after 6 requests)"),
        ("reset", r"connection lost: \w+Error (after 6 requests)"),
        ("hang", "no answer in time: ReadTimeout (after 6 requests)"),
        ("truncated", r"reply is no JSON: \d+ bytes (after 6 requests)"),
        ("html", "wrong content type: text/html (after 6 requests)"),
        ("no choices", "reply without choices: no error is named (after 6 requests)"),
        ("408", "HTTP 408: status 408 (after 6 requests)"),
        ("409", "HTTP 409: status 409 (after 6 requests)"),
    ],
)
def test_a_cell_that_is_never_answered_fails_with_its_reason_for_now(kind: str, detail: str) -> None:
    def fault(number: int, body: Any) -> Fault | None:
        return Fault(kind) if asked_text(body) == "Is post 1 rude?" else None

    with ScriptedServer(fault) as server:
        engine = engine_at(server.url, timeout_seconds=0.1)
        texts, failures, _ = written(engine, numbered(3))
        assert set(texts) == {0, 2}
        assert failures[1].transient
        assert re.fullmatch(detail.replace("(", r"\(").replace(")", r"\)"), failures[1].detail)
        assert server.faulty == {kind: 6}


@pytest.mark.parametrize("status", ["400", "413", "422"])
def test_a_permanent_refusal_fails_its_cell_alone_with_one_request(status: str) -> None:
    def fault(number: int, body: Any) -> Fault | None:
        return Fault(status) if int(asked_text(body).split()[2]) % 10 == 3 else None

    with ScriptedServer(fault) as server:
        texts, failures, _ = written(engine_at(server.url), numbered(40))
        assert set(failures) == {3, 13, 23, 33}
        assert set(failures.values()) == {Failure(f"HTTP {status}: status {status}", transient=False)}
        assert len(texts) == 36
        assert len(server.chats) == 40


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("401"), r"does not accept the key in LAB_API_KEY \(HTTP 401: status 401\)"),
        (Fault("403"), "does not let this key use model 'lab-model'"),
        (Fault("404"), "has no model 'lab-model'"),
        (Fault("402"), "has no credit left"),
        (Fault("429", {"error": {"message": "spent", "code": "insufficient_quota"}}), "has no credit left"),
        (Fault("307", headers={"Location": "https://other.example.org/v1"}), "redirects to https://other.example.org"),
    ],
)
def test_what_no_request_survives_ends_the_run_with_the_first(fault: Fault, message: str) -> None:
    with ScriptedServer(lambda number, body: fault) as server:
        engine = engine_at(server.url, concurrency=32)
        with pytest.raises(UserError, match=message):
            written(engine, numbered(200))
        assert len(server.chats) == 1


def test_a_key_that_is_withdrawn_on_the_way_ends_the_run_and_keeps_what_was_answered() -> None:
    with ScriptedServer(lambda number, body: Fault("401") if number >= 50 else None) as server:
        heard, stopped = written_until_stopped(engine_at(server.url), numbered(200))
        assert "does not accept the key" in str(stopped)
        assert len(heard.texts) == 50
        assert len(server.chats) <= 50 + 8


def test_a_rate_limit_is_waited_for_as_told_and_costs_no_attempt() -> None:
    clock = FakeClock()
    faults = [Fault("429", headers={"Retry-After": "7"}) for _ in range(9)]
    with ScriptedServer(first_ones(*faults)) as server:
        engine = engine_at(server.url, clock=clock, concurrency=1)
        texts, failures, _ = written(engine, numbered(3))
        assert (len(texts), failures) == (3, {})
        assert len(server.chats) == 3 + 9
        assert clock.slept == [7.0] * 9
        assert "rate-limited 9 times" in "; ".join(engine.stats.notes)


class _LateClock(FakeClock):
    """Time passes a moment after somebody has begun to wait: until then, whoever does not wait goes on."""

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        await asyncio.sleep(0.3)
        self.time = max(self.time, until)


def test_a_rate_limit_holds_back_everything() -> None:
    """Up to eight are asked at once; one is told to wait, and no other is sent before that time."""
    clock, sent = _LateClock(), []

    def fault(number: int, body: Any) -> Fault | None:
        sent.append(clock.now())
        return Fault("429", headers={"Retry-After": "60"}) if number == 20 else None

    with ScriptedServer(fault) as server:
        texts, _, _ = written(engine_at(server.url, clock=clock), numbered(60))
        assert len(texts) == 60
        assert len(server.chats) == 61
    assert sum(at < 1060 for at in sent) <= 21 + 8


def test_a_cell_that_is_always_one_too_many_fails_in_the_end() -> None:
    def fault(number: int, body: Any) -> Fault | None:
        return Fault("429") if asked_text(body) == "Is post 1 rude?" else None

    with ScriptedServer(fault) as server:
        engine = engine_at(server.url, clock=FakeClock(), patience=Patience(rate_limited=5))
        texts, failures, _ = written(engine, numbered(20))
        assert len(texts) == 19
        assert failures == {1: Failure("HTTP 429: status 429 (after 5 requests)", transient=True)}


def test_an_endpoint_that_wants_to_be_left_alone_for_hours_ends_the_run() -> None:
    with ScriptedServer(lambda number, body: Fault("429", headers={"Retry-After": "7200"})) as server:
        with pytest.raises(UserError, match="is given up: it asks to come back in 7,200 seconds"):
            written(engine_at(server.url, clock=FakeClock()), numbered(20))
        assert len(server.chats) == 1


def test_an_endpoint_that_answers_nothing_for_long_ends_the_run() -> None:
    clock = FakeClock()
    with ScriptedServer(lambda number, body: Fault("500") if number >= 30 else None) as server:
        engine = engine_at(server.url, clock=clock, patience=Patience())
        heard, stopped = written_until_stopped(engine, numbered(3000))
        assert re.search(r"is given up: none of the last \d+ requests was answered in \d+ seconds", str(stopped))
        assert len(heard.texts) == 30
        assert len(server.chats) < 30 + 120
        assert clock.time - 1000 >= 180


def test_an_endpoint_that_refuses_everything_ends_the_run() -> None:
    with ScriptedServer(lambda number, body: Fault("400")) as server:
        heard, stopped = written_until_stopped(engine_at(server.url), numbered(300))
        assert "all of the first 20 requests were refused, the last one: HTTP 400" in str(stopped)
        assert len(server.chats) == len(heard.failures) == 20


def test_an_endpoint_that_is_not_there_is_named() -> None:
    engine = engine_at("http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match=r"endpoint 'lab' \(http://127.0.0.1:9\) does not answer: connection lost"):
        written(engine, numbered(5))
    assert engine.stats.requests == 6


@pytest.mark.parametrize("models", [None, {"data": "x"}, {"data": [None, {"owned_by": "somebody"}]}])
def test_an_endpoint_without_a_list_of_models_is_asked_all_the_same(models: Any) -> None:
    with ScriptedServer(models=models) as server:
        assert len(written(engine_at(server.url), numbered(5))[0]) == 5
        assert "chat_template_kwargs" not in server.chats[0].body


def test_a_content_filter_is_an_answer_of_its_own() -> None:
    filtered = Fault("400", {"error": {"message": "policy", "code": "content_filter"}})
    with ScriptedServer(lambda number, body: filtered) as server:
        texts, failures, _ = written(engine_at(server.url), numbered(30))
        assert failures == {}
        assert set(texts.values()) == {Generation("", "filter", 0, 0)}
        assert len(server.chats) == 30


def test_structured_output_that_is_refused_or_ignored_ends_the_run() -> None:
    only = Decoding(16, allowed=("Yes", "No"))
    unknown = Fault("400", {"error": {"message": "Unrecognized request argument: structured_outputs"}})
    with ScriptedServer(lambda number, body: unknown) as server:
        with pytest.raises(UserError, match=r"refuses `structured_outputs`.*remove `structured`"):
            written(engine_at(server.url), numbered(50), only)
        assert len(server.chats) == 1
    with ScriptedServer(answer=lambda body: completion("Yes, I think so")) as server:
        with pytest.raises(UserError, match=r"does not restrict what is written.*'Yes, I think so'"):
            written(engine_at(server.url), numbered(50), only)
        assert len(server.chats) == 1
    with ScriptedServer(answer=lambda body: completion("Ye", "length")) as server:
        texts, _, _ = written(engine_at(server.url), numbered(5), only)
        assert {text.finish for text in texts.values()} == {"length"}


def test_order_and_pace_change_no_answer() -> None:
    prompts = numbered(60)
    with ScriptedServer() as server:
        one = written(engine_at(server.url, concurrency=1), prompts)[0]
    with ScriptedServer(random_faults(0.2, 5, ["500", "429"])) as server:
        many = written(engine_at(server.url, concurrency=32), prompts[::-1])[0]
    assert {number: one[number].text for number in one} == {59 - number: many[number].text for number in many}
    assert Counter(text.text for text in one.values()).keys() == {"Yes", "No", "Maybe"}


def test_nothing_is_left_behind() -> None:
    before = threading.active_count()
    with ScriptedServer() as server:
        written(engine_at(server.url), numbered(5))
    assert [thread.name for thread in threading.enumerate() if thread.name == "endpoint-requests"] == []
    assert threading.active_count() <= before + 1
