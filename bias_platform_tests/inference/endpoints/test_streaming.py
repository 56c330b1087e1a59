"""Answers come in batches while others are under way; whoever stops reading stops the asking."""

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Image, Prompt, Usage
from bias_platform.inference.engines.openai_engine import load_engine
from bias_platform.inference.engines.registry import EngineOrder, engine_identity
from bias_platform.inference.spending import Spending
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform_tests.inference.endpoints.conftest import KEY, SHORT, engine_at, numbered, written
from bias_platform_tests.inference.endpoints.scripted_server import (
    Fault,
    ScriptedServer,
    asked_text,
    completion,
    written_to,
)

LAB = ModelSource(kind="api", location="lab-model", endpoint="lab")


def _order(source: ModelSource = LAB) -> EngineOrder:
    settings = EngineSettings(name="openai", ask="generate")
    system = ResolvedSystem(slug="lab", source=source, identity="1" * 32)
    return EngineOrder(system, settings, engine_identity(settings, "served"), Spending())


def test_an_engine_is_loaded_from_the_environment_and_asks_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(key=KEY) as server:
        monkeypatch.setenv("LAB_BASE_URL", server.url)
        monkeypatch.setenv("LAB_API_KEY", KEY)
        engine = load_engine(_order())
        assert engine.identity == ("openai", "openai-1", "served")
        assert list(engine.generate([], Decoding())) == list(engine.score_choices([], [], "first-token")) == []
        assert (server.chats, server.others) == ([], [])
        assert len(written(engine, numbered(3))[0]) == 3
        assert server.chats[0].body["model"] == "lab-model"


def test_a_system_with_weights_is_refused() -> None:
    with pytest.raises(UserError, match="system 'lab' has its weights here"):
        load_engine(_order(ModelSource(kind="folder", location="/m")))


def test_an_adapter_cannot_be_asked_for() -> None:
    with pytest.raises(UserError, match="takes no adapter of ours"):
        list(engine_at("http://127.0.0.1:9/v1").generate([numbered(1)[0]._replace(adapter="people")], Decoding()))


def test_answers_come_before_all_are_there_and_no_batch_is_large() -> None:
    stuck = threading.Event()

    def answer(body: Any) -> Any:
        if asked_text(body) == "Is post 199 rude?":
            stuck.wait(20)
        return completion(written_to(body))

    with ScriptedServer(answer=answer) as server:
        sizes = []
        for batch in engine_at(server.url, timeout_seconds=30).generate(numbered(200), SHORT):
            sizes.append(len(batch.indices))
            if sum(sizes) == 199:
                stuck.set()
        assert sum(sizes) == 200
        assert max(sizes) <= 64
        assert len(sizes) >= 4


def test_few_answers_do_not_wait_for_a_full_batch() -> None:
    stuck = threading.Event()

    def answer(body: Any) -> Any:
        if asked_text(body) != "Is post 0 rude?":
            stuck.wait(20)
        return completion(written_to(body))

    with ScriptedServer(answer=answer) as server:
        batches = engine_at(server.url, timeout_seconds=30).generate(numbered(5), SHORT)
        assert next(batches).indices == [0]
        stuck.set()
        assert sum(len(batch.indices) for batch in batches) == 4


@pytest.mark.parametrize("slow", [False, True])
def test_whoever_stops_reading_stops_the_asking(slow: bool) -> None:
    stuck = threading.Event()

    def answer(body: Any) -> Any:
        if slow and int(asked_text(body).split()[2]) >= 100:
            stuck.wait(20)
        return completion(written_to(body))

    with ScriptedServer(answer=answer) as server:
        spending = Spending()
        engine = engine_at(server.url, spending=spending, timeout_seconds=30)
        with closing(engine.generate(numbered(20_000), SHORT)) as batches:
            next(batches)
        sent = engine.stats.requests
        stuck.set()
        assert sent < 64 * 16 + 64 * 8
        assert spending.in_flight == 0
        assert all(thread.name != "endpoint-requests" for thread in threading.enumerate())
        time.sleep(0.1)
        assert len(server.chats) <= sent


def _terminated_while_reading(batches: Any) -> None:
    with closing(batches):
        for _ in batches:
            raise SystemExit(143)


def test_an_exception_of_the_reader_stops_the_asking() -> None:
    with ScriptedServer() as server:
        batches = engine_at(server.url).generate(numbered(20_000), SHORT)
        with pytest.raises(SystemExit):
            _terminated_while_reading(batches)
        assert all(thread.name != "endpoint-requests" for thread in threading.enumerate())


def test_no_more_are_under_way_than_is_allowed() -> None:
    def slow(body: Any) -> Any:
        time.sleep(0.01)
        return completion(written_to(body))

    with ScriptedServer(answer=slow) as server:
        engine = engine_at(server.url, concurrency=6)
        assert len(written(engine, numbered(100))[0]) == 100
        assert 2 <= server.most_inside <= 6
        assert engine.stats.notes == ["up to 6 requests at once"]


def test_usage_is_counted_and_what_came_from_a_cache_apart() -> None:
    with ScriptedServer() as server:
        engine = engine_at(server.url)
        texts, _, usage = written(engine, numbered(10))
        assert usage == Usage(400, 30, 100)
        assert {(text.input_tokens, text.output_tokens) for text in texts.values()} == {(40, 3)}
        facts = engine.stats.facts()
        expected = {"prompts": 10, "tokens_sent": 300, "tokens_written": 30, "requests": 11, "repeated_requests": 0}
        assert {name: facts[name] for name in expected} == expected
        assert facts["prefix_reuse_share"] == 0.25


def test_another_name_of_the_model_is_noted() -> None:
    with ScriptedServer(answer=lambda body: completion("Yes") | {"model": "lab-model-2026-01"}) as server:
        engine = engine_at(server.url)
        written(engine, numbered(3))
        assert "the endpoint says it answered as lab-model-2026-01" in engine.stats.notes


def test_refusals_and_ends_are_kept_as_they_came() -> None:
    replies = {
        "Is post 0 rude?": completion("Yes"),
        "Is post 1 rude?": completion("Well, it de", "length"),
        "Is post 2 rude?": completion(None, "content_filter"),
        "Is post 3 rude?": completion(None, refusal="I cannot say."),
    }
    with ScriptedServer(answer=lambda body: replies[asked_text(body)]) as server:
        texts, _, _ = written(engine_at(server.url), numbered(4))
        assert [texts[number][:2] for number in range(4)] == [
            ("Yes", "stop"), ("Well, it de", "length"), ("", "filter"), ("I cannot say.", "stop"),
        ]  # fmt: skip


def test_a_picture_that_is_gone_fails_alone_and_costs_no_request(tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"png")
    here, gone = (Image(tmp_path / name, name.encode() * 4, "image/png") for name in ("here.png", "gone.png"))
    prompts = [Prompt(prompt.messages, (image,)) for prompt, image in zip(numbered(2), (here, gone), strict=True)]
    with ScriptedServer() as server:
        texts, failures, _ = written(engine_at(server.url), prompts)
        assert (set(texts), set(failures)) == ({0}, {1})
        assert failures[1].transient
        assert len(server.chats) == 1


def test_seeds_go_with_their_prompts() -> None:
    prompts = [prompt._replace(seed=100 + number) for number, prompt in enumerate(numbered(4))]
    with ScriptedServer(lambda number, body: Fault("500") if number == 1 else None) as server:
        written(engine_at(server.url), prompts, Decoding(16, temperature=0.7))
        seeds = {asked_text(seen.body): seen.body["seed"] for seen in server.chats}
        assert seeds == {f"Is post {number} rude?": 100 + number for number in range(4)}
