"""A key goes to its endpoint and nowhere else, whatever the endpoint does with it."""

import logging
import socket
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.outcomes import failed_outcome
from bias_platform_tests.inference.endpoints.conftest import KEY, engine_at, numbered, written
from bias_platform_tests.inference.endpoints.scripted_server import Fault, ScriptedServer, asked_text


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)


def _repeating(status: str) -> Fault:
    return Fault(status, {"error": {"message": f"the header was 'Bearer {KEY}'"}}, {"x-key": KEY})


def test_an_endpoint_that_repeats_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    faults = {
        "0": _repeating("400"),
        "1": _repeating("500"),
        "2": Fault("html"),
        "3": Fault("reset"),
        "4": Fault("hang"),
    }

    def fault(number: int, body: Any) -> Fault | None:
        return faults.get(asked_text(body).split()[2])

    with ScriptedServer(fault, key=KEY) as server:
        engine = engine_at(server.url, timeout_seconds=0.1)
        texts, failures, _ = written(engine, numbered(8))
        assert (len(texts), len(failures)) == (3, 5)
        assert {seen.headers["authorization"] for seen in server.chats} == {f"Bearer {KEY}"}
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.append([failed_outcome(f"{number:032x}", "item", each) for number, each in failures.items()])
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"the header was 'Bearer [key]'" in content for content in files)
    assert all(KEY.encode() not in content for content in files)
    said = capfd.readouterr()
    for text in (caplog.text, said.out, said.err, str(failures), str(engine.stats.facts())):
        assert KEY not in text


@pytest.mark.parametrize("status", ["401", "403", "404", "307"])
def test_an_exception_with_all_its_causes(
    status: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    fault = _repeating(status)._replace(headers={"Location": f"https://other.example.org/?key={KEY}"})
    with ScriptedServer(lambda number, body: fault) as server, pytest.raises(UserError) as stopped:
        written(engine_at(server.url), numbered(2))
    shown = "".join(traceback.format_exception(stopped.value)) + repr(stopped.value) + caplog.text
    said = capfd.readouterr()
    assert KEY not in shown + said.out + said.err


def test_an_endpoint_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError) as stopped:
        written(engine_at("http://127.0.0.1:9/v1"), numbered(1))
    assert KEY not in "".join(traceback.format_exception(stopped.value)) + caplog.text


def test_a_redirection_to_another_host_is_not_followed() -> None:
    with ScriptedServer() as other:
        fault = Fault("307", headers={"Location": other.url + "/chat/completions"})
        with ScriptedServer(lambda number, body: fault) as server, pytest.raises(UserError, match="redirects to"):
            written(engine_at(server.url), numbered(2))
        assert (other.chats, other.others) == ([], [])


def test_no_key_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer() as server:
        assert len(written(engine_at(server.url, key=None), numbered(2))[0]) == 2
        headers = [{name.lower() for name in seen.headers} for seen in (*server.chats, *server.others)]
        assert all("authorization" not in names for names in headers)


def test_what_the_environment_holds_for_openai_goes_to_no_other_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "another-key")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-7")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-7")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer another-key\nX-Inner: 1")
    with ScriptedServer(key=KEY) as server:
        assert len(written(engine_at(server.url), numbered(2))[0]) == 2
        sent = {name.lower(): value for name, value in server.chats[0].headers.items()}
    assert sent.pop("authorization") == f"Bearer {KEY}"
    assert sent.keys() <= {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent",
    }  # fmt: skip


def test_requests_to_this_machine_take_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as proxy, ScriptedServer() as server:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert len(written(engine_at(server.url), numbered(2))[0]) == 2
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_what_is_scored_keeps_it_too(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(lambda number, body: _repeating("422")) as server:
        engine = engine_at(server.url, ask="score", scoring="first-token")
        prompt = Prompt(({"role": "user", "content": "Rude?"},))
        batches = list(engine.score_choices([prompt], [("Yes", "No")], "first-token"))
    assert batches[0].failures[0].detail == "HTTP 422: the header was 'Bearer [key]'"
    assert np.asarray(batches[0].logprobs).size == 0
    assert KEY not in caplog.text + str(batches)
