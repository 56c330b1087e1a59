"""A model behind an OpenAI-compatible endpoint on this machine: answers by a rule, counts what it is asked."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

ANSWERS = ("Yes", "yes.", "**No**", "Maybe", "I'm sorry, but I can't help with that.", "It depends on who reads it")
"""What it writes, in turn of the question's hash: four readable answers, a refusal, and one that is none."""


class ServedModel:
    """Serves chat completions on loopback while the `with` block lasts.

    Args:
        key: that requests must carry.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.asked: list[str] = []
        self.refused_keys = 0
        self.unreadable = ""
        """messages with this in them are answered with HTTP 400"""
        self.unread: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def forget(self) -> None:
        """As if nothing had been asked, and everything could be read."""
        self.asked, self.unread, self.refused_keys, self.unreadable = [], [], 0, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(served) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["Authorization"] != f"Bearer {served.key}":
                    served.refused_keys += 1
                    return self._reply(401, {"error": {"message": "wrong key", "type": "auth", "code": "401"}})
                said = json.dumps(body["messages"], sort_keys=True)
                if served.unreadable and served.unreadable in said:
                    served.unread.append(said)
                    return self._reply(400, {"error": {"message": "cannot be read", "type": "invalid", "code": "400"}})
                served.asked.append(said)
                return self._reply(200, _completion(body["model"], said))

            def _reply(self, status: int, content: dict[str, Any]) -> None:
                sent = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


def answer_to(said: str) -> str:
    """What is written to messages (as sorted JSON)."""
    return ANSWERS[hashlib.blake2b(said.encode(), digest_size=2).digest()[0] % len(ANSWERS)]


def _completion(model: str, said: str) -> dict[str, Any]:
    text = answer_to(said)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 4, "total_tokens": 44},
    }
