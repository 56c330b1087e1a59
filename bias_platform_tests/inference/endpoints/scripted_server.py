"""An OpenAI-compatible server on this machine that answers by a rule, and misbehaves as told."""

import hashlib
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

Json = dict[str, Any]
KINDS = ("429", "500", "reset", "hang", "truncated", "html", "no choices")
INPUT_TOKENS, OUTPUT_TOKENS = 40, 3


class Seen(NamedTuple):
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: Json


class Fault(NamedTuple):
    """How one request is mistreated."""

    kind: str
    """one of KINDS, or an HTTP status"""
    body: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}


Faults = Callable[[int, Json], Fault | None]
"""Given the request's number from 0 on and its body, what goes wrong; None: nothing."""


def no_fault(number: int, body: Json) -> Fault | None:
    return None


def random_faults(share: float, seed: int, kinds: Iterable[str] = KINDS) -> Faults:
    """A share of all requests goes wrong, each in one of the ways; the same ones for a seed."""
    rng, known, choices = random.Random(seed), {}, list(kinds)

    def fault(number: int, body: Json) -> Fault | None:
        while len(known) <= number:
            drawn = rng.choice(choices) if rng.random() < share else None
            known[len(known)] = drawn and Fault(drawn, headers={"retry-after-ms": "5"} if drawn == "429" else {})
        return known[number]

    return fault


def first_ones(*faults: Fault) -> Faults:
    """The first requests go wrong, one way each."""
    return lambda number, body: faults[number] if number < len(faults) else None


def asked_text(body: Json) -> str:
    """The last message's text."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


def written_to(body: Json) -> str:
    """What is answered: decided by what is asked, not by when."""
    digest = hashlib.blake2b(json.dumps(body["messages"], sort_keys=True).encode(), digest_size=2).digest()
    return ("Yes", "No", "Maybe")[digest[0] % 3]


def completion(text: str | None, finish: str = "stop", **message: Any) -> Json:
    """A chat completion."""
    message = {"role": "assistant", "content": text, **message}
    return {
        "object": "chat.completion",
        "model": "lab-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "prompt_tokens_details": {"cached_tokens": 10},
        },
    }


class ScriptedServer:
    """Serves on loopback while the `with` block lasts.

    Args:
        faults: what goes wrong with chat requests.
        answer: the reply to a chat request that goes well.
        models: the reply to a request for the models; None: there is no such page.
        page: the reply to anything else that is posted, by path and body; None: there is no such page.
        key: requests without it are refused; None: anybody may ask.
    """

    def __init__(
        self,
        faults: Faults = no_fault,
        answer: Callable[[Json], Json] = lambda body: completion(written_to(body)),
        models: Json | None = None,
        page: Callable[[str, Json], Json | None] = lambda path, body: None,
        key: str | None = None,
    ) -> None:
        self.faults, self.answer, self.models = faults, answer, models
        self.page, self.key = page, key
        self.chats: list[Seen] = []
        self.others: list[Seen] = []
        self.faulty: Counter[str] = Counter()
        self.inside = self.most_inside = 0
        self.released = threading.Event()
        self.lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": self}))
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients that went away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: ScriptedServer

    def do_GET(self) -> None:
        self.served.others.append(Seen(self.path, dict(self.headers), {}))
        self._reply(200, self.served.models) if self.served.models else self._reply(404, _error("no such page"))

    def do_POST(self) -> None:
        served = self.served
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = Seen(self.path, dict(self.headers), body)
        if self.path != "/v1/chat/completions":
            served.others.append(seen)
            page = served.page(self.path, body)
            return self._reply(200, page) if page is not None else self._reply(404, _error("no such page"))
        with served.lock:
            number = len(served.chats)
            served.chats.append(seen)
            served.inside += 1
            served.most_inside = max(served.most_inside, served.inside)
        answer = served.answer(body)
        with served.lock:
            served.inside -= 1
        return self._serve(number, body, answer)

    def _serve(self, number: int, body: Json, answer: Json) -> None:
        served = self.served
        if served.key is not None and self.headers["Authorization"] != f"Bearer {served.key}":
            return self._reply(401, _error(f"wrong key: {self.headers['Authorization']}"))
        fault = served.faults(number, body)
        if fault is None:
            return self._reply(200, answer)
        with served.lock:
            served.faulty[fault.kind] += 1
        return self._mistreat(fault, answer)

    def _mistreat(self, fault: Fault, answer: Json) -> None:
        match fault.kind:
            case "reset":
                # lingering for no time at all turns the closing of a connection into its reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.rfile.close()
                self.connection.close()
            case "hang":
                self.served.released.wait(30)
                self.close_connection = True
            case "truncated":
                self._send(200, json.dumps(answer).encode()[:-40], "application/json", {})
            case "html":
                self._send(200, b"<html>Please log in</html>", "text/html", {})
            case "no choices":
                self._reply(200, answer | {"choices": []})
            case status:
                self._reply(int(status), fault.body or _error(f"status {status}"), fault.headers)

    def _reply(self, status: int, content: Mapping[str, Any], headers: Mapping[str, str] = {}) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", headers)

    def _send(self, status: int, content: bytes, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _error(message: str) -> Json:
    return {"error": {"message": message, "type": "error", "code": None}}
